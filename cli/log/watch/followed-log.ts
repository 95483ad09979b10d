/** A log at one head, as it is followed: entries in their order, and the proofs that it only grew. */
import { toBase64, toHex } from '../../../core/bytes.ts';
import type { SearchedKind } from '../../../search/search-keys.ts';
import type { SearchableEntry } from '../../../search/searchable-log.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { CompactRange } from '../../../tlog/format/compact-range.ts';
import { verifyConsistency } from '../../../tlog/format/merkle-verify.ts';
import { CommandError } from '../../program/command.ts';

/** An entry as it was read; its hash is checked by what follows of it. */
export interface FollowedEntry {
  readonly index: number;
  /** Of the body, or of the one that is withheld. */
  readonly leafHash: Uint8Array;
  readonly isRedacted: boolean;
  readonly view: SearchableEntry;
}

/** A log at its newest head, whose signature was checked. */
export interface FollowedLog {
  /** `certificates`, `v1`, …; `certificates-NAME` of a certificate log that another one has followed. */
  readonly name: string;
  /** Whether another one has followed it where it was found: then it is right that it is there beside that one. */
  readonly isFormer?: boolean;
  readonly kind: SearchedKind;
  readonly origin: string;
  /** What clients call it: of its key. Logs for Rekor v2 that follow each other have one origin. */
  readonly logId: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed text that says so; undefined of a log in a directory. */
  readonly checkpoint: Uint8Array | undefined;
  /** Entries from that one on: some, at least one where there is one. `wanted`: how many the caller needs, where that is few; more may come. */
  readonly entriesFrom: (first: number, wanted?: number) => Promise<readonly FollowedEntry[]>;
  /** That the head continues a tree of that size, not verified. */
  readonly consistency: (first: number) => Promise<readonly Uint8Array[]>;
  /** That the entry at an index is in the tree of the head, not verified; undefined where that can no longer be had. */
  readonly inclusion: (index: number) => Promise<readonly Uint8Array[] | undefined>;
  /** The frontier of the head, largest subtree first, not verified. */
  readonly frontier: () => Promise<readonly Uint8Array[]>;
  readonly close: () => Promise<void>;
}

/** Which log it is, for good: no other one has that origin and that key. */
export const lastingName = ({ origin, logId }: Pick<FollowedLog, 'origin' | 'logId'>): string =>
  `${origin} ${toHex(logId)}`;

/** What logs of one API that follow each other have in common: `v1`, of `v1-2`, too. */
export const apiOf = (name: string): string => name.split('-', 1)[0] ?? name;

/** How far a log was read, and all that is needed to go on: its tree there. */
export interface ReadTree {
  readonly size: number;
  readonly frontier: readonly Uint8Array[];
}

/** Entries that are read before they are proven and reported. */
const CHUNK = 1024;

/** What follows what was read: entries that are proven, and the tree behind them. */
export interface ReadChunk {
  readonly entries: readonly FollowedEntry[];
  readonly tree: ReadTree;
}

/** The tree at the head itself, for who wants to know of nothing before it. Throws {@link LogError} `LOG_CORRUPT` when what is served is not of the head. */
export async function treeAtHead(log: FollowedLog): Promise<ReadTree> {
  const tree = rangeOf(log, { size: log.size, frontier: await log.frontier() });
  if (toBase64(tree.root()) !== toBase64(log.root))
    throw inconsistent(log, 'its hashes do not give the root of its head');
  return { size: tree.size, frontier: tree.hashes };
}

/** Reads on from `tree` to the head, in pieces, each of which is proven before it is yielded: its entries continue the tree that was read, and the head continues them. So
 * nothing that was read is gone or changed, and nothing is left out. Throws {@link LogError} `LOG_CORRUPT` where that is not so. */
export async function* readOn(log: FollowedLog, tree: ReadTree): AsyncGenerator<ReadChunk> {
  if (tree.size > log.size)
    throw inconsistent(log, `it had ${tree.size} entries when it was read last, and has ${log.size} now`);
  const range = rangeOf(log, tree);
  await requireContinued(log, range);
  while (range.size < log.size) {
    const entries: FollowedEntry[] = [];
    while (entries.length < CHUNK && range.size < log.size) {
      const read = (await log.entriesFrom(range.size)).slice(0, log.size - range.size);
      if (read.length === 0) throw inconsistent(log, `it does not have its entry ${range.size}`);
      for (const entry of read) range.append(entry.leafHash);
      entries.push(...read);
    }
    await requireContinued(log, range);
    yield { entries, tree: { size: range.size, frontier: range.hashes } };
  }
}

function rangeOf(log: FollowedLog, { size, frontier }: ReadTree): CompactRange {
  try {
    return new CompactRange(sha256, size, frontier);
  } catch {
    throw inconsistent(log, 'what is kept or served of its tree is none');
  }
}

async function requireContinued(log: FollowedLog, range: CompactRange): Promise<void> {
  const first = { size: range.size, root: range.root() };
  const proof = range.size === log.size || range.size === 0 ? [] : await log.consistency(range.size);
  if (verifyConsistency(sha256, first, log, proof)) return;
  throw inconsistent(
    log,
    `its head with ${log.size} entries does not continue its ${range.size} entries with the root ${toBase64(first.root)}`,
  );
}

/** Of a log that was read before and is not there any more: what it took since then is not known. */
export const missingLog = (origin: string, name: string): CommandError =>
  new CommandError('FAILED', `the log ${origin} (${name}), which was read before, is not there any more`, {
    hint: 'What it took after it was read last is not known. Where that is right, go on with another --state file.',
  });

/** Of a log in whose place another one was. */
export const shownAgain = (log: FollowedLog): LogError =>
  inconsistent(log, 'another log was in its place before, and now it is there again');

/** Of a log whose key signed a tree with another name before: each has a key of its own. */
export const signsAnother = (log: FollowedLog, before: string): LogError =>
  inconsistent(log, `its key signed another tree before, that of ${before}`);

const inconsistent = ({ name, origin }: FollowedLog, what: string): LogError =>
  new LogError('LOG_CORRUPT', `the log ${origin} (${name}) contradicts itself: ${what}`, {
    hint: 'Keep the state file, which proves what the log said before, and follow docs/incidents.md.',
  });
