/** DSSE envelopes in requests to a log of the first API, with those who are to have signed them. */
import { utf8Text } from '../../core/bytes.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import { goBase64 } from '../../core/go/base64.ts';
import { signsMessage, type EntryKey } from './entry-key.ts';
import type { SignatureChecks } from './signature-checks.ts';
import { refusal } from './v1-members.ts';

/** An envelope as it was sent: base64 is not decoded yet. */
export interface SentEnvelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly string[];
}

/** Signatures and keys that somebody sends. */
export const MAX_SIGNATURES = 8;

/** Refuses more signatures or keys than anybody sends. Throws {@link EntryError}. */
export function requireFew(list: readonly unknown[], what: string): void {
  if (list.length > MAX_SIGNATURES)
    throw refusal('ENTRY_TOO_LARGE', `the envelope has more than ${MAX_SIGNATURES} ${what}`);
}

/** An envelope's payload, and who made each of its signatures. */
interface SignedPayload {
  readonly payload: Uint8Array;
  readonly signers: ReadonlyMap<string, EntryKey>;
}

/** The payload, and who made each signature, when each key made one of them and each signature is by one of the keys. A key that comes when all signatures are known is
 * ignored, or refused where `isEachNeeded`: kinds differ in that. Where `checks` are not required, the only signature is taken to be by the first key. Throws {@link EntryError}. */
export function verifySentEnvelope(
  { payloadType, payload: text, signatures }: SentEnvelope,
  keys: readonly (() => EntryKey)[],
  isEachNeeded: boolean,
  checks: SignatureChecks,
): SignedPayload {
  // Rekor reads a key before it decodes anything.
  const first = keys[0]?.();
  if (first !== undefined) checks.admit(first.verifier);
  const payload = decode(text);
  const raw = new Map(signatures.map((signature) => [signature, decode(signature)]));
  const [only] = raw.keys();
  if (!checks.areRequired && raw.size === 1 && only !== undefined && first !== undefined)
    return { payload, signers: new Map([[only, first]]) };
  const signed = preAuthenticationEncoding({ payloadType, payload });
  const search = new SignerSearch(raw, signed, checks);
  for (const [i, readKey] of keys.entries()) {
    if (search.isDone && !isEachNeeded) break;
    const key = i === 0 && first !== undefined ? first : readKey();
    if (i > 0) checks.admit(key.verifier);
    search.assign(key, i);
  }
  if (search.isDone) return { payload, signers: search.signers };
  throw refusal('ENTRY_SIGNATURE_INVALID', 'a signature of the envelope is by none of the keys', {
    stock: 'all signatures must have a key that verifies it',
  });
}

/** Finds which key made which signature. */
class SignerSearch {
  readonly signers = new Map<string, EntryKey>();
  readonly #raw: ReadonlyMap<string, Uint8Array>;
  readonly #signed: Uint8Array;
  readonly #checks: SignatureChecks;
  /** Key → its signature: a key is tried once. */
  readonly #found = new Map<string, string>();

  constructor(raw: ReadonlyMap<string, Uint8Array>, signed: Uint8Array, checks: SignatureChecks) {
    this.#raw = raw;
    this.#signed = signed;
    this.#checks = checks;
  }

  get isDone(): boolean {
    return this.signers.size === this.#raw.size;
  }

  /** Throws {@link EntryError} for a key that made none of those that are by nobody yet. */
  assign(key: EntryKey, at: number): void {
    const id = Buffer.from(key.verifier.spki).toString('base64');
    const found = this.#found.get(id) ?? this.#open(at).find((signature) => this.#isBy(key, signature));
    if (found === undefined) throw unsigned();
    this.#found.set(id, found);
    this.signers.set(found, key);
  }

  /** The one at the place of the key comes first: most clients send them so. */
  #open(at: number): readonly string[] {
    const all = [...this.#raw.keys()];
    const beside = all.slice(at, at + 1);
    return [...new Set([...beside, ...all])].filter((signature) => !this.signers.has(signature));
  }

  #isBy(key: EntryKey, signature: string): boolean {
    this.#checks.take();
    return signsMessage(key, this.#signed, this.#raw.get(signature) ?? new Uint8Array());
  }
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

/** The bytes of a payload in standard base64. Throws {@link EntryError} for another text. */
export function requireStandard(text: string): Uint8Array {
  const bytes = goBase64(text);
  if (typeof bytes !== 'number') return bytes;
  throw refusal('ENTRY_MALFORMED', 'the payload is not in standard base64', {
    stock: `could not decode envelope payload: illegal base64 data at input byte ${bytes}`,
  });
}
