/** The thread that owns the replay guard's file, so that an fsync never stalls a request. One message in, one out. */
import { workerData } from 'node:worker_threads';
import { answerRequests } from '../../storage/worker-channel.ts';
import { ReplayDatabase, type TokenUse } from './replay-database.ts';
import { ReplayFault } from './replay-fault.ts';

/** Asks the worker. */
export type ReplayRequest =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'markUsed';
      readonly uses: readonly TokenUse[];
      /** Keys that are forgotten first. */
      readonly released: readonly Uint8Array[];
      readonly now: number;
    }
  | { readonly kind: 'close' };

/** The worker's answer; instead of one it may throw {@link ReplayFault}. */
export interface ReplayReply {
  /** For each use, whether it was the first of its key. */
  readonly isFirst: readonly boolean[];
  /** Keys in the file. */
  readonly held: number;
}

const path = workerData as string;
let database: ReplayDatabase | undefined;
let isFirstOpening = true;

function answer(request: ReplayRequest): ReplayReply {
  try {
    if (request.kind === 'close') {
      database?.close();
      return { isFirst: [], held: 0 };
    }
    database ??= new ReplayDatabase(path, isFirstOpening);
    isFirstOpening = false;
    const isFirst =
      request.kind === 'markUsed' ? database.markUsed(request.uses, request.now, request.released) : [];
    return { isFirst, held: database.held };
  } catch (error) {
    // After a failed sync the page cache may hold what the medium does not. Opening writes it anew.
    if (error instanceof ReplayFault && error.code !== 'REPLAY_GUARD_FULL') forget();
    throw error;
  }
}

function forget(): void {
  const old = database;
  database = undefined;
  try {
    old?.close();
  } catch {
    // It could not be used; now it cannot be closed either. The next one is opened beside it.
  }
}

answerRequests(answer);
