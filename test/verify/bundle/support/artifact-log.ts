/** Logs of Rekor's kind, both APIs, made of node:crypto and of nothing that verifies: every part of an entry can be wrong. */
import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { BundleEntry } from '../../../../bundle/format/bundle-entry.ts';
import type { TrustedLogInstance } from '../../../../trust/format/trusted-root.ts';
import { naivePath, naiveRoot } from '../../../support/naive-merkle.ts';

const sha256 = (...parts: readonly (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** A log with its key. */
export interface TestArtifactLog {
  readonly host: string;
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
  readonly logId: Buffer;
  readonly keyDetails: TrustedLogInstance['keyDetails'];
}

/** A log of the first API: ECDSA P-256. */
export function rekor1(host = 'rekor.example'): TestArtifactLog {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { host, privateKey, spki, logId: sha256(spki), keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
}

/** A log of the second API: Ed25519. */
export function rekor2(host = 'log2026.rekor.example'): TestArtifactLog {
  const { privateKey } = generateKeyPairSync('ed25519');
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const logId = sha256(`${host}\n`, Uint8Array.of(1), spki.subarray(-32));
  return { host, privateKey, spki, logId, keyDetails: 'PKIX_ED25519' };
}

/** The log as a trusted root has it. */
export const trustedLog = (
  { host, spki, logId, keyDetails }: TestArtifactLog,
  window: TrustedLogInstance['window'] = { start: 0 },
): TrustedLogInstance => ({
  baseUrl: `https://${host}`,
  publicKey: spki,
  keyDetails,
  window,
  logId,
});

/** What of an entry is not as usual. */
export interface EntryBend {
  readonly logIndex?: number;
  /** Of the proof. */
  readonly index?: number;
  /** Seconds. */
  readonly integratedTime?: number;
  /** Signed over these parts in the place of the right ones. */
  readonly promised?: Record<string, unknown>;
  readonly origin?: string;
  readonly size?: number;
  readonly root?: Uint8Array;
  /** Behind the root in the text of the checkpoint. */
  readonly extensions?: readonly string[];
  /** Who signs the checkpoint, and by which name and key id. */
  readonly signer?: KeyObject;
  readonly name?: string;
  readonly keyId?: Uint8Array;
  /** Lines of the checkpoint before and behind the log's own. */
  readonly before?: readonly string[];
  readonly behind?: readonly string[];
}

const SIZE = 7;
const INDEX = 4;

const signText = (key: KeyObject, text: string | Uint8Array): Buffer =>
  sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', Buffer.from(text), key);

/** An entry of the first API with that body, of the second where the log has an Ed25519 key. */
export function entryOf(log: TestArtifactLog, body: string, time: number, bend: EntryBend = {}): BundleEntry {
  const isFirst = log.keyDetails === 'PKIX_ECDSA_P256_SHA_256';
  const { kind, apiVersion: version } = JSON.parse(body) as { kind: string; apiVersion: string };
  const leaves = Array.from({ length: SIZE }, (_, i) =>
    sha256(Uint8Array.of(0), i === INDEX ? body : `other ${i}`),
  );
  const root = bend.root ?? naiveRoot(leaves);
  const size = bend.size ?? SIZE;
  // Trees of before count in the index of an entry of the first API.
  const logIndex = bend.logIndex ?? (isFirst ? 1000 + INDEX : INDEX);
  const integratedTime = bend.integratedTime ?? (isFirst ? Math.floor(time / 1000) : 0);
  const promised = {
    body: Buffer.from(body).toString('base64'),
    integratedTime,
    logID: log.logId.toString('hex'),
    logIndex,
    ...bend.promised,
  };
  const origin = bend.origin ?? (isFirst ? `${log.host} - 1193050959916656506` : log.host);
  const lines = [origin, size, Buffer.from(root).toString('base64'), ...(bend.extensions ?? [])];
  const text = `${lines.join('\n')}\n`;
  const signature = signText(bend.signer ?? log.privateKey, text);
  const line = `— ${bend.name ?? log.host} ${Buffer.concat([bend.keyId ?? log.logId.subarray(0, 4), signature]).toString('base64')}`;
  const checkpoint = `${text}\n${[...(bend.before ?? []), line, ...(bend.behind ?? [])].join('\n')}\n`;
  return {
    logIndex,
    logId: log.logId,
    kind,
    version,
    integratedTime,
    promise: isFirst ? signText(log.privateKey, JSON.stringify(promised)) : undefined,
    proof: {
      index: bend.index ?? INDEX,
      size,
      root,
      hashes: naivePath(INDEX, leaves),
      checkpoint: Buffer.from(checkpoint),
    },
    body: Buffer.from(body),
  };
}

/** What signed, as logs note it: DER, of a certificate or of a key. */
export interface NotedVerifier {
  readonly label: 'CERTIFICATE' | 'PUBLIC KEY';
  readonly der: Uint8Array;
}

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
const pem = ({ label, der }: NotedVerifier): string =>
  `-----BEGIN ${label}-----\n${(base64(der).match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;
const hexOf = (data: Uint8Array): string => sha256(data).toString('hex');

/** Canonical bodies, written down as Rekor writes them, of P-256 keys. */
export const BODIES = {
  hashedrekord1: (by: NotedVerifier, signature: Uint8Array, artifact: Uint8Array): string =>
    JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha256', value: hexOf(artifact) } },
        signature: { content: base64(signature), publicKey: { content: base64(pem(by)) } },
      },
    }),
  dsse1: (by: NotedVerifier, signature: Uint8Array, payload: Uint8Array): string =>
    JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: {
        envelopeHash: { algorithm: 'sha256', value: hexOf(Buffer.from('the envelope')) },
        payloadHash: { algorithm: 'sha256', value: hexOf(payload) },
        signatures: [{ signature: base64(signature), verifier: base64(pem(by)) }],
      },
    }),
  intoto2: (by: NotedVerifier, signature: Uint8Array, payload: Uint8Array): string =>
    JSON.stringify({
      apiVersion: '0.0.2',
      kind: 'intoto',
      spec: {
        content: {
          envelope: {
            payloadType: 'application/vnd.in-toto+json',
            signatures: [{ publicKey: base64(pem(by)), sig: base64(base64(signature)) }],
          },
          hash: { algorithm: 'sha256', value: hexOf(Buffer.from('the envelope')) },
          payloadHash: { algorithm: 'sha256', value: hexOf(payload) },
        },
      },
    }),
  hashedrekord2: (by: NotedVerifier, signature: Uint8Array, signed: Uint8Array): string =>
    JSON.stringify({
      apiVersion: '0.0.2',
      kind: 'hashedrekord',
      spec: {
        hashedRekordV002: {
          data: { algorithm: 'SHA2_256', digest: sha256(signed).toString('base64') },
          signature: { content: base64(signature), verifier: verifier2(by) },
        },
      },
    }),
} as const;

const verifier2 = ({ label, der }: NotedVerifier): unknown => ({
  keyDetails: 'PKIX_ECDSA_P256_SHA_256',
  [label === 'CERTIFICATE' ? 'x509Certificate' : 'publicKey']: { rawBytes: base64(der) },
});
