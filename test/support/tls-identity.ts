import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';

/** Key and self-signed certificate of a TLS server at 127.0.0.1, PEM, as `https.createServer` takes them. */
export async function selfSigned(host?: string): Promise<{ key: string; cert: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names = new SubjectAlternativeNameExtension([
    host === undefined ? { type: 'ip', value: '127.0.0.1' } : { type: 'dns', value: host },
  ]);
  const options = { name: 'CN=private', keys, signingAlgorithm: algorithm, extensions: [names] };
  const certificate = await X509CertificateGenerator.createSelfSigned(options);
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    cert: certificate.toString('pem'),
  };
}
