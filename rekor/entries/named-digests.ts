/** The digests that the payload of an envelope names: an entry is found by them, and does not hold them. */
import { valuesIn } from '../../core/json-bounds.ts';
import { JsonText } from '../../core/json-members.ts';
import { EntryError } from './entry-error.ts';
import { IN_TOTO_PAYLOAD_TYPE } from '../../bundle/format/envelope.ts';
import { MAX_NAMED_DIGESTS } from './proposed-entry.ts';

/** Marks between the values of a statement: reading one with more takes too long. A bill of materials of 12 MB has fewer. */
const MAX_MARKS = 1_000_000;

const ALGORITHM = /^[a-z0-9][a-z0-9_./-]{0,31}$/;
const HEX = /^(?:[0-9a-f]{2}){4,64}$/;

/** `algorithm:hex`, in lower case, of the subjects of an in-toto statement and of the materials of its predicate, each once and at most {@link MAX_NAMED_DIGESTS}. All that any reader sees: of
 * members with one name most take the last, and Go puts their objects together and does not look at the case of names; Python takes numbers that are none. None for
 * another payload. Throws {@link EntryError} for a statement with more of them, or with more values than are read: its entry would not be found by all that it is about. */
export function readNamedDigests(payloadType: string, payload: Uint8Array): readonly string[] {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) return [];
  if (valuesIn(payload, MAX_MARKS) > MAX_MARKS)
    throw tooMany('the statement has too many members and elements');
  // What is not UTF-8 is read as Go does, with a sign in its place.
  const statement = new JsonText(new TextDecoder().decode(payload));
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

function* digestsOf(statement: JsonText): Generator<string> {
  for (const list of listsOf(statement))
    for (const described of statement.elements(list))
      for (const digests of namedIn(statement, described, 'digest'))
        for (const [algorithm, value] of statement.members(digests))
          yield `${algorithm}:${statement.textAt(value) ?? ''}`.toLowerCase();
}

function* listsOf(statement: JsonText): Generator<number> {
  yield* namedIn(statement, statement.start, 'subject');
  for (const predicate of namedIn(statement, statement.start, 'predicate'))
    yield* namedIn(statement, predicate, 'materials');
}

/** The members of that name, whatever the case of its letters: Go reads each of them as this one. */
function* namedIn(statement: JsonText, at: number, name: string): Generator<number> {
  for (const [key, value] of statement.members(at))
    // Both, because Go takes two signs that are no letters of ASCII for s and k.
    if (key.toUpperCase().toLowerCase() === name) yield value;
}

function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  return ALGORITHM.test(text.slice(0, colon)) && HEX.test(text.slice(colon + 1));
}
