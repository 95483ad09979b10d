/** What every CommitStore must keep, whatever it is made of. Call this from the test of each backend. */
import { expect } from 'chai';
import type { Batch, CommitStore, Head, LoadedState } from '../../tlog/store/commit-store.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { failureOf } from '../support/failure.ts';

/** A place where one log's state lies; each `open` is a new writer. */
export interface CommitStorePlace {
  open(): Promise<CommitStore>;
  remove(): Promise<void>;
}

const head = (size: number, timestamp: number): Head => ({
  size,
  root: new Uint8Array(32).fill(size),
  timestamp,
});
const bytes = (i: number, length = 3): Uint8Array => new Uint8Array(length).fill(i);

/** A batch of `count` entries behind `expected`. */
const batch = (expected: Head, count: number, pruneBelow = 0): Batch => ({
  expected,
  pruneBelow,
  next: head(expected.size + count, expected.timestamp + 1),
  entries: Array.from({ length: count }, (_, i) => bytes(expected.size + i)),
});

/** Declares the suite. `place` answers a new place with the empty head. */
export function commitStoreContract(name: string, place: () => Promise<CommitStorePlace>): void {
  describe(`${name} as a commit store`, () => {
    let here: CommitStorePlace;
    let store: CommitStore;
    let empty: Head;
    beforeEach(async () => {
      here = await place();
      store = await here.open();
      empty = (await store.load()).head;
      await store.recover();
    });
    afterEach(async () => {
      await store.close();
      await here.remove();
    });

    const reopened = async (): Promise<LoadedState> => {
      await store.close();
      store = await here.open();
      const state = await store.load();
      await store.recover();
      return state;
    };

    const refused = async (attempt: Batch): Promise<void> => {
      const failure: unknown = await failureOf(store.commit(attempt));
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_HEAD_MOVED');
    };

    it('begins empty', async () => {
      expect(await reopened()).to.deep.include({ head: empty, firstEntry: 0, entries: [] });
      expect(empty.size).to.equal(0);
    });

    it('keeps what was committed', async () => {
      const first = batch(empty, 2);
      await store.commit(first);
      await store.commit(batch(first.next, 1));
      const state = await reopened();
      expect(state.head).to.deep.equal(batch(first.next, 1).next);
      expect(state.entries).to.deep.equal([bytes(0), bytes(1), bytes(2)]);
    });

    it('changes nothing when size, root or time of the head is another', async () => {
      const first = batch(empty, 2);
      await store.commit(first);
      const { next } = first;
      await refused(batch(empty, 2));
      await refused(batch({ ...next, root: new Uint8Array(32) }, 1));
      await refused(batch({ ...next, timestamp: next.timestamp + 1 }, 1));
      await refused(batch({ ...next, size: 1 }, 1));
      expect(await reopened()).to.deep.include({ head: next, firstEntry: 0, entries: [bytes(0), bytes(1)] });
    });

    it('drops what is pruned, in the same step, and only when that step is made', async () => {
      const first = batch(empty, 255);
      await store.commit(first);
      const second = batch(first.next, 2);
      await store.commit(second);
      await refused(batch(first.next, 1, 256));
      expect((await reopened()).firstEntry).to.equal(0);
      await store.commit(batch(second.next, 1, 256));
      const state = await reopened();
      expect(state.firstEntry).to.equal(256);
      expect(state.entries).to.deep.equal([bytes(256), bytes(257)]);
    });

    it('can be empty of entries again', async () => {
      const first = batch(empty, 256);
      await store.commit(first);
      await store.commit({ ...batch(first.next, 256, 256) });
      const { next } = batch(first.next, 256);
      await store.commit({
        expected: next,
        next: head(512, next.timestamp + 1),
        entries: [],
        pruneBelow: 512,
      });
      expect(await reopened()).to.deep.include({ firstEntry: 512, entries: [] });
    });

    it('takes entries of any length', async () => {
      const entries = [bytes(1, 1), bytes(2, 100_000), bytes(3, 16_000_000)];
      await store.commit({ expected: empty, next: head(3, empty.timestamp + 1), entries, pruneBelow: 0 });
      expect((await reopened()).entries.map(({ length }) => length)).to.deep.equal([1, 100_000, 16_000_000]);
    });

    it('refuses a second writer, in words, until the first one has closed', async () => {
      const second = await here.open();
      const failure: unknown = await failureOf(second.load());
      await second.close();
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
      await store.commit(batch(empty, 1));
      expect((await reopened()).head.size).to.equal(1);
    });
  });
}
