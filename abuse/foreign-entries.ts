/** Requests to log entries that cost as much as they can before they are refused: by keys of the attacker, on the curve that takes longest. */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-521' });

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
