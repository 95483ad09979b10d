/** An open log: the one object that the rest of the program holds. */
import { equalBytes } from '../core/bytes.ts';
import { rfc3339, type Clock } from '../core/clock.ts';
import { join } from 'node:path';
import { CheckpointFile } from './checkpoint-file.ts';
import type { Committed } from './committed.ts';
import type { CommitStore } from './commit-store.ts';
import { fileTileStore } from './file-tile-store.ts';
import type { PrecertificateEntry } from './format/leaf.ts';
import { HashIndex } from './hash-index.ts';
import { headSigner, type LogSigners, type SignedHead } from './head-signer.ts';
import { NeededFiles, type UnreadableFiles } from './needed-files.ts';
import { putIssuers, type Issuers } from './issuers.ts';
import { LogError } from './log-error.ts';
import { logKeys } from './log-keys.ts';
import { readIdentity, type LogIdentity } from './log-identity.ts';
import { logReader, type LogReader } from './reader.ts';
import { rebuildEdge } from './rebuild-edge.ts';
import { refuseRollback } from './rollback.ts';
import { SEQUENCER_LIMITS, type SequencerLimits } from './sequencer-limits.ts';
import { Sequencer } from './sequencer.ts';
import { sqliteCommitStore } from './sqlite-commit-store.ts';
import { judgeStorage } from './storage-medium.ts';
import type { TileStore } from './tile-store.ts';
import { TileWriter } from './tile-writer.ts';
import type { TreeEdge } from './tree-edge.ts';
import { TreeTiles } from './tree-tiles.ts';
import { requireCheckpointOf } from './verify-head.ts';

/** How a log is opened. */
export interface OpenLog {
  /** Made by `createLog`. */
  readonly directory: string;
  readonly signers: LogSigners;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly issuers: readonly Uint8Array[];
  readonly clock: Clock;
  readonly limits?: Partial<SequencerLimits> | undefined;
  /** Other stores than the directory's own; faults in tests. */
  readonly stores?: Partial<LogStores> | undefined;
}

/** Where a log keeps what it holds. */
export interface LogStores {
  readonly commits: CommitStore;
  readonly tiles: TileStore;
}

/** How the log is doing. */
export interface LogStatus {
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since the epoch, of the newest head. */
  readonly timestamp: number;
  /** Entries that wait for their commit. */
  readonly queued: number;
  /** Full tiles that are not durable as files yet; their entries are, in the commit store. */
  readonly tileBacklog: number;
  /** When the log ended, milliseconds since the epoch; absent while it goes on. */
  readonly frozenAt?: number;
  /** Why the log takes nothing any more, for the operator; absent while it does. */
  readonly failed?: string;
  /** Why tiles cannot be written at the moment. */
  readonly tileFailure?: string;
  /** Why leaf hashes cannot be looked up. */
  readonly indexFailure?: string;
  /** Files that reads could not have; absent while there are none. */
  readonly unreadable?: UnreadableFiles;
  /** Why the checkpoint file is older than it should be. */
  readonly checkpointFailure?: string;
}

/** A log that this process writes; see {@link Sequencer.append} for what an append promises. */
export interface CtLog {
  readonly identity: LogIdentity;
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  append(entry: PrecertificateEntry): Promise<Committed>;
  readonly reader: LogReader;
  status(): LogStatus;
  /** Finishes what waits, writes the checkpoint file, releases the directory. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the log in `directory` for writing. In this order: the lock; everything that is committed, synced; the right
 * edge, which must give the committed root; what lies beside it and may show that the log was larger before; issuers
 * and full tiles that a crash left unwritten; the signature of the committed head, checked with the log's own keys.
 * Throws {@link LogError}: `LOG_MISSING`, `LOG_LOCKED`, `LOG_CORRUPT`, `LOG_ROLLED_BACK`, `LOG_WRONG_KEY`,
 * `LOG_UNSUITABLE_STORAGE`, `LOG_STORAGE`.
 */
export async function openLog(options: OpenLog): Promise<CtLog> {
  const identity = await readIdentity(options.directory);
  requireKeys(identity, options.signers);
  const warnings = await judgeStorage(options.directory);
  const stores: LogStores = {
    commits: options.stores?.commits ?? sqliteCommitStore(options.directory, identity.logId),
    tiles: options.stores?.tiles ?? fileTileStore(options.directory),
  };
  try {
    const log = await recover(options, identity, stores);
    const { frozenAt } = log.status();
    const ended = frozenAt === undefined ? [] : [`${frozen(frozenAt).message}; it is served for reading`];
    return { ...log, warnings: [...warnings, ...ended] };
  } catch (error) {
    await stores.commits.close();
    throw error;
  }
}

/** A signer of another log would make heads that nobody can check, or worse, heads of two trees under one key. */
function requireKeys(identity: LogIdentity, { treeHead, checkpoint }: LogSigners): void {
  const ed25519 = checkpoint.publicKey.subarray(-32);
  const right = treeHead.algorithm === 'ecdsa-p256-sha256' && checkpoint.algorithm === 'ed25519';
  if (right && equalBytes(treeHead.publicKey, identity.publicKey)) {
    if (equalBytes(ed25519, identity.ed25519PublicKey)) return;
  }
  throw new LogError('LOG_WRONG_KEY', `the keys given are not those of the log "${identity.origin}"`, {
    hint: `Give the ECDSA and Ed25519 keys that were made with the log (keys/log-${identity.name}-*.key.pem).`,
  });
}

type OpenedLog = Omit<CtLog, 'warnings'>;

async function recover(options: OpenLog, identity: LogIdentity, stores: LogStores): Promise<OpenedLog> {
  const state = await stores.commits.load();
  const edge = await rebuildEdge(state, stores.tiles);
  const { directory } = options;
  const { tiles } = stores;
  await refuseRollback({ directory, keys: logKeys(identity), head: state.head, edge, tiles });
  const issuers = await putIssuers(options.issuers, stores.tiles);
  const writer = new TileWriter(edge, stores.tiles);
  await writer.write(state.head.size);
  if (writer.contradiction !== undefined) throw writer.contradiction;
  if (writer.failure !== undefined) {
    throw new LogError('LOG_STORAGE', `a full tile cannot be written: ${writer.failure}`);
  }
  const signHead = headSigner(identity, options.signers);
  const head = await signHead(state.head);
  requireCheckpointOf(state.head, head.checkpoint, logKeys(identity));
  const { frozenAt } = state;
  return assemble({ options, identity, stores, edge, issuers, writer, signHead, head, frozenAt });
}

interface Recovered {
  readonly options: OpenLog;
  readonly identity: LogIdentity;
  readonly stores: LogStores;
  readonly edge: TreeEdge;
  readonly issuers: Issuers;
  readonly writer: TileWriter;
  readonly signHead: (head: SignedHead['head']) => Promise<SignedHead>;
  readonly head: SignedHead;
  readonly frozenAt: number | undefined;
}

function assemble(recovered: Recovered): OpenedLog {
  const { options, identity, stores, edge, issuers, writer, signHead, head, frozenAt } = recovered;
  const files = new NeededFiles(stores.tiles);
  const treeTiles = new TreeTiles(edge, files);
  const file = new CheckpointFile(options.directory, head.checkpoint);
  const index = new HashIndex(
    { path: join(options.directory, 'index.db'), logId: identity.logId },
    head.head.size,
    (tile) => treeTiles.tile(tile),
  );
  const sequencer = new Sequencer({
    ...{ identity, store: stores.commits, edge, tiles: writer, head, signHead },
    ...{ sctSigner: options.signers.treeHead, clock: options.clock },
    knowsChain: (fingerprints) => issuers.knowsChain(fingerprints),
    published: ({ checkpoint, head: { size } }, leafHashes) => {
      for (const [i, hash] of leafHashes.entries()) index.add(hash, size - leafHashes.length + i);
      file.update(checkpoint);
    },
    limits: { ...SEQUENCER_LIMITS, ...options.limits },
  });
  file.update(head.checkpoint);
  const reader = logReader({
    ...{ identity, head: () => sequencer.head, tiles: treeTiles, frozenAt },
    ...{ files, index, issuers: issuers.certificates },
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await sequencer.close();
    files.close();
    await index.close();
    await file.flush().catch(() => undefined); // derived: a full disk must not keep the lock
    await stores.commits.close();
  };
  return {
    ...{ identity, reader },
    append: (entry) => (frozenAt === undefined ? sequencer.append(entry) : Promise.reject(frozen(frozenAt))),
    status: () => ({
      ...(frozenAt === undefined ? {} : { frozenAt }),
      ...statusOf(sequencer, { writer, index, files, checkpointFile: file }),
    }),
    close: () => (closing ??= close()),
  };
}

const frozen = (at: number): LogError =>
  new LogError(
    'LOG_FROZEN',
    `the log of this service ended at ${rfc3339(at)}: no certificate is issued any more`,
    {
      hint: 'Ask the operator which service has taken its place.',
    },
  );

/** What is derived from the committed entries, and may fail without them. */
interface Derived {
  readonly writer: TileWriter;
  readonly index: HashIndex;
  readonly files: NeededFiles;
  readonly checkpointFile: CheckpointFile;
}

function statusOf(sequencer: Sequencer, { writer, index, files, checkpointFile }: Derived): LogStatus {
  const { head } = sequencer.head;
  const { failure } = sequencer;
  return {
    ...head,
    queued: sequencer.queued,
    tileBacklog: writer.backlog(head.size),
    ...(failure === undefined ? {} : { failed: failure }),
    ...(writer.failure === undefined ? {} : { tileFailure: writer.failure }),
    ...(index.failure === undefined ? {} : { indexFailure: index.failure }),
    ...(files.unreadable === undefined ? {} : { unreadable: files.unreadable }),
    ...(checkpointFile.failure === undefined ? {} : { checkpointFailure: checkpointFile.failure }),
  };
}
