import 'reflect-metadata';
import { isIP } from 'node:net';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';

/** Key and self-signed certificate of a TLS server at these hosts (default 127.0.0.1), PEM, as `https.createServer` takes
 * them. */
export async function selfSigned(...hosts: readonly string[]): Promise<{ key: string; cert: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names = new SubjectAlternativeNameExtension(
    (hosts.length === 0 ? ['127.0.0.1'] : hosts).map((value) => ({
      type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
      value,
    })),
  );
  const options = {
    name: `CN=${hosts[0] ?? 'private'}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [names],
  };
  const certificate = await X509CertificateGenerator.createSelfSigned(options);
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    cert: certificate.toString('pem'),
  };
}
