/** The digests that the payload of an envelope names: an entry is found by them, and does not hold them. */
import { utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/format/envelope.ts';
import { MAX_NAMED_DIGESTS } from './proposed-entry.ts';

/** A longer statement is logged like any other, and is found by its own digest alone: reading it would take too long. */
const LIMITS = { length: 4 * 1024 * 1024, depth: 64, parts: 100_000 };

const ALGORITHM = /^[a-z0-9][a-z0-9_./-]{0,31}$/;
const HEX = /^(?:[0-9a-f]{2}){4,64}$/;

/** `algorithm:hex`, in lower case, of the subjects of an in-toto statement and of the materials of its predicate, each once and at most {@link MAX_NAMED_DIGESTS}. None for
 * another payload, and for a statement that cannot be read. */
export function readNamedDigests(payloadType: string, payload: Uint8Array): readonly string[] {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE || payload.length > LIMITS.length) return [];
  let statement: JsonValue;
  try {
    statement = parseStrictJson(utf8Text(payload), LIMITS);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
  const found = new Set<string>();
  for (const list of [member(statement, 'subject'), member(member(statement, 'predicate'), 'materials')])
    for (const described of Array.isArray(list) ? (list as readonly JsonValue[]) : []) {
      for (const [algorithm, value] of Object.entries(membersOf(member(described, 'digest')))) {
        const digest = `${algorithm.toLowerCase()}:${typeof value === 'string' ? value.toLowerCase() : ''}`;
        if (isDigest(digest)) found.add(digest);
        if (found.size === MAX_NAMED_DIGESTS) return [...found];
      }
    }
  return [...found];
}

function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  return ALGORITHM.test(text.slice(0, colon)) && HEX.test(text.slice(colon + 1));
}

const membersOf = (value: JsonValue | undefined): Readonly<Record<string, JsonValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  const members = membersOf(value);
  return Object.hasOwn(members, name) ? members[name] : undefined;
}
