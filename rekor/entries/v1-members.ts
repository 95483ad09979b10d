/** Parts of requests to a log of the first API, as Rekor's decoders read them: null is absent, another type too, and what is not known is not looked at. */
import { FormatError } from '../../core/errors.ts';
import { goBase64 } from '../../core/go/base64.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { EntryError, type EntryReason } from './entry-error.ts';

/** An object of JSON. */
export type Members = Readonly<Record<string, JsonValue>>;

/** The object, if the value is one. */
export const membersOf = (value: unknown): Members | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;

/** Names of members that something is read from, in lower case → as they are. */
const NAMES: ReadonlyMap<string, string> = new Map(
  [
    ...['apiVersion', 'kind', 'spec', 'data', 'hash', 'algorithm', 'value', 'signature', 'content'],
    ...['publicKey', 'proposedContent', 'envelope', 'verifiers', 'envelopeHash', 'payloadHash'],
    ...['signatures', 'verifier', 'payloadType', 'payload', 'sig', 'keyid'],
  ].map((name) => [name.toLowerCase(), name]),
);

/** Refuses members whose names are ours but for the case of letters: Go reads such a member as ours, so that it would see another request than we do. Throws {@link EntryError}. */
export function requireOneCase(json: unknown): void {
  const open = [json];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    for (const [name, member] of Object.entries(value as Record<string, unknown>)) {
      // Both, because Go takes two signs that are no letters of ASCII for s and k.
      const known = NAMES.get(name.toUpperCase().toLowerCase());
      if (known !== undefined && known !== name)
        throw refusal('ENTRY_MALFORMED', `a member is named ${known} but for the case of its letters`);
      if (typeof member === 'object') open.push(member);
    }
  }
}

const member = (object: Members | undefined, name: string): JsonValue | undefined =>
  object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;

/** The object that stands there. */
export const objectAt = (object: Members | undefined, name: string): Members | undefined =>
  membersOf(member(object, name));

/** The text that stands there. Throws {@link EntryError} for one that is not Unicode: in a body it would have several spellings. */
export function textAt(object: Members | undefined, name: string): string | undefined {
  const value = member(object, name);
  if (typeof value !== 'string') return undefined;
  if (!value.isWellFormed()) throw refusal('ENTRY_MALFORMED', `${name} is not Unicode`);
  return value;
}

/** The list that stands there. */
export function listAt(object: Members | undefined, name: string): readonly JsonValue[] | undefined {
  const value = member(object, name);
  return Array.isArray(value) ? (value as readonly JsonValue[]) : undefined;
}

/** The bytes of the text that stands there; undefined where it is empty. Throws {@link EntryError} for what is not base64. */
export function bytesAt(object: Members | undefined, name: string, what: string): Uint8Array | undefined {
  const text = textAt(object, name);
  return text === undefined || text === '' ? undefined : base64(text, what);
}

/** The bytes of a text. Throws {@link EntryError} for what is not base64. */
export function base64(text: string, what: string): Uint8Array {
  const bytes = goBase64(text);
  if (typeof bytes !== 'number') return bytes;
  throw refusal('ENTRY_MALFORMED', `${what} is not base64`, {
    hint: 'Send standard base64 with padding.',
    stock: `failed parsing base64 data for ${what}: illegal base64 data at input byte ${bytes}`,
  });
}

/** A refusal of a handler: `stock` is what Rekor says in its place, where it has words of its own. */
export const refusal = (
  code: EntryReason,
  sentence: string,
  {
    stock,
    ...details
  }: { readonly hint?: string; readonly stock?: string | undefined; readonly cause?: unknown } = {},
): EntryError =>
  new EntryError(code, sentence, {
    ...details,
    stock: { status: 400, code: 400, message: stock ?? sentence, by: 'handler' },
  });

/** What is wrong with the form of a request, in the words of Rekor's framework: of each part the first fault. */
export const invalidParts = (faults: readonly string[]): EntryError =>
  refusal('ENTRY_MALFORMED', 'a part of the request is missing or not of its form', {
    hint: 'The message of the answer names it.',
    stock: ['validation failure list:', ...faults].join('\n'),
  });

const SHA256 = /^[0-9a-f]{64}$/;

/** A SHA-256 with its algorithm, undefined where none stands there; `path` is what Rekor calls it. Throws {@link EntryError} for what is no such hash in lower case. */
export function sha256At(object: Members | undefined, name: string, path: string): string | undefined {
  const hash = objectAt(object, name);
  if (hash === undefined) return undefined;
  const [algorithm, value] = [textAt(hash, 'algorithm'), textAt(hash, 'value')];
  if (algorithm === undefined) throw invalidParts([`${path}.algorithm in body is required`]);
  if (algorithm !== 'sha256') throw invalidParts([`${path}.algorithm in body should be one of [sha256]`]);
  if (value === undefined) throw invalidParts([`${path}.value in body is required`]);
  if (SHA256.test(value)) return value;
  throw refusal('ENTRY_MALFORMED', `${name} is no SHA-256 in hexadecimal of lower case`);
}

/** A hash as bodies have it. */
export const sha256Json = (value: string): JsonValue => ({ algorithm: 'sha256', value });

/** What `parse` makes of it; its FormatError as a refusal. */
export function guarded<T>(what: string, stock: string | undefined, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw refusal('ENTRY_MALFORMED', `${what} could not be read: ${cause.message}`, { cause, stock });
  }
}
