/**
 * Holds `log.json`, the commit store and the keys to one log. Each names the log, and one of them can be edited, be of
 * another log, or be of an old copy: where two agree, the third is the wrong one.
 */
import { equalBytes, toBase64 } from '../core/bytes.ts';
import type { StoredState } from './store/commit-store.ts';
import { LogError } from './core/log-error.ts';
import { identityDifferences, IDENTITY_FILE, type LogIdentity } from './core/log-identity.ts';
import type { IdentityEvidence, StoredLog } from './log-kind.ts';

/** What a commit store says of whose it is. */
type IdentifiedStore = Pick<StoredState, 'identity' | 'texts'>;

/** Throws {@link LogError} `LOG_CORRUPT` when the commit store is not that of the log which `identity` (log.json) names,
 * as a whole. */
export function requireStoreOf(identity: LogIdentity, store: IdentifiedStore): void {
  const { logId, bound } = store.identity;
  if (!equalBytes(logId, identity.logId)) throw differ(store.texts.name, identity, store);
  if (bound === undefined) return;
  const changed = identityDifferences(bound, identity.text);
  if (changed.length > 0) throw edited(bound, changed, store.texts.name);
}

/** {@link requireStoreOf}, and that the keys given are those of this log: a key of another log would sign heads that
 * nobody can check, or worse, heads of two trees. Throws `LOG_WRONG_KEY`, or `LOG_CORRUPT` when it is not the keys that
 * are wrong. */
export function requireOneLog(log: StoredLog, store: IdentifiedStore): void {
  const { identity } = log;
  const { logId } = store.identity;
  const isOfKeys = equalBytes(log.logIdOfKeys, logId);
  if (isOfKeys && !equalBytes(logId, identity.logId)) throw differ(IDENTITY_FILE, identity, store);
  requireStoreOf(identity, store);
  log.requireKeys();
}

/** For a store that knows no more of its identity than the log's id. Throws `LOG_CORRUPT` when it is not of an older
 * version, or when `log.json` was edited; otherwise what nothing confirms, a sentence each. */
export function requireUnedited(log: StoredLog, evidence: IdentityEvidence): string[] {
  if (log.requireUnedited !== undefined) return log.requireUnedited(evidence);
  throw new LogError('LOG_CORRUPT', `${evidence.storeName} does not say which log it is of`, {
    hint: `It was replaced or edited: put the one of this log back. Nothing was changed.`,
  });
}

const differ = (
  wrong: string,
  { origin, logId }: LogIdentity,
  { identity: stored, texts }: IdentifiedStore,
): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} names the log "${origin}" with the id ${toBase64(logId)}, ` +
      `${texts.name} is of the log with the id ${toBase64(stored.logId)}`,
    { hint: `${wrong} was replaced or edited: put the one of this log back. Nothing was changed.` },
  );

function edited(bound: string, changed: readonly string[], storeName: string): LogError {
  const fields = JSON.parse(bound) as Record<string, unknown>;
  const was = changed.map((name) => `${name} ${JSON.stringify(fields[name])}`).join(', ');
  return new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} was edited: the log was made with ${was} (${storeName} keeps it)`,
    {
      hint: `Write that into ${IDENTITY_FILE} again. A log keeps its name and its kind; for others, make a new log.`,
    },
  );
}
