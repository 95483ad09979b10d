/** A signature by a new certificate of a service, as both APIs of Rekor take it. */
import { hash, sign } from 'node:crypto';
import { decodePem } from '../../core/pem.ts';
import { bodyV2, clientKey, emailToken, post, type TestService } from './test-service.ts';

/** Requests to log it. */
export interface SignatureRequests {
  /** For `POST /api/v1/log/entries`. */
  readonly first: string;
  /** For `POST /api/v2/log/entries`. */
  readonly second: string;
  /** PEM. */
  readonly certificate: string;
}

/** Has a certificate issued for that address, and signs the text. */
export async function signatureOf(
  service: Pick<TestService, 'url' | 'issuer'>,
  text: string,
  email = 'alice@example.com',
): Promise<SignatureRequests> {
  const key = clientKey(email);
  const token = await emailToken(service, { email });
  const issued = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, key));
  const { signedCertificateEmbeddedSct } = (await issued.json()) as {
    readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
  };
  const [pem = ''] = signedCertificateEmbeddedSct.chain.certificates;
  const content = sign('sha256', Buffer.from(text), key.privateKey).toString('base64');
  const value = hash('sha256', text, 'hex');
  const publicKey = { content: Buffer.from(pem).toString('base64') };
  const [block] = decodePem(pem);
  const x509Certificate = { rawBytes: Buffer.from(block?.bytes ?? '').toString('base64') };
  const verifier = { x509Certificate, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
  const spec = { data: { hash: { algorithm: 'sha256', value } }, signature: { content, publicKey } };
  return {
    certificate: pem,
    first: JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec }),
    second: JSON.stringify({
      hashedRekordRequestV002: {
        digest: Buffer.from(value, 'hex').toString('base64'),
        signature: { content, verifier },
      },
    }),
  };
}
