/** Answers of Rekor's second API: messages of Protobuf in their JSON form. */
import { toBase64 } from '../../../core/bytes.ts';
import type { AddedEntry, ArtifactLog } from '../../../rekor/artifact-log.ts';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { Reply } from '../../http/exchange.ts';
import { TransportError } from '../../http/transport-error.ts';
import { problemReply, type Problem } from '../../reasons/problem.ts';
import { isEnded, type EntryAddition } from '../entry-additions.ts';

const JSON_TYPE = 'application/json';

/** `TransparencyLogEntry` with status 201, and nothing else will do for clients in Go and Java. Members that have no value are there, and integers of 64 bits are texts. */
export const addedReply = ({
  log: { identity },
  entry: { logIndex, index, body },
  proof,
}: EntryAddition): Reply => ({
  status: 201,
  contentType: JSON_TYPE,
  body: JSON.stringify({
    logIndex: String(logIndex),
    logId: { keyId: toBase64(identity.logId) },
    kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
    // Another value would make clients ask for a promise of the log, which there is none of.
    integratedTime: '0',
    inclusionPromise: null,
    inclusionProof: {
      logIndex: String(index),
      rootHash: toBase64(proof.root),
      treeSize: String(proof.size),
      hashes: proof.hashes.map(toBase64),
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: toBase64(body),
  }),
});

/** Which entries have an empty body in the bundles, and what the tree has of them: ours. Reasons are the operator's. */
export const redactedReply = ({
  identity,
  redactions,
}: Pick<ArtifactLog, 'identity' | 'redactions'>): Reply => ({
  status: 200,
  contentType: JSON_TYPE,
  headers: ['Cache-Control', 'no-store'],
  body: JSON.stringify({
    origin: identity.origin,
    redacted: [...redactions.entries.values()].map(({ index, leafHash, redactedAt }) => ({
      logIndex: String(index),
      leafHash: toBase64(leafHash),
      redactedAt: new Date(redactedAt).toISOString(),
    })),
  }),
});

/** Why an entry that is there is refused, where the operator wants that. */
export const duplicateEntry = ({ entry: { logIndex } }: AddedEntry): EntryError => {
  const message = `an equivalent entry already exists in the transparency log with index ${logIndex}`;
  return new EntryError('ENTRY_DUPLICATE', 'the log has that entry', {
    hint: 'Read the entry with that index.',
    metadata: { logIndex: String(logIndex) },
    stock: { status: 409, code: 6, message, by: 'handler' },
  });
};

const FROZEN: Reply = {
  status: 405,
  contentType: 'text/plain; charset=utf-8',
  body: 'This log has been frozen, please switch to the latest log.\n',
};

/** A refusal as Rekor words it where it knows such a one, with our reason in `details`. */
export function refusedReply(problem: Problem, error: unknown): Reply {
  if (isEnded(error)) return FROZEN;
  const { status, code, message } = stockOf(problem, error);
  const reply = problemReply({ ...problem, status, code: code as Problem['code'], message });
  if (!(error instanceof EntryError) || error.code !== 'ENTRY_DUPLICATE') return reply;
  return { ...reply, headers: [...(reply.headers ?? []), 'X-Log-Index', error.metadata['logIndex'] ?? ''] };
}

function stockOf(problem: Problem, error: unknown): { status: number; code: number; message: string } {
  if (error instanceof EntryError && error.stock !== undefined) return error.stock;
  const { status, code, info } = problem;
  if (error instanceof TransportError && error.code === 'BODY_TOO_LARGE')
    return { status: 400, code: 3, message: 'http: request body too large' };
  if (error instanceof LogError && error.code === 'LOG_BUSY')
    return { status, code, message: 'reached max pushback; retry' };
  // What Fulcio says of its certificate log is not about this one.
  const message =
    error instanceof LogError ? (info.metadata['sentence'] ?? problem.message) : problem.message;
  return { status, code, message };
}
