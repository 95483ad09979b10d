/** What other CAs hand in to be logged, each of it once. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { systemCode } from '../../core/errors.ts';
import { isClaimTaken } from '../../tlog/core/committed.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath } from '../../tlog/format/tile.ts';
import { CHAIN_FOLDER } from '../chain-certificates.ts';
import type { CtLog } from '../ct-log.ts';
import { signedEntryIn, signedEntryOf, type TileLeaf } from '../format/leaf.ts';
import type { SctReceipt } from '../format/sct.ts';
import { EntryIdentities } from './entry-identities.ts';
import { SubmissionError } from './submission-error.ts';
import type { SubmittedEntry } from './submitted-chain.ts';

/** Chain certificates of others in one log: readers keep all that a log names. */
const MAX_ISSUERS = 512;

/** Entries that wait for the log beyond which it takes none from others: the rest of its queue is for its own CA. */
const MAX_QUEUED = 1024;

/** Milliseconds for which a submission waits for the index of what is there: that of the newest 65,536 entries is made in less. */
const INDEX_WAIT = 3_000;

/** Milliseconds for which a submission waits that another process has logged, and between two looks. Heads of others are looked for every second. */
const OTHERS_WAIT = 8_000;
const OTHERS_PAUSE = 50;

/** What became of a submission. */
export interface LoggedSubmission extends SctReceipt {
  readonly index: number;
  /** False where the same was in the log, or under way for another caller. */
  readonly isNew: boolean;
}

type SubmissionLog = Pick<
  CtLog,
  | 'identity'
  | 'tree'
  | 'reader'
  | 'append'
  | 'claimOf'
  | 'isShared'
  | 'refusal'
  | 'status'
  | 'admit'
  | 'signAgain'
>;

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Submissions to one log. */
export class Submissions {
  readonly #log: SubmissionLog;
  readonly #identities: EntryIdentities;
  /** Identity → the one append of that entry. */
  readonly #underWay = new Map<string, Promise<LoggedSubmission>>();
  /** Fingerprints of chain certificates that are durable. */
  readonly #issuers: Set<string>;
  /** Whether an entry was refused that may have been stored. */
  #hasDoubts = false;

  readonly #patienceMs: number;

  private constructor(log: SubmissionLog, directory: string, issuers: Set<string>, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#log = log;
    this.#issuers = issuers;
    this.#identities = new EntryIdentities(directory, log.identity.logId, log.tree);
  }

  /** Of an open log, whose directory that is. A submission waits so long for an index that is being made. Rejects with the system's error when the directory cannot be read. */
  static async open(log: SubmissionLog, directory: string, patienceMs = INDEX_WAIT): Promise<Submissions> {
    const issuers = await readdir(join(directory, CHAIN_FOLDER)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    });
    return new Submissions(log, directory, new Set(issuers), patienceMs);
  }

  /** Whether several services may write the log. */
  get isShared(): boolean {
    return this.#log.isShared;
  }

  /** Why what is there already cannot be found, a sentence; undefined while it can, and while the index is made for the first time. */
  get failure(): string | undefined {
    return this.#identities.failure;
  }

  /**
   * Logs it. Resolves when the entry is durable and under a signed head, or was already: then the SCT has the time and the place of the first one.
   * Its signature is made anew, and is as good. Rejects with {@link SubmissionError} `SUBMISSION_BUSY` while it is not known whether the same is
   * there, and as `CtLog.append` does.
   */
  async add(submitted: SubmittedEntry): Promise<LoggedSubmission> {
    const key = toHex(submitted.identity);
    const twin = this.#underWay.get(key);
    if (twin !== undefined) return { ...(await twin), isNew: false };
    const adding = this.#add(submitted).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, adding);
    return adding;
  }

  /** Stops looking for what is there. */
  close(): Promise<void> {
    return this.#identities.close();
  }

  async #add(submitted: SubmittedEntry): Promise<LoggedSubmission> {
    // What was refused after it was stored is published in the same turn in which the log takes entries again.
    if (this.#hasDoubts) await nextTurn();
    return (await this.#again(submitted)) ?? this.#append(submitted);
  }

  /** What is there; undefined where nothing is. */
  async #again(submitted: SubmittedEntry): Promise<LoggedSubmission | undefined> {
    const there = await this.#find(submitted);
    return there && { ...(await this.#log.signAgain(there.leaf)), index: there.index, isNew: false };
  }

  /** Another process has logged it, and its head is heard of here in a moment. */
  async #ofOther(submitted: SubmittedEntry): Promise<LoggedSubmission> {
    for (const until = performance.now() + OTHERS_WAIT; performance.now() < until;) {
      await delay(OTHERS_PAUSE);
      const there = await this.#again(submitted);
      if (there !== undefined) return there;
    }
    throw busy('another service has just logged this, and its head is not known here yet');
  }

  async #append(submitted: SubmittedEntry): Promise<LoggedSubmission> {
    const { entry, identity, issuers } = submitted;
    const refusal = this.#log.refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#log.status().queued >= MAX_QUEUED) throw busy('too many entries wait to be logged');
    for (const issuer of issuers) await this.#admit(issuer);
    try {
      const { index, receipt } = await this.#log.append(entry, this.#log.claimOf(identity));
      this.#identities.note(identity, index);
      return { ...receipt, index, isNew: true };
    } catch (error) {
      if (isClaimTaken(error)) return this.#ofOther(submitted);
      this.#hasDoubts ||= error instanceof LogError && error.mayBeLogged;
      throw error;
    }
  }

  /** Makes a chain certificate durable before an entry names it. A crash afterwards leaves a certificate that nothing names. */
  async #admit(issuer: Uint8Array): Promise<void> {
    const name = toHex(sha256(issuer));
    if (!this.#issuers.has(name) && this.#issuers.size >= MAX_ISSUERS)
      throw new SubmissionError(
        'SUBMISSION_TOO_LARGE',
        `the log holds ${MAX_ISSUERS} chain certificates, and takes no others`,
        {
          hint: 'Its operator goes on with a new log (`mayfly log rotate`), and accepts fewer roots there.',
        },
      );
    this.#issuers.add(name);
    await this.#log.admit(issuer);
  }

  async #find(
    submitted: SubmittedEntry,
  ): Promise<{ readonly index: number; readonly leaf: TileLeaf } | undefined> {
    const wanted = signedEntryOf(submitted.entry);
    const { indexes, isAll } = await this.#identities.candidates(submitted.identity, this.#patienceMs);
    for (const index of indexes) {
      const leaf = await this.#provenLeaf(index);
      if (equalBytes(signedEntryIn(leaf), wanted)) return { index, leaf };
    }
    if (isAll) return undefined;
    throw busy(
      'it is not known yet whether the log has this already: the index of its entries is being made',
    );
  }

  /** Entries are served, and signed again, only as the tree has them. */
  async #provenLeaf(index: number): Promise<TileLeaf> {
    const n = Math.floor(index / TILE_WIDTH);
    const leaves = await this.#log.tree.tiles.entries(n, (index % TILE_WIDTH) + 1);
    const leaf = leaves[index % TILE_WIDTH];
    if (leaf !== undefined && (await this.#log.reader.holds(hashLeaf(sha256, leaf.leaf), index))) return leaf;
    throw new LogError('LOG_CORRUPT', `entry ${index} is damaged: its hash is another`, {
      hint: `Restore ${tilePath({ level: 'data', n, width: TILE_WIDTH })} from a copy of the log; \`mayfly log check\` says more.`,
    });
  }
}

const busy = (sentence: string): SubmissionError =>
  new SubmissionError('SUBMISSION_BUSY', sentence, { hint: 'Try again in a moment.' });
