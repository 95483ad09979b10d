/**
 * The entries that the load generator logs: each an artifact of its own, signed with P-256, as requests of Rekor's first or second API. With a bare key, or with certificates that a
 * service of ours issued.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodePem, encodePem } from '../core/pem.ts';
import { workFolder } from './work-folder.ts';

/** The API that entries are logged through. */
export type EntryApi = 1 | 2;

/** Who signs: a key, and a certificate for it, where it has one. */
export interface BenchSigner {
  readonly key: KeyObject;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** DER. */
  readonly certificate?: Uint8Array | undefined;
}

/** A signer with a key alone. */
export function createEntrySigner(): BenchSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { key: privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) };
}

/** A signer with a certificate of the service at `url`, for the token of the `index`-th of the benchmark's requests for one. */
export async function certifiedSigner(url: string, token: string, subject: string): Promise<BenchSigner> {
  const signer = createEntrySigner();
  const answer = await fetch(`${url}/api/v2/signingCert`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { algorithm: 'ECDSA', content: encodePem('PUBLIC KEY', signer.spki) },
        proofOfPossession: sign('sha256', Buffer.from(subject), signer.key).toString('base64'),
      },
    }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`no certificate for entries: ${text}`);
  const { signedCertificateEmbeddedSct: embedded } = JSON.parse(text) as {
    signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
  };
  const [pem = ''] = embedded.chain.certificates;
  return { ...signer, certificate: decodePem(pem, 1)[0]?.bytes };
}

/** Writes so many requests to a file, one a line, the signers taking turns; returns its path. */
export function writeEntries(api: EntryApi, signers: readonly BenchSigner[], count: number): string {
  const file = join(workFolder('entries'), `v${api}.jsonl`);
  const lines = Array.from({ length: count }, (_, at) => {
    const signer = signers[at % signers.length];
    if (signer === undefined) throw new Error('nobody signs the entries');
    const artifact = randomBytes(64);
    const signature = sign('sha256', artifact, signer.key).toString('base64');
    return JSON.stringify(REQUESTS[api](signer, createHash('sha256').update(artifact).digest(), signature));
  });
  writeFileSync(file, lines.join('\n'));
  return file;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const REQUESTS: Readonly<
  Record<EntryApi, (signer: BenchSigner, digest: Buffer, signature: string) => unknown>
> = {
  1: ({ spki, certificate }, digest, signature) => {
    const pem =
      certificate === undefined ? encodePem('PUBLIC KEY', spki) : encodePem('CERTIFICATE', certificate);
    return {
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha256', value: digest.toString('hex') } },
        signature: { content: signature, publicKey: { content: base64(Buffer.from(pem)) } },
      },
    };
  },
  2: ({ spki, certificate }, digest, content) => {
    const who =
      certificate === undefined
        ? { publicKey: { rawBytes: base64(spki) } }
        : { x509Certificate: { rawBytes: base64(certificate) } };
    const verifier = { ...who, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
    return {
      hashedRekordRequestV002: { digest: digest.toString('base64'), signature: { content, verifier } },
    };
  },
};
