/** The digests that the payload of an envelope names: an entry is found by them, and does not hold them. */
import { valuesIn } from '../../core/json-bounds.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { EntryError } from './entry-error.ts';
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/format/envelope.ts';
import { MAX_NAMED_DIGESTS } from './proposed-entry.ts';

/** Marks between the values of a statement: reading one with more takes too long. A bill of materials of 12 MB has fewer. */
const MAX_MARKS = 1_000_000;

const ALGORITHM = /^[a-z0-9][a-z0-9_./-]{0,31}$/;
const HEX = /^(?:[0-9a-f]{2}){4,64}$/;

/** `algorithm:hex`, in lower case, of the subjects of an in-toto statement and of the materials of its predicate, each once and at most {@link MAX_NAMED_DIGESTS}. Read as
 * verifiers read it: of members with one name the last counts. None for another payload, and for a statement that is no JSON. Throws {@link EntryError} for a statement with more of
 * them, or with more values than are read: its entry would not be found by all that it is about. */
export function readNamedDigests(payloadType: string, payload: Uint8Array): readonly string[] {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) return [];
  if (valuesIn(payload, MAX_MARKS) > MAX_MARKS)
    throw tooMany('the statement has too many members and elements');
  const statement = parse(payload);
  const found = new Set<string>();
  for (const digest of digestsOf(statement)) {
    if (isDigest(digest)) found.add(digest);
    if (found.size > MAX_NAMED_DIGESTS)
      throw tooMany(`the statement names more than ${MAX_NAMED_DIGESTS} digests`);
  }
  return [...found];
}

const tooMany = (sentence: string): EntryError =>
  new EntryError('ENTRY_TOO_LARGE', sentence, {
    hint: 'Its entry could not be found by all of them: log several statements about fewer artifacts each.',
  });

function parse(payload: Uint8Array): JsonValue | undefined {
  try {
    // What is not UTF-8 is read as Go does, with a sign in its place.
    return JSON.parse(new TextDecoder().decode(payload)) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function* digestsOf(statement: JsonValue | undefined): Generator<string> {
  const lists = [
    ...namedIn(statement, 'subject'),
    ...namedIn(statement, 'predicate').flatMap((predicate) => namedIn(predicate, 'materials')),
  ];
  for (const list of lists)
    for (const described of Array.isArray(list) ? (list as readonly JsonValue[]) : [])
      for (const digests of namedIn(described, 'digest'))
        for (const [algorithm, value] of Object.entries(membersOf(digests)))
          yield `${algorithm.toLowerCase()}:${typeof value === 'string' ? value.toLowerCase() : ''}`;
}

function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  return ALGORITHM.test(text.slice(0, colon)) && HEX.test(text.slice(colon + 1));
}

const membersOf = (value: JsonValue | undefined): Readonly<Record<string, JsonValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};

/** The members of that name, whatever the case of its letters: Go reads each of them as this one. */
const namedIn = (value: JsonValue | undefined, name: string): readonly JsonValue[] =>
  Object.entries(membersOf(value))
    // Both, because Go takes two signs that are no letters of ASCII for s and k.
    .filter(([key]) => key.toUpperCase().toLowerCase() === name)
    .map(([, member]) => member);
