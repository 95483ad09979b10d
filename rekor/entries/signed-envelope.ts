/** DSSE envelopes in requests to a log of the first API, with those who are to have signed them. */
import { utf8Text } from '../../core/bytes.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import { goBase64 } from '../../core/go/base64.ts';
import { signsMessage, type EntryKey } from './entry-key.ts';
import { refusal } from './v1-members.ts';

/** An envelope as it was sent: base64 is not decoded yet. */
export interface SentEnvelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly string[];
}

/** Each signature may have to be tried with each key. */
export const MAX_SIGNATURES = 8;

/** Refuses more signatures or keys than anybody sends. Throws {@link EntryError}. */
export function requireFew(list: readonly unknown[], what: string): void {
  if (list.length > MAX_SIGNATURES)
    throw refusal('ENTRY_TOO_LARGE', `the envelope has more than ${MAX_SIGNATURES} ${what}`);
}

/** The payload, and who made each signature, when each key made one of them and each signature is by one of the keys. A key that comes when all signatures are known is
 * ignored, or refused where `isEachNeeded`: kinds differ in that. Throws {@link EntryError}. */
export function verifySentEnvelope(
  { payloadType, payload: text, signatures }: SentEnvelope,
  keys: readonly (() => EntryKey)[],
  isEachNeeded: boolean,
): { readonly payload: Uint8Array; readonly signers: ReadonlyMap<string, EntryKey> } {
  const open = new Set(signatures);
  const signers = new Map<string, EntryKey>();
  // Rekor reads a key before it decodes anything.
  const first = keys[0]?.();
  const payload = decode(text);
  const signed = preAuthenticationEncoding({ payloadType, payload });
  const raw = new Map([...open].map((signature) => [signature, decode(signature)]));
  for (const [i, readKey] of keys.entries()) {
    if (open.size === 0 && !isEachNeeded) break;
    const key = i === 0 && first !== undefined ? first : readKey();
    const found = [...raw].find(([, signature]) => signsMessage(key, signed, signature))?.[0];
    if (found === undefined) throw unsigned();
    open.delete(found);
    signers.set(found, key);
  }
  if (open.size === 0) return { payload, signers };
  throw refusal('ENTRY_SIGNATURE_INVALID', 'a signature of the envelope is by none of the keys', {
    stock: 'all signatures must have a key that verifies it',
  });
}

const unsigned = (): Error =>
  refusal('ENTRY_SIGNATURE_INVALID', 'a key made none of the signatures of the envelope', {
    hint: 'Envelopes are signed by ECDSA or RSA PKCS#1 v1.5 with SHA-256, whatever the size of the key, or by pure Ed25519.',
    stock: 'could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1',
  });

/** Standard or URL-safe. */
function decode(text: string): Uint8Array {
  const bytes = goBase64(text);
  if (typeof bytes !== 'number') return bytes;
  const urlSafe = text.replaceAll('-', '+').replaceAll('_', '/');
  const other = /[+/]/.test(text) ? bytes : goBase64(urlSafe);
  if (typeof other !== 'number') return other;
  throw refusal('ENTRY_MALFORMED', 'the payload or a signature of the envelope is not base64', {
    stock: 'could not verify envelope: unable to base64 decode payload (is payload in the right format?)',
  });
}

/** The text of an envelope, from bytes that are to be one in base64. */
export const innerText = (bytes: Uint8Array): string => {
  try {
    return utf8Text(bytes);
  } catch {
    // Not UTF-8: so it is not base64 either, which is said where it is decoded.
    return '\u0000';
  }
};
