/** Stores and keys that fail once, at a chosen call, in either of the two ways that matter. */
import type { Signer } from '../../../core/signer.ts';
import type { CommitStore } from '../../../ct-log/commit-store.ts';
import type { TileStore } from '../../../ct-log/tile-store.ts';

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

export const faultyCommits = (store: CommitStore, fault: Fault): CommitStore => ({
  load: () => store.load(),
  commit: (batch) => fault.run(() => store.commit(batch)),
  close: () => store.close(),
});

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
