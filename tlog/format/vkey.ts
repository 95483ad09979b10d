/**
 * Verifier keys of notes (c2sp.org/signed-note): `<name>+<key id, 8 hex digits>+<base64 of type u8 ‖ key>`, where the
 * key id is the start of SHA-256(name ‖ 0A ‖ type ‖ key).
 *
 * A static-ct-api key (type 05) is the exception: its vkey carries the whole SubjectPublicKeyInfo, its key id covers
 * the log id (SHA-256 of that) in the key's place.
 */
import { concat, equalBytes, fromBase64, fromHex, toBase64, toHex, utf8 } from '../../core/bytes.ts';
import { ed25519Fault } from '../../core/ed25519-point.ts';
import { FormatError } from '../../core/errors.ts';
import type { Sha256 } from '../../core/hash.ts';
import { isKeyName } from './signed-note.ts';

/** Kinds of keys that sign notes. */
type VkeyType = 'ed25519' | 'cosignature' | 'static-ct';

/** A key that checks notes. */
export interface Vkey {
  /** For a log: its origin. */
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  readonly type: VkeyType;
  /** Ed25519 and its cosignature: 32 bytes; static-ct: DER SubjectPublicKeyInfo. */
  readonly key: Uint8Array;
}

const TYPE_BYTES: Readonly<Record<VkeyType, number>> = { ed25519: 1, cosignature: 4, 'static-ct': 5 };
const TYPES: ReadonlyMap<number | undefined, VkeyType> = new Map(
  (Object.keys(TYPE_BYTES) as VkeyType[]).map((type) => [TYPE_BYTES[type], type]),
);

/** The vkey of that name and key. Throws {@link FormatError} for a name or an Ed25519 key that cannot be one. */
export function makeVkey(sha256: Sha256, name: string, type: VkeyType, key: Uint8Array): Vkey {
  if (!isKeyName(name)) throw new FormatError('MALFORMED', 'the name of a key must not hold spaces or "+"');
  const fault = type === 'static-ct' ? undefined : ed25519Fault(key);
  if (fault !== undefined) throw new FormatError('MALFORMED', `an Ed25519 key ${fault}`);
  const material = type === 'static-ct' ? sha256(key) : key;
  const hash = sha256(concat([utf8(`${name}\n`), Uint8Array.of(TYPE_BYTES[type]), material]));
  return { name, keyId: hash.subarray(0, 4), type, key };
}

/** The text form, without a newline. */
export const encodeVkey = ({ name, keyId, type, key }: Vkey): string =>
  `${name}+${toHex(keyId)}+${toBase64(concat([Uint8Array.of(TYPE_BYTES[type]), key]))}`;

/** Reads one vkey. Throws {@link FormatError}: `UNSUPPORTED` for another type of key, `MALFORMED` when the key id is
 * not that of the key. */
export function parseVkey(sha256: Sha256, text: string): Vkey {
  const [, name = '', id = '', blob = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (name === '') throw new FormatError('MALFORMED', 'this is not a verifier key of the form name+id+key');
  const bytes = fromBase64(blob);
  const type = TYPES.get(bytes[0]);
  if (type === undefined) throw new FormatError('UNSUPPORTED', 'a verifier key is of an unknown type');
  const out = makeVkey(sha256, name, type, bytes.subarray(1));
  if (!equalBytes(out.keyId, fromHex(id))) {
    throw new FormatError('MALFORMED', 'the id of a verifier key does not belong to its key');
  }
  return out;
}

/** Reads vkeys, one a line; empty lines are skipped. Throws {@link FormatError}. */
export const parseVkeys = (sha256: Sha256, text: string): Vkey[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) => parseVkey(sha256, line));
