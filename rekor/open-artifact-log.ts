/** Opens logs of artifacts. */
import { setTimeout as delay } from 'node:timers/promises';
import { toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import type { Signer } from '../signers/signer.ts';
import { isClaimTaken } from '../tlog/core/committed.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { hashLeaf } from '../tlog/format/merkle.ts';
import { frozen, type TileLog } from '../tlog/live-log.ts';
import { prepareLog, type LogOptions, type PreparedLog } from '../tlog/log.ts';
import type { LogStatus } from '../tlog/log-status.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import type { AddedEntry, ArtifactLog, LoggedProof, LoggableEntry, LoggedEntry } from './artifact-log.ts';
import { artifactLogKind, END_NOTICE, integratedTimeOf, knownAs, requireBody } from './artifact-log-kind.ts';
import { checkRedactions } from './check-artifact-log.ts';
import { ArtifactEntryReads, placedEntry } from './entry-reads.ts';
import { signedEntryTimestampPayload } from './format/signed-entry-timestamp.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { checkpointKey, requireSigner } from './log-key.ts';
import { finishRedactions, removeTraces } from './redact-entries.ts';
import {
  areSameRedactions,
  changeRedactions,
  LiveRedactions,
  readRedactions,
  type Redaction,
  type Redactions,
} from './redactions.ts';
import { artifactEntries, type StoredArtifact } from './stored-artifact.ts';

/** How a log of artifacts is opened. */
export interface ArtifactLogOptions extends LogOptions {
  /** Its key. */
  readonly signer: Signer;
}

/** Opens the log of artifacts in `directory` for writing, in the order of `prepareLog`; one that has ended for reading, without a lock. Throws
 * LogError as that does. */
export async function openArtifactLog(options: ArtifactLogOptions): Promise<ArtifactLog> {
  return (await prepareArtifactLog(options)).open();
}

/** The first half of {@link openArtifactLog}: what is refused here left every file as it was. */
export async function prepareArtifactLog(options: ArtifactLogOptions): Promise<PreparedLog<ArtifactLog>> {
  const { directory, signer } = options;
  const identity = await readArtifactLogIdentity(directory);
  return withRedactions(directory, identity, async (redactions) => {
    const { frozenAt } = await (await chooseStores(directory)).commits.read();
    if (frozenAt !== undefined) return prepareEnded(options, identity, redactions, frozenAt);
    const prepared = await prepareLog(artifactLogKind(identity, signer, redactions), options);
    return {
      open: async () => opened(options, identity, redactions, await prepared.open()),
      close: () => prepared.close(),
    };
  });
}

/** Prepares a log with its redactions. They say how its entries are read before it is locked, and a command may redact others until then: what is prepared has to have those
 * that are there under its lock. Each further turn is one that another process redacted meanwhile. */
async function withRedactions(
  directory: string,
  identity: ArtifactLogIdentity,
  prepare: (redactions: Redactions) => Promise<PreparedLog<ArtifactLog>>,
): Promise<PreparedLog<ArtifactLog>> {
  const live = await LiveRedactions.open(directory, () => removeTraces(directory));
  if (live !== undefined) return withLive(live, prepare);
  for (;;) {
    const redactions = await finishRedactions(directory, identity);
    const areStillThese = async (): Promise<boolean> =>
      areSameRedactions(redactions, await readRedactions(directory));
    const prepared = await prepare(redactions).catch(async (error: unknown) => {
      if (await areStillThese()) throw error;
      return undefined;
    });
    if (prepared === undefined) continue;
    let isKept = false;
    try {
      isKept = await areStillThese();
      if (isKept) return prepared;
    } finally {
      if (!isKept) await prepared.close();
    }
  }
}

/** What replicas share changes while the log is open, and so does what it is read by. */
async function withLive(
  live: LiveRedactions,
  prepare: (redactions: Redactions) => Promise<PreparedLog<ArtifactLog>>,
): Promise<PreparedLog<ArtifactLog>> {
  try {
    const prepared = await prepare(live);
    return { open: () => prepared.open(), close: () => prepared.close().finally(() => live.close()) };
  } catch (error) {
    await live.close();
    throw error;
  }
}

async function opened(
  options: EndedLogOptions,
  identity: ArtifactLogIdentity,
  redactions: Redactions,
  log: Writing,
): Promise<ArtifactLog> {
  const reads = new ArtifactEntryReads(identity, log.tree, redactions);
  const fault = await checkRedactions(reads, log.tree, redactions).then(() => undefined, sentenceOf);
  return new OpenArtifactLog(options, identity, { redactions, fault }, reads, log);
}

/** Nothing that is wrong with what is withheld keeps the log from being opened. */
const sentenceOf = (error: unknown): string =>
  error instanceof LogError && error.hint !== undefined
    ? `${error.message}. ${error.hint}`
    : messageOf(error);

/** How a log that has ended is opened. */
interface EndedLogOptions {
  readonly directory: string;
  /** Its key; a log of the second API needs none. */
  readonly signer: Signer | undefined;
}

/** Opens a log that has ended, without a lock of its own. Throws LogError: `LOG_CORRUPT` for one that has not ended, although another one follows it, and as `openReadOnlyLog` does. */
export async function openEndedArtifactLog({ directory, signer }: EndedLogOptions): Promise<ArtifactLog> {
  const identity = await readArtifactLogIdentity(directory);
  const prepared = await withRedactions(directory, identity, async (redactions) => {
    const { frozenAt } = await (await chooseStores(directory)).commits.read();
    if (frozenAt !== undefined) return prepareEnded({ directory, signer }, identity, redactions, frozenAt);
    throw new LogError(
      'LOG_CORRUPT',
      `the log in ${directory} is followed by another one, and has not ended`,
      {
        hint: 'Restore it from a copy of after its end. `mayfly rekor rotate --switch` ends one that can be written.',
      },
    );
  });
  return prepared.open();
}

type Writing = Pick<
  TileLog<LoggableEntry, LoggedProof, StoredArtifact>,
  'append' | 'claimOf' | 'refusal' | 'status' | 'tree' | 'warnings' | 'noteUse' | 'close'
>;

async function prepareEnded(
  { directory, signer }: EndedLogOptions,
  identity: ArtifactLogIdentity,
  redactions: Redactions,
  frozenAt: number,
): Promise<PreparedLog<ArtifactLog>> {
  if (signer !== undefined) requireSigner(identity, signer);
  const kind = {
    identity,
    entries: artifactEntries(identity.api, redactions),
    keys: [checkpointKey(identity)],
  };
  // Bodies at the end of the log are held in memory: nobody is to redact one meanwhile.
  const release = await (await chooseStores(directory)).commits.shared();
  const { tree, unreadable, close } = await openReadOnlyLog(directory, kind).catch((error: unknown) => {
    release();
    throw error;
  });
  const closeBoth = (): Promise<void> => close().finally(release);
  const end = frozen({ knownAs: knownAs(identity), endNotice: END_NOTICE }, frozenAt);
  const log: Writing = {
    append: () => Promise.reject(end),
    claimOf: () => undefined,
    refusal: () => end,
    status: () => statusOfEnded(tree, unreadable()),
    tree,
    warnings: [`${end.message}; it is served for reading`],
    noteUse: () => Promise.resolve(),
    close: closeBoth,
  };
  return {
    open: () => opened({ directory, signer }, identity, redactions, log),
    close: closeBoth,
  };
}

const statusOfEnded = (
  { head, frozenAt }: PublishedTree<StoredArtifact>,
  unreadable: LogStatus['unreadable'],
): LogStatus => ({
  ...head().head,
  queued: 0,
  tileBacklog: 0,
  walBytes: 0,
  stops: 0,
  ...(frozenAt === undefined ? {} : { frozenAt }),
  ...(unreadable === undefined ? {} : { unreadable }),
});

/** Milliseconds for which an entry waits for the index of hashes, which is there at once unless `index.db` is made anew. */
const INDEX_WAIT = 3_000;

/** Milliseconds for which an entry waits that another process has logged, and between two looks. Heads of others are looked for every second. */
const OTHERS_WAIT = 8_000;
const OTHERS_PAUSE = 50;

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

class OpenArtifactLog implements ArtifactLog {
  readonly api: 1 | 2;
  readonly identity: ArtifactLogIdentity;
  readonly warnings: readonly string[];
  readonly tree: PublishedTree<StoredArtifact>;
  readonly redactions: Redactions;
  readonly #redactionFault: string | undefined;
  readonly #live: LiveRedactions | undefined;
  readonly #directory: string;
  readonly #signer: Signer | undefined;
  readonly #log: Writing;
  readonly #reads: ArtifactEntryReads;
  /** Leaf hash → the one append of that entry. */
  readonly #underWay = new Map<string, Promise<AddedEntry>>();
  /** Whether an entry was refused that may have been stored. */
  #hasDoubts = false;

  constructor(
    { directory, signer }: EndedLogOptions,
    identity: ArtifactLogIdentity,
    { redactions, fault }: { readonly redactions: Redactions; readonly fault: string | undefined },
    reads: ArtifactEntryReads,
    log: Writing,
  ) {
    this.api = identity.api;
    this.identity = identity;
    this.warnings = log.warnings;
    this.tree = log.tree;
    this.redactions = redactions;
    this.#redactionFault = fault;
    this.#live = redactions instanceof LiveRedactions ? redactions : undefined;
    this.#directory = directory;
    this.#signer = signer;
    this.#log = log;
    this.#reads = reads;
  }

  get redactionFault(): string | undefined {
    return this.redactions.isFinished ? this.#redactionFault : UNERASED;
  }

  get isShared(): boolean {
    return this.#live !== undefined;
  }

  async add(entry: LoggableEntry): Promise<AddedEntry> {
    requireBody(entry.body);
    await this.#live?.current();
    const leafHash = hashLeaf(sha256, entry.body);
    if (this.tree.frozenAt !== undefined) return this.#ofEnded(entry.body);
    const key = toHex(leafHash);
    const twin = this.#underWay.get(key);
    if (twin !== undefined) return { ...(await twin), isNew: false };
    const adding = this.#add(entry, leafHash).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, adding);
    return adding;
  }

  /** A client that asks again for what was logged before the end gets it. */
  async #ofEnded(body: Uint8Array): Promise<AddedEntry> {
    const found = await this.find(body);
    if (found !== undefined) return found;
    throw this.refusal() ?? new TypeError('a log that ended refuses');
  }

  async find(body: Uint8Array): Promise<AddedEntry | undefined> {
    const index = await this.#reads.find(hashLeaf(sha256, body), INDEX_WAIT);
    return index === undefined ? undefined : this.#existing(index);
  }

  /** The index of hashes knows every published entry, and `#underWay` those that are not. */
  async #add(entry: LoggableEntry, leafHash: Uint8Array): Promise<AddedEntry> {
    // What was refused after it was stored is published in the same turn in which the log takes entries again.
    if (this.#hasDoubts) await nextTurn();
    const index = await this.#reads.find(leafHash, INDEX_WAIT);
    return index === undefined ? this.#append(entry, leafHash) : this.#existing(index);
  }

  async #existing(index: number): Promise<AddedEntry> {
    const entry = await this.entryAt(index);
    if (entry === undefined) throw new TypeError('an entry that was found is there');
    return { entry, proof: await this.proofOf(index), isNew: false };
  }

  async #append({ body, namedDigests }: LoggableEntry, leafHash: Uint8Array): Promise<AddedEntry> {
    try {
      const claim = this.#log.claimOf(leafHash);
      const { index, timestamp, receipt } = await this.#log.append({ body, namedDigests }, claim);
      const isFirstApi = this.api === 1;
      const entry = placedEntry(this.identity, {
        index,
        leafHash,
        body,
        integratedTime: isFirstApi ? integratedTimeOf(timestamp) : undefined,
        namedDigests: isFirstApi ? namedDigests : [],
      });
      return { entry, proof: receipt, isNew: true };
    } catch (error) {
      if (isClaimTaken(error)) return this.#ofOther(leafHash);
      this.#hasDoubts ||= error instanceof LogError && error.mayBeLogged;
      throw error;
    }
  }

  /** Another process has logged it, and its head is heard of here in a moment. */
  async #ofOther(leafHash: Uint8Array): Promise<AddedEntry> {
    for (const until = performance.now() + OTHERS_WAIT; performance.now() < until;) {
      await delay(OTHERS_PAUSE);
      const index = await this.#reads.find(leafHash, INDEX_WAIT);
      if (index !== undefined) return this.#existing(index);
    }
    throw new LogError(
      'LOG_BUSY',
      'another service has just logged this entry, and its head is not known here yet',
      {
        hint: 'Try again in a moment.',
      },
    );
  }

  async entryAt(index: number): Promise<LoggedEntry | undefined> {
    await this.#live?.current();
    return this.#reads.entryAt(index);
  }

  async entriesAt(indexes: readonly number[]): Promise<readonly (LoggedEntry | undefined)[]> {
    await this.#live?.current();
    return this.#reads.entriesAt(indexes);
  }

  indexOf(hash: Uint8Array): Promise<number | undefined> {
    return this.#reads.indexOf(hash);
  }

  async entryByLeafHash(hash: Uint8Array): Promise<LoggedEntry | undefined> {
    await this.#live?.current();
    return this.#reads.entryByLeafHash(hash);
  }

  async entriesFrom(first: number): Promise<readonly LoggedEntry[]> {
    await this.#live?.current();
    return this.#reads.entriesFrom(first);
  }

  proofOf(index: number): Promise<LoggedProof> {
    return this.#reads.proofOf(index);
  }

  consistency(first: number, last: number): Promise<readonly Uint8Array[]> {
    return this.#reads.consistency(first, last);
  }

  checkpoint(): Uint8Array {
    return this.tree.head().checkpoint;
  }

  async tile(path: string): Promise<Uint8Array> {
    await this.#live?.current();
    return this.#reads.tile(path);
  }

  async signEntryTimestamp({ body, integratedTime, logIndex, redaction }: LoggedEntry): Promise<Uint8Array> {
    if (redaction !== undefined) throw new TypeError('the body of a redacted entry cannot be signed');
    if (integratedTime === undefined) throw new TypeError('entries of the second API have no timestamp');
    if (this.#signer === undefined) throw new TypeError('the log was opened without its key');
    const { logId } = this.identity;
    return this.#signer.sign(signedEntryTimestampPayload({ body, integratedTime, logId, logIndex }));
  }

  async recordRedactions(
    record: (redaction: Redaction, logIndex: number) => Promise<void> | undefined,
  ): Promise<void> {
    const all = [...this.redactions.entries.values()];
    const missing = all.filter(({ isAudited }) => !isAudited);
    if (missing.length === 0) return;
    for (const redaction of missing) await record(redaction, this.identity.firstLogIndex + redaction.index);
    const recorded = new Set(missing.map(({ index }) => index));
    await changeRedactions(this.#directory, ({ isFinished, entries }) => ({
      isFinished,
      entries: new Map(
        [...entries].map(([index, one]) => [index, recorded.has(index) ? { ...one, isAudited: true } : one]),
      ),
    }));
  }

  refusal(): LogError | undefined {
    return this.#log.refusal();
  }

  status(): LogStatus {
    return this.#log.status();
  }

  noteUse(): Promise<void> {
    return this.#log.noteUse();
  }

  close(): Promise<void> {
    return this.#log.close().finally(() => this.#live?.close());
  }
}

/** For the operator. */
const UNERASED =
  'bodies of redacted entries are withheld, and still in the database. Stop every service of the log, and give `mayfly rekor redact` once more: it removes them.';
