/**
 * Holds `log.json`, the commit store and the keys to one log. Each names the log, and one of them can be edited, be of
 * another log, or be of an old copy: where two agree, the third is the wrong one.
 */
import { equalBytes, toBase64 } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import type { StoredIdentity } from './store/commit-store.ts';
import { parseCheckpoint } from './format/checkpoint.ts';
import { parseTileLeaf } from '../ct-log/format/leaf.ts';
import type { LogSigners } from './sequence/head-signer.ts';
import { LogError } from './log-error.ts';
import {
  identityDifferences,
  IDENTITY_FILE,
  identityText,
  type LogIdentity,
  type SctExtensions,
} from './log-identity.ts';
import { logKeys } from './log-keys.ts';
import { sha256 } from './sha256.ts';
import { COMMIT_DATABASE } from './store/sqlite-commit-store.ts';
import { verifyCheckpoint } from './tree/verify-head.ts';

/** Throws {@link LogError} `LOG_CORRUPT` when the commit store is not that of the log which `identity` (log.json) names,
 * as a whole. */
export function requireStoreOf(identity: LogIdentity, stored: StoredIdentity): void {
  if (!equalBytes(stored.logId, identity.logId)) throw differ(COMMIT_DATABASE, identity, stored);
  const { bound } = stored;
  if (bound === undefined) return;
  const changed = identityDifferences(bound, identityText(identity));
  if (changed.length > 0) throw edited(bound, changed);
}

/** {@link requireStoreOf}, and that `signers` are the keys of this log: a signer of another log would make heads that
 * nobody can check, or worse, heads of two trees under one key. Throws `LOG_WRONG_KEY`, or `LOG_CORRUPT` when it is not
 * the keys that are wrong. */
export function requireOneLog(identity: LogIdentity, stored: StoredIdentity, signers: LogSigners): void {
  const isOfKeys = equalBytes(sha256(signers.treeHead.publicKey), stored.logId);
  if (isOfKeys && !equalBytes(stored.logId, identity.logId)) throw differ(IDENTITY_FILE, identity, stored);
  requireStoreOf(identity, stored);
  const { treeHead, checkpoint } = signers;
  const right = treeHead.algorithm === 'ecdsa-p256-sha256' && checkpoint.algorithm === 'ed25519';
  if (right && equalBytes(treeHead.publicKey, identity.publicKey)) {
    if (equalBytes(checkpoint.publicKey.subarray(-32), identity.ed25519PublicKey)) return;
  }
  throw new LogError('LOG_WRONG_KEY', `the keys given are not those of the log "${identity.origin}"`, {
    hint: `Give the ECDSA and Ed25519 keys that were made with the log (keys/log-${identity.name}-*.key.pem).`,
  });
}

/** What a store of an older version says of its identity, of which it keeps no more than the id. */
export interface Witnesses {
  /** The file of that name. */
  readonly checkpoint: Uint8Array | undefined;
  /** An entry that was logged, a TileLeaf. */
  readonly entry: Uint8Array | undefined;
  /** Entries of the log. */
  readonly size: number;
}

/** Holds log.json to what it will be bound to it with: the name on the signed checkpoint, and the extensions of an entry.
 * Returns what nothing vouches for, a sentence each. Throws `LOG_CORRUPT` when log.json was edited. */
export function requireUnedited(identity: LogIdentity, { checkpoint, entry, size }: Witnesses): string[] {
  const origin = checkpoint === undefined ? undefined : signedOrigin(identity, checkpoint);
  if (origin !== undefined && origin !== identity.origin) throw unlike('origin', origin, 'checkpoint');
  const made = entry === undefined ? undefined : extensionsOf(entry);
  if (made !== undefined && made !== identity.sctExtensions) throw unlike('sctExtensions', made, 'entries');
  return [
    ...(origin === undefined ? [unwitnessed('origin', identity.origin)] : []),
    ...(made === undefined && size > 0 ? [unwitnessed('sctExtensions', identity.sctExtensions)] : []),
  ];
}

/** Undefined when it cannot be read. */
function extensionsOf(entry: Uint8Array): SctExtensions | undefined {
  try {
    return parseTileLeaf(entry).extensions.length > 0 ? 'leaf_index' : 'none';
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

const unwitnessed = (field: string, value: string): string =>
  `${COMMIT_DATABASE} is of an older version and is bound to ${IDENTITY_FILE} from now on; that its ${field} is still ` +
  `"${value}" is shown by no other file of this log`;

/** The name on a checkpoint that this log's keys signed; undefined when they did not. */
function signedOrigin(identity: LogIdentity, checkpoint: Uint8Array): string | undefined {
  try {
    const { origin } = parseCheckpoint(checkpoint);
    return verifyCheckpoint(checkpoint, logKeys({ ...identity, origin })).origin;
  } catch {
    return undefined;
  }
}

const unlike = (field: string, was: string, where: string): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} was edited: ${field} is "${was}" by the ${where} of this log`,
    {
      hint: `Write that into ${IDENTITY_FILE} again. Nothing was changed.`,
    },
  );

const differ = (wrong: string, { origin, logId }: LogIdentity, stored: StoredIdentity): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} names the log "${origin}" with the id ${toBase64(logId)}, ` +
      `${COMMIT_DATABASE} is of the log with the id ${toBase64(stored.logId)}`,
    { hint: `${wrong} was replaced or edited: put the one of this log back. Nothing was changed.` },
  );

function edited(bound: string, changed: readonly string[]): LogError {
  const fields = JSON.parse(bound) as Record<string, unknown>;
  const was = changed.map((name) => `${name} ${JSON.stringify(fields[name])}`).join(', ');
  return new LogError(
    'LOG_CORRUPT',
    `${IDENTITY_FILE} was edited: the log was made with ${was} (${COMMIT_DATABASE} keeps it)`,
    {
      hint: `Write that into ${IDENTITY_FILE} again. A log keeps its name and its kind; for others, make a new log.`,
    },
  );
}
