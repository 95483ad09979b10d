/** Requests to logs of artifacts: an honest one, and those of attackers that cost as much as they can, by keys of their own on the curve that takes longest. */
import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-521' });

/** A signature that holds, of something new, for a log of the first API. The key is one of ECDSA P-256. */
export function ownEntry(privateKey: KeyObject, text: string): string {
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const signature = {
    content: sign('sha256', Buffer.from(text), privateKey).toString('base64'),
    publicKey: { content: Buffer.from(pem).toString('base64') },
  };
  const hash = { algorithm: 'sha256', value: createHash('sha256').update(text).digest('hex') };
  return JSON.stringify({ apiVersion: '0.0.1', kind: 'hashedrekord', spec: { data: { hash }, signature } });
}

/** What is read of a log of the first API takes as long as it may: entries that are found by checking signatures, ten entries of a bundle that is full, and hits of a search. */
export const expensiveQuestions = (
  entryKeyHash: string,
): readonly (readonly [call: string, body: string])[] => {
  const envelope = JSON.parse(foreignEnvelope()) as unknown;
  return [
    ['log/entries/retrieve', JSON.stringify({ entries: Array.from({ length: 10 }, () => envelope) })],
    ['log/entries/retrieve', JSON.stringify({ logIndexes: Array.from({ length: 10 }, (_, i) => 246 + i) })],
    ['index/retrieve', JSON.stringify({ keyHash: entryKeyHash, limit: 500 })],
  ];
};

/** Queries of a search over all logs that take as long as they may: with as many hits as a page has, with as many conditions as there may be, of which no
 * entry meets all, and with what each certificate was used for. */
export function searches(issuer: string): readonly string[] {
  const everything = new URLSearchParams({ issuer, limit: '500' });
  const nothing = new URLSearchParams({ issuer, limit: '500' });
  for (const prefix of [...Array<string>(14).fill('a'), 'zz']) nothing.append('identity-prefix', prefix);
  const joined = new URLSearchParams({ issuer, join: 'true', limit: '50', log: 'certificates' });
  return [everything, nothing, joined].map(String);
}

/** A list of as many elements as there is room for in a request to a log of the second API. */
export const wideEnvelope = (): string =>
  JSON.stringify({
    dsseRequestV002: { envelope: { signatures: Array.from({ length: 340_000 }, () => ({})) } },
  });

/** A signature that holds, for a log of the second API. */
export function foreignEntry(): string {
  const { publicKey, privateKey } = newKey();
  const data = Buffer.from('an artifact');
  return JSON.stringify({
    hashedRekordRequestV002: {
      digest: createHash('sha512').update(data).digest('base64'),
      signature: {
        content: sign('sha512', data, privateKey).toString('base64'),
        verifier: {
          publicKey: { rawBytes: spkiOf(publicKey).toString('base64') },
          keyDetails: 'PKIX_ECDSA_P521_SHA_512',
        },
      },
    },
  });
}

/** Signatures and keys of an envelope: with more it would take more checks than a request may cost. */
const SIGNERS = 5;

/** An envelope for a log of the first API: each key has to be tried with every signature, and the last one made none. */
export function foreignEnvelope(): string {
  const payload = Buffer.from('{}');
  const signed = Buffer.from(`DSSEv1 1 x ${payload.length} {}`);
  const keys = Array.from({ length: SIGNERS }, newKey);
  const last = keys[SIGNERS - 1]?.publicKey;
  const signatures = keys.map(({ privateKey }) => sign('sha256', signed, privateKey).toString('base64'));
  signatures[SIGNERS - 1] = sign('sha256', payload, newKey().privateKey).toString('base64');
  const envelope = JSON.stringify({
    payloadType: 'x',
    payload: payload.toString('base64'),
    signatures: signatures.map((sig) => ({ sig })),
  });
  const verifiers = [
    ...keys
      .slice(0, -1)
      .toReversed()
      .map(({ publicKey }) => publicKey),
    last,
  ];
  return JSON.stringify({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      proposedContent: {
        envelope,
        verifiers: verifiers.map((key) =>
          Buffer.from(key?.export({ type: 'spki', format: 'pem' }) ?? '').toString('base64'),
        ),
      },
    },
  });
}
