/** What is asked of the index: the body of `POST /api/v1/index/retrieve`. */
import { toHex, utf8, utf8Text } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { decodePem, encodePem } from '../../../core/pem.ts';
import type { SearchCondition } from '../../../search/search-keys.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { BodyValues } from './body-values.ts';
import { FAULT, fault, handlerFault } from './framework-faults.ts';

/** A search over all shards. */
export interface ShardSearch {
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  /** Only entries whose index over all shards is below. */
  readonly before: number | undefined;
  readonly limit: number;
  /** Whether a part of the hits is an answer: the query says where it begins or how long it is to be. */
  readonly isPage: boolean;
}

/** Hits of a page. Each is read from the log, so that more would take a while. */
export const MOST_HITS = 500;

/** Hits of a query as clients of Rekor send it: they take every answer for the whole of it. */
export const MOST_IN_ALL = 2_000;

/** Characters of what is searched for. */
const LONGEST = 512;

/** With SHA-384, whose entries Rekor has and does not find. */
const HASH_PATTERN =
  '^(sha512:)?[0-9a-fA-F]{128}$|^(sha384:)?[0-9a-fA-F]{96}$|^(sha256:)?[0-9a-fA-F]{64}$|^(sha1:)?[0-9a-fA-F]{40}$';
const HASH = new RegExp(HASH_PATTERN);
const EMAIL = /^[^\s@<>]+@[^\s@<>]+$/;
const FORMATS = ['pgp', 'x509', 'minisign', 'ssh', 'tuf'];

/** Reads it. Throws EntryError as Rekor refuses. */
export function searchOf(bytes: Buffer): ShardSearch {
  const body = new BodyValues(bytes, 'query');
  const email = body.text('email');
  if (email !== undefined && !EMAIL.test(email))
    throw fault(FAULT.type, 'email in body must be of type email', 'the e-mail address is none');
  const hash = body.text('hash');
  if (hash !== undefined && !HASH.test(hash))
    throw fault(FAULT.pattern, `hash in body should match '${HASH_PATTERN}'`);
  const match = operatorOf(body.text('operator'));
  const conditions = [
    ...only('name', email),
    ...only('digest', hash === undefined ? undefined : prefixed(hash)),
    ...publicKey(body.object('publicKey')),
    ...only('name', bounded(body, 'subject')),
    ...ownConditions(body),
  ];
  const [limit, before] = [body.count('limit'), body.count('before')];
  const isPage = limit !== undefined || before !== undefined;
  return {
    conditions,
    match,
    before,
    limit: isPage ? Math.min(limit ?? MOST_HITS, MOST_HITS) : MOST_IN_ALL,
    isPage,
  };
}

/** What is asked of the index and unknown to Rekor, which leaves it out. */
const ownConditions = (body: BodyValues): SearchCondition[] => [
  ...only('name-prefix', bounded(body, 'subjectPrefix')),
  ...only('issuer', bounded(body, 'issuer')),
  ...only('serial', bounded(body, 'serial')),
  ...only('certificate', bounded(body, 'certificateHash')),
  ...only('key', bounded(body, 'keyHash')),
];

const only = (by: SearchCondition['by'], value: string | undefined): SearchCondition[] =>
  value === undefined ? [] : [{ by, value }];

function bounded(body: BodyValues, name: string): string | undefined {
  const value = body.text(name);
  if (value === '') throw fault(FAULT.tooShort, `${name} in body should be at least 1 chars long`);
  if (value !== undefined && value.length > LONGEST)
    throw fault(FAULT.tooLong, `${name} in body should be at most ${LONGEST} chars long`);
  return value;
}

function operatorOf(value: string | undefined): 'all' | 'any' {
  if (value === undefined || value === 'or') return 'any';
  if (value === 'and') return 'all';
  throw fault(FAULT.choice, 'operator in body should be one of [and or]');
}

const NAMES: Readonly<Record<number, string>> = { 40: 'sha1', 64: 'sha256', 96: 'sha384', 128: 'sha512' };

const prefixed = (hash: string): string =>
  hash.includes(':') ? hash : `${NAMES[hash.length] ?? ''}:${hash}`;

/** Keys of the other formats are in no entry of ours. */
function publicKey(key: ReadonlyMap<string, unknown> | undefined): SearchCondition[] {
  if (key === undefined) return [];
  const format = key.get('format');
  if (format === undefined) throw fault(FAULT.required, 'publicKey.publicKey.format in body is required');
  if (typeof format !== 'string' || !FORMATS.includes(format))
    throw fault(FAULT.choice, `publicKey.publicKey.format in body should be one of [${FORMATS.join(' ')}]`);
  const content = key.get('content');
  return [{ by: 'pem', value: format === 'x509' ? toHex(sha256(canonicalPem(content))) : format }];
}

/** Certificates of a chain. */
const MOST_BLOCKS = 10;

/** The key or chain in its one spelling. */
function canonicalPem(content: unknown): Uint8Array {
  try {
    if (typeof content !== 'string') throw new FormatError('MALFORMED', 'the content is missing');
    const blocks = decodePem(utf8Text(Buffer.from(content, 'base64')), MOST_BLOCKS);
    const labels = new Set(blocks.map(({ label }) => label));
    const isKey = labels.has('PUBLIC KEY') && blocks.length === 1;
    if (!isKey && !(labels.has('CERTIFICATE') && labels.size === 1))
      throw new FormatError('MALFORMED', 'the content is neither a key nor certificates');
    return utf8(blocks.map(({ label, bytes }) => encodePem(label, bytes)).join(''));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw handlerFault(400, 'public key provided could not be parsed');
  }
}
