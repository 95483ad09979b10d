/** The thread that owns the replay guard's file, so that an fsync never stalls a request. One message in, one out. */
import { parentPort, workerData } from 'node:worker_threads';
import { ReplayDatabase, type Claim } from './replay-database.ts';
import { ReplayFault, type ReplayFaultCode } from './replay-fault.ts';

/** Asks the worker. */
export type ReplayRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'claim'; readonly claims: readonly Claim[]; readonly now: number }
  | { readonly kind: 'close' };

/** The worker's answer: an error travels as its parts, for its class would be lost on the way. */
export type ReplayReply =
  | { readonly ok: true; readonly won: readonly boolean[]; readonly held: number }
  | {
      readonly ok: false;
      readonly code: ReplayFaultCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

const path = workerData as string;
let database: ReplayDatabase | undefined;
let isFirst = true;

function answer(request: ReplayRequest): ReplayReply {
  try {
    if (request.kind === 'close') {
      database?.close();
      return { ok: true, won: [], held: 0 };
    }
    database ??= new ReplayDatabase(path, isFirst);
    isFirst = false;
    const won = request.kind === 'claim' ? database.claim(request.claims, request.now) : [];
    return { ok: true, won, held: database.held };
  } catch (error) {
    if (!(error instanceof ReplayFault)) throw error;
    // After a failed sync the page cache may hold what the medium does not. Opening writes it anew.
    if (error.code !== 'REPLAY_GUARD_FULL') forget();
    const { code, message, hint } = error;
    return { ok: false, code, message, hint };
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

parentPort?.on('message', (request: ReplayRequest) => parentPort?.postMessage(answer(request)));
