/** In-toto statements: what is said of which artifacts. */
import { fromHex, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';

/** The digest of an artifact by a hash that is trusted here. */
export interface SubjectDigest {
  readonly hash: SubjectHash;
  readonly digest: Uint8Array;
}

/** A hash by which a statement may name an artifact. */
export type SubjectHash = 'sha256' | 'sha384' | 'sha512';

/** One of the artifacts. */
export interface StatementSubject {
  readonly name: string;
  /** Those by the known hashes; a statement may have others besides. None where one by a known hash is no such digest: then nothing is compared with the subject. */
  readonly digests: readonly SubjectDigest[];
}

/** A statement. */
export interface Statement {
  /** `https://in-toto.io/Statement/v1` or `…/v0.1`. */
  readonly type: string;
  readonly subjects: readonly StatementSubject[];
  readonly predicateType: string;
  /** The whole of it, as JSON has it; undefined where there is none. */
  readonly predicate: JsonValue | undefined;
}

type JsonObject = Readonly<Record<string, JsonValue>>;

const TYPES: ReadonlySet<string> = new Set([
  'https://in-toto.io/Statement/v1',
  'https://in-toto.io/Statement/v0.1',
]);

const LENGTHS: ReadonlyMap<string, number> = new Map([
  ['sha256', 32],
  ['sha384', 48],
  ['sha512', 64],
]);

const MAX_SUBJECTS = 1024;
const MAX_DIGESTS = 32;
/** Bills of materials have hundreds of thousands of parts. */
const LIMITS = { length: 24 * 1024 * 1024, depth: 64, parts: 1_000_000 };

/** Reads the payload of an envelope. Throws {@link FormatError}. Members that are not known are the signer's own, who signed them, and are passed over,
 * as in-toto demands. */
export function parseStatement(payload: Uint8Array): Statement {
  const statement = objectOf(parseStrictJson(utf8Text(payload), LIMITS), 'the statement');
  const type = textOf(statement, '_type', 'the statement');
  if (!TYPES.has(type))
    throw new FormatError('UNSUPPORTED', 'the statement is of no type of in-toto that is known');
  const subjects = statement['subject'];
  if (!Array.isArray(subjects) || subjects.length === 0) throw malformed('the statement names no subject');
  if (subjects.length > MAX_SUBJECTS)
    throw new FormatError('TOO_LARGE', `the statement has more than ${MAX_SUBJECTS} subjects`);
  return {
    type,
    subjects: (subjects as readonly JsonValue[]).map(readSubject),
    predicateType: textOf(statement, 'predicateType', 'the statement'),
    predicate: statement['predicate'],
  };
}

function readSubject(value: JsonValue): StatementSubject {
  const subject = objectOf(value, 'a subject of the statement');
  const name = subject['name'] ?? '';
  if (typeof name !== 'string') throw malformed('the name of a subject of the statement is not a text');
  // In-toto demands digests; descriptors that have an address alone are there all the same.
  const digests = Object.entries(objectOf(subject['digest'] ?? {}, 'the digest of a subject'));
  if (digests.length > MAX_DIGESTS)
    throw new FormatError('TOO_LARGE', `a subject of the statement has more than ${MAX_DIGESTS} digests`);
  const read = digests.flatMap(([hash, digest]) => readDigest(hash, digest));
  const known = read.filter((digest) => digest !== undefined);
  return { name, digests: known.length < read.length ? [] : known };
}

/** None by a hash that is not known, and undefined for what is none by one that is. */
function readDigest(hash: string, value: JsonValue): readonly (SubjectDigest | undefined)[] {
  if (typeof value !== 'string') throw malformed('a digest of a subject is not a text');
  const length = LENGTHS.get(hash);
  if (length === undefined) return [];
  if (value.length !== 2 * length || !/^[0-9a-f]*$/i.test(value)) return [undefined];
  return [{ hash: hash as SubjectHash, digest: fromHex(value) }];
}

function textOf(object: JsonObject, name: string, what: string): string {
  const value = object[name];
  if (typeof value !== 'string' || value === '') throw malformed(`${what} has no ${name}`);
  return value;
}

function objectOf(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`${what} is not an object`);
  return value as JsonObject;
}

const malformed = (sentence: string): FormatError => new FormatError('MALFORMED', sentence);
