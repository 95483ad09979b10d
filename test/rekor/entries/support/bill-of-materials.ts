/** Attestations as large as those of real software. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding } from '../../../../bundle/format/envelope.ts';

/** A `dsse` 0.0.1 with a payload of at least so many bytes, signed by a new key or as it is said. */
export function billOfMaterials(
  bytes: number,
  signed?: { readonly publicKey: KeyObject; readonly signature: Uint8Array },
): unknown {
  const component = { name: 'x'.repeat(100), hashes: [{ alg: 'SHA-256', content: 'a'.repeat(64) }] };
  const count = Math.ceil(bytes / JSON.stringify(component).length);
  const statement = {
    _type: 'https://in-toto.io/Statement/v0.1',
    subject: [{ name: 'a', digest: { sha256: 'ab'.repeat(32) } }],
    predicate: { components: Array.from({ length: count }, () => component) },
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const { publicKey, signature } = signed ?? signedByNewKey(payload);
  const envelope = JSON.stringify({
    payloadType: IN_TOTO_PAYLOAD_TYPE,
    payload: payload.toString('base64'),
    signatures: [{ keyid: '', sig: Buffer.from(signature).toString('base64') }],
  });
  const verifier = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64');
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: { proposedContent: { envelope, verifiers: [verifier] } },
  };
}

function signedByNewKey(payload: Uint8Array): { publicKey: KeyObject; signature: Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signed = preAuthenticationEncoding({ payloadType: IN_TOTO_PAYLOAD_TYPE, payload });
  return { publicKey, signature: sign('sha256', signed, privateKey) };
}
