/**
 * What a log of Rekor's kind holds of a signature: the canonical body of its entry, rebuilt from the signature itself. Two entries are about the same
 * signature if and only if their bodies are the same, to the byte; no part of a body is looked at alone.
 */
import { equalBytes, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import type { EntryDigest } from './entry-digest.ts';
import { FoundBody } from './found-body.ts';
import type { LoggedSignature } from './logged-signature.ts';
import { dsse1, hashedrekord1, intoto2 } from './rekor-v1-body.ts';
import { hashedrekord2 } from './rekor-v2-body.ts';

/** An entry of a kind. */
interface KindRow {
  /** Of Rekor's API: 1 with signed entry timestamps, 2 with tiles. */
  readonly api: 1 | 2;
  /** The body that the entry must have, in one of the forms in which such bodies are written: in that of `found`, the one that it has. */
  readonly rebuild: (
    signature: LoggedSignature,
    digest: EntryDigest,
    found: FoundBody,
  ) => JsonValue | Promise<JsonValue>;
}

/** `kind version` → how its bodies are made. */
const KINDS: ReadonlyMap<string, KindRow> = new Map<string, KindRow>([
  ['hashedrekord 0.0.1', { api: 1, rebuild: hashedrekord1 }],
  ['dsse 0.0.1', { api: 1, rebuild: dsse1 }],
  ['intoto 0.0.2', { api: 1, rebuild: intoto2 }],
  ['hashedrekord 0.0.2', { api: 2, rebuild: hashedrekord2 }],
]);

/** The version of Rekor's API whose logs have entries of that kind; undefined for a kind that is not known. */
export const apiOfKind = (kind: string, version: string): 1 | 2 | undefined =>
  KINDS.get(`${kind} ${version}`)?.api;

/** A body in which everything else than a signature and what it is over is fixed is short; envelopes are not in bodies. */
const LIMITS = { length: 1024 * 1024, depth: 16 };

/** Throws {@link FormatError} unless `body` is the body of an entry of that kind about that signature, to the byte. Its sentence names the first
 * part that differs. */
export async function requireBodyOf(
  { kind, version, body }: { readonly kind: string; readonly version: string; readonly body: Uint8Array },
  signature: LoggedSignature,
  digest: EntryDigest,
): Promise<void> {
  const row = KINDS.get(`${kind} ${version}`);
  if (row === undefined)
    throw new FormatError('UNSUPPORTED', 'the log entry is of a kind that is not known here');
  const found = parseStrictJson(utf8Text(body), LIMITS);
  const expected = await row.rebuild(signature, digest, new FoundBody(found));
  if (equalBytes(utf8(JSON.stringify(expected)), body)) return;
  const path = firstDifference(expected, found) ?? [];
  const sentence =
    path.length === 0
      ? 'the body of the log entry is not in its canonical form'
      : `the log entry is about another ${partOf(path)} than the bundle: ${path.join('.')} differs`;
  throw new FormatError('MALFORMED', sentence);
}

/** What the parts of bodies are to people, from the end of their paths. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^(?:apiVersion|kind)$/, 'kind'],
  [/\b(?:publicKey|verifier|x509Certificate)\b/, 'certificate or key'],
  [/\.(?:content|sig|signature|keyid)$/, 'signature'],
  [/\b(?:hash|data|payloadHash|payloadType)\b/, 'artifact'],
];

const partOf = (path: readonly string[]): string =>
  PARTS.find(([pattern]) => pattern.test(path.join('.')))?.[1] ?? 'thing';

/** The way to the first part that differs; empty where only the spelling does. */
function firstDifference(expected: JsonValue, found: JsonValue | undefined): readonly string[] | undefined {
  if (typeof expected !== 'object' || expected === null) return expected === found ? undefined : [];
  const other: Readonly<Record<string, JsonValue>> =
    typeof found === 'object' && found !== null ? (found as Readonly<Record<string, JsonValue>>) : {};
  const own = expected as Readonly<Record<string, JsonValue>>;
  for (const [name, value] of Object.entries(own)) {
    const member = Object.hasOwn(other, name) ? other[name] : undefined;
    const below = firstDifference(value, member);
    if (below !== undefined) return [name, ...below];
  }
  const extra = Object.keys(other).find((name) => !Object.hasOwn(own, name));
  return extra === undefined ? undefined : [printable(extra.slice(0, 80))];
}
