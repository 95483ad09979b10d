/** What logs of signatures (Rekor) answer about an entry that they have. Nothing in it is verified. */
import { fromHex, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { fewHashes, readEntry, type BundleEntry, type EntryProof } from '../../bundle/format/bundle-entry.ts';
import type { EntryRequest } from '../../rekor/format/entry-request.ts';
import { MessageReader } from '../../trust/format/message-reader.ts';

/** Bytes. Far above any answer: a body has at most 64 KiB, and witnesses sign checkpoints in some hundred bytes each. */
export const ANSWER_LIMIT = 256 * 1024;

/** JSON about one entry. Throws {@link FormatError} where the answer is no JSON, or, from v1, a map of another number of entries than one. */
export function parseLogAnswer(api: 1 | 2, bytes: Uint8Array): JsonValue {
  const answer = parseStrictJson(utf8Text(bytes), { length: ANSWER_LIMIT, depth: 16 });
  if (api === 2) return answer;
  const [entry, ...more] = typeof answer === 'object' && answer !== null ? Object.values(answer) : [];
  if (entry === undefined || more.length > 0 || Array.isArray(answer))
    throw new FormatError('MALFORMED', 'it is not exactly one entry');
  return entry;
}

/** The entry, as bundles have it. v2 sends what stands in bundles; v1 has hexadecimal and numbers in the place of base64 and texts, and says nothing of the kind but in
 * the body. Throws {@link FormatError} where a part is missing or of another type, and for an entry of another kind than was asked for. */
export function readLogAnswer(
  api: 1 | 2,
  answer: JsonValue,
  { kind, version }: Pick<EntryRequest, 'kind' | 'version'>,
): BundleEntry {
  const reader = MessageReader.ofValue(answer, 'entry');
  if (api === 1) return { kind, version, ...readFirst(reader) };
  const entry = readEntry(reader);
  reader.end();
  if (entry.kind === kind && entry.version === version) return entry;
  throw new FormatError('MALFORMED', `the entry is not of the kind ${kind} ${version}, which was asked for`);
}

/** What else a server says of the entry, such as where it keeps a statement, goes into no bundle. */
const readFirst = (reader: MessageReader): Omit<BundleEntry, 'kind' | 'version'> => ({
  logIndex: reader.whole('logIndex'),
  logId: fromHex(reader.text('logID')),
  integratedTime: reader.whole('integratedTime'),
  ...reader.message('verification', (inner) => ({
    promise: inner.bytes('signedEntryTimestamp'),
    proof: inner.message('inclusionProof', readFirstProof),
  })),
  body: reader.bytes('body'),
});

const readFirstProof = (reader: MessageReader): EntryProof => ({
  index: reader.whole('logIndex'),
  size: reader.whole('treeSize'),
  root: fromHex(reader.text('rootHash')),
  hashes: fewHashes(reader.texts('hashes')).map(fromHex),
  checkpoint: utf8(reader.text('checkpoint')),
});
