/** Stores and keys that fail once, at a chosen call, in either of the two ways that matter. */
import type { Signer } from '../../../signers/signer.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { CommitStore } from '../../../tlog/store/commit-store.ts';
import type { TileStore } from '../../../tlog/store/tile-store.ts';

/** Whether the failed step had its effect all the same. */
export type FaultKind = 'not applied' | 'applied but reported failed';

/** Fails the `nth` time (from 0) that `happens`. */
export class Fault {
  #left: number;
  readonly #kind: FaultKind;
  /** How often it failed. */
  count = 0;

  constructor(kind: FaultKind, nth: number) {
    this.#kind = kind;
    this.#left = nth;
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.#left-- !== 0) return step();
    this.count++;
    if (this.#kind === 'applied but reported failed') await step();
    throw new Error(`injected: ${this.#kind}`);
  }
}

/** Faults in the steps of a commit store. */
export type CommitFaults = Partial<Record<'load' | 'recover' | 'commit', Fault>>;

export const faultyCommits = (store: CommitStore, faults: CommitFaults): CommitStore => {
  const through = <T>(fault: Fault | undefined, step: () => Promise<T>): Promise<T> =>
    fault === undefined ? step() : fault.run(step);
  return {
    load: () => through(faults.load, () => store.load()),
    recover: () => through(faults.recover, () => store.recover()),
    commit: (batch) => through(faults.commit, () => store.commit(batch)),
    close: () => store.close(),
  };
};

/** Only paths that match `path` count. */
export const faultyTiles = (store: TileStore, path: RegExp, fault: Fault): TileStore => ({
  put: (name, bytes) => (path.test(name) ? fault.run(() => store.put(name, bytes)) : store.put(name, bytes)),
  get: (name) => store.get(name),
});

/** Only data that `counts` counts. */
export const faultySigner = (
  signer: Signer,
  counts: (data: Uint8Array) => boolean,
  fault: Fault,
): Signer => ({
  ...signer,
  sign: (data) => (counts(data) ? fault.run(() => signer.sign(data)) : signer.sign(data)),
});

/** Fails everything while it is on. */
export class Outage {
  isOn = false;
  readonly #message: string;

  constructor(message: string) {
    this.#message = message;
  }

  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.isOn) throw new LogError('LOG_STORAGE', this.#message);
    return step();
  }
}

export const outageCommits = (store: CommitStore, outage: Outage): CommitStore => ({
  load: () => outage.run(() => store.load()),
  recover: () => outage.run(() => store.recover()),
  commit: (batch) => outage.run(() => store.commit(batch)),
  close: () => store.close(),
});

export const outageSigner = (signer: Signer, outage: Outage): Signer => ({
  ...signer,
  sign: (data) => outage.run(() => signer.sign(data)),
});
