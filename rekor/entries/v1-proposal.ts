/** Requests to a log of the first API: `POST /api/v1/log/entries`, and the entries in questions to `…/retrieve`. */
import { utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { hasTooManyValues, MAX_VALUES } from '../../core/json-bounds.ts';
import { firstJsonValueOf } from '../../core/go/json-syntax.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { EntryError, type StockRefusal } from './entry-error.ts';
import { MAX_BODY, type AdmitVerifier, type ProposedEntry } from './proposed-entry.ts';
import { SignatureChecks } from './signature-checks.ts';
import { readDsse1 } from './v1-dsse.ts';
import { readHashedrekord1 } from './v1-hashedrekord.ts';
import { readIntoto1 } from './v1-intoto1.ts';
import { readIntoto2 } from './v1-intoto2.ts';
import { membersOf, refusal, requireOneCase, type Members } from './v1-members.ts';
import type { ReadEntry } from './v1-read-entry.ts';

/** Bytes of a request. Rekor has no limit of its own; envelopes with bills of materials have a few MiB. */
export const MAX_V1_REQUEST = 16 * 1024 * 1024;

/** Canonical bodies and proposed entries are shallow; envelopes are texts in them. */
const LIMITS = { length: MAX_V1_REQUEST, depth: 32, parts: MAX_VALUES };

type EntryReader = (spec: Members, checks: SignatureChecks) => ReadEntry | Promise<ReadEntry>;

/** Kind → version → how its `spec` is read; no versions for the kinds of Rekor that are not logged here. */
const KINDS: ReadonlyMap<string, ReadonlyMap<string, EntryReader>> = new Map([
  ['hashedrekord', new Map<string, EntryReader>([['0.0.1', readHashedrekord1]])],
  ['dsse', new Map<string, EntryReader>([['0.0.1', readDsse1]])],
  ['intoto', new Map<string, EntryReader>([['0.0.1', readIntoto1], ['0.0.2', readIntoto2]])],
  ...['alpine', 'cose', 'helm', 'jar', 'rekord', 'rfc3161', 'rpm', 'tuf'].map(
    (kind) => [kind, new Map<string, EntryReader>()] as const,
  ),
]); // prettier-ignore

const VERSION =
  '^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(?:-((?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\\.(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\\+([0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*))?$';
/** No version is longer. */
const MAX_VERSION = 64;

/** The JSON of a request's body, of the first value alone; undefined where there are only blanks. Throws {@link EntryError} for what is none, is too large or too deep, or names a
 * member twice. */
export function decodeV1Json(body: Uint8Array): JsonValue | undefined {
  if (body.length > MAX_V1_REQUEST) throw tooLarge();
  if (hasTooManyValues(body)) throw tooManyValues();
  const text = textOf(body);
  const first = firstJsonValueOf(text);
  if (first.type === 'nothing') return undefined;
  if (first.type === 'fault') throw undecodable('the request is not JSON', first.message);
  try {
    return parseStrictJson(text.slice(0, first.end), LIMITS);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw refusal('ENTRY_MALFORMED', cause.message, { cause });
  }
}

function textOf(body: Uint8Array): string {
  try {
    return utf8Text(body);
  } catch {
    throw undecodable('the request is not UTF-8', "invalid character '\\ufffd' in string literal");
  }
}

const undecodable = (sentence: string, message: string): EntryError =>
  new EntryError('ENTRY_MALFORMED', sentence, {
    hint: 'Send {"apiVersion": …, "kind": …, "spec": {…}}.',
    stock: { status: 500, code: 500, message, by: 'framework' },
  });

const tooManyValues = (): EntryError =>
  refusal('ENTRY_MALFORMED', `the request has more than ${MAX_VALUES} values`);

const tooLarge = (): EntryError =>
  new EntryError('ENTRY_TOO_LARGE', `the request has more than ${MAX_V1_REQUEST} bytes`, {
    stock: { status: 500, code: 500, message: 'http: request body too large', by: 'framework' },
  });

/** The entry that the JSON of a request proposes, every signature verified; undefined stands for an empty body. Throws {@link EntryError} and nothing else but what `admit` throws. */
export async function readV1Proposal(json: unknown, admit?: AdmitVerifier): Promise<ProposedEntry> {
  if (json === undefined) throw invalid(602, 'proposedEntry in body is required');
  const { kind, version, spec } = readHead(json);
  try {
    const read = await readSpec(kind, version, spec, new SignatureChecks(true, admit));
    if (read.missing !== undefined)
      throw refusal('ENTRY_MALFORMED', `entry not insertable into log: ${read.missing}`);
    const { verifiers, namedDigests } = read;
    const body = encode(read.body);
    return { kind, version, body, verifiers, namedDigests } as ProposedEntry;
  } catch (error) {
    const isOfForm = error instanceof EntryError && error.code !== 'ENTRY_NOT_ADMITTED';
    throw isOfForm ? asAnswerToPost(error) : error;
  }
}

/** The body that the log has if it has the entry: of a proposed entry, or such a body itself; undefined for kinds that are not logged here. Good for a leaf hash alone, because
 * signatures are not verified: what was logged had good ones, and what was not is not found. Throws {@link EntryError} and nothing else. */
export async function soughtV1Body(
  json: unknown,
  checks = new SignatureChecks(false),
): Promise<Uint8Array | undefined> {
  const { kind, version, spec } = readHead(json);
  if (KINDS.get(kind)?.size === 0) return undefined;
  const { body } = await readSpec(kind, version, spec, checks);
  return encode(body);
}

function encode(json: JsonValue): Uint8Array {
  const body = utf8(JSON.stringify(json));
  if (body.length <= MAX_BODY) return body;
  throw new EntryError('ENTRY_TOO_LARGE', `the entry would have ${body.length} bytes`, {
    hint: `An entry has at most ${MAX_BODY} bytes; only very long certificates make more.`,
    stock: { status: 400, code: 400, message: 'the entry is too large', by: 'handler' },
  });
}

interface Head {
  readonly kind: string;
  readonly version: string;
  readonly spec: JsonValue;
}

/** In the order of Rekor's framework. */
function readHead(json: unknown): Head {
  requireOneCase(json);
  const entry = json === null ? {} : membersOf(json);
  if (entry === undefined) throw wrongType(json, 'value of type models.targetedProposedEntry');
  const kind = entry['kind'] ?? '';
  const version = entry['apiVersion'] ?? undefined;
  if (typeof kind !== 'string')
    throw wrongType(kind, 'struct field targetedProposedEntry.kind of type string');
  if (version !== undefined && typeof version !== 'string')
    throw wrongType(version, 'struct field targetedProposedEntry.apiVersion of type string');
  if (kind === '') throw invalid(602, 'kind in body is required');
  if (!KINDS.has(kind)) throw invalid(422, `invalid kind value: ${JSON.stringify(kind.slice(0, 100))}`);
  if (version === undefined) throw invalid(602, 'apiVersion in body is required');
  if (version.length > MAX_VERSION || !new RegExp(VERSION).test(version))
    throw invalid(605, `apiVersion in body should match '${VERSION}'`);
  const spec = entry['spec'] ?? undefined;
  if (spec === undefined) throw invalid(602, 'spec in body is required');
  return { kind, version, spec };
}

function requireObject(spec: JsonValue): Members {
  const members = membersOf(spec);
  if (members !== undefined) return members;
  const goType = Array.isArray(spec) ? '[]interface {}' : typeof spec === 'boolean' ? 'bool' : typeof spec === 'number' ? 'json.Number' : 'string'; // prettier-ignore
  const message = `unsupported input type ${goType} for DecodeEntry`;
  throw refusal('ENTRY_MALFORMED', 'spec is not an object', { stock: message });
}

function wrongType(value: unknown, where: string): EntryError {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  const message = `json: cannot unmarshal ${found} into Go ${where}`;
  return undecodable('a part of the request is of another type than it has', message);
}

const invalid = (code: number, message: string): EntryError =>
  new EntryError('ENTRY_MALFORMED', 'the request is not a proposed entry', {
    hint: 'Send {"apiVersion": …, "kind": …, "spec": {…}}.',
    stock: { status: 422, code, message, by: 'framework' },
  });

async function readSpec(
  kind: string,
  version: string,
  spec: JsonValue,
  checks: SignatureChecks,
): Promise<ReadEntry> {
  const read = KINDS.get(kind)?.get(version);
  if (read !== undefined) return read(requireObject(spec), checks);
  throw refusal('ENTRY_UNSUPPORTED', 'entries of this kind and version are not logged here', {
    hint: 'Log hashedrekord 0.0.1, dsse 0.0.1, or intoto 0.0.1 or 0.0.2.',
    stock: `${kind} implementation for version '${version}' not found: unable to locate entry for version ${version}`,
  });
}

/** Where an entry is to be logged, the sentences of a handler begin so. */
function asAnswerToPost({ code, message, hint, cause, stock }: EntryError): EntryError {
  return new EntryError(code, message, { hint, cause, stock: prefixed(stock ?? usual(message)) });
}

const usual = (message: string): StockRefusal => ({ status: 400, code: 400, message, by: 'handler' });

const prefixed = (stock: StockRefusal): StockRefusal =>
  stock.status === 400 && stock.by === 'handler'
    ? { ...stock, message: `error processing entry: ${stock.message}` }
    : stock;
