/** What every kind of commit store must keep, whatever it is made of. Call this from the test of each backend. */
import { expect } from 'chai';
import type {
  Batch,
  CommitStore,
  CommitStoreBackend,
  Head,
  LoadedState,
} from '../../../tlog/store/commit-store.ts';
import type { LogIdentity } from '../../../tlog/core/log-identity.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { failureOf } from '../../support/failure.ts';

/** A place for the store of one log, with nothing in it. */
export interface EmptyPlace {
  readonly backend: CommitStoreBackend;
  remove(): Promise<void>;
}

const IDENTITY: LogIdentity = {
  origin: 'localhost/log/2026',
  logId: new Uint8Array(32).fill(7),
  text: '{"origin":"localhost/log/2026"}',
};

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

/** Declares the suite. `place` returns a new place. */
export function commitStoreContract(name: string, place: () => EmptyPlace): void {
  describe(`${name} as a commit store`, () => {
    const empty = head(0, 1000);
    let here: EmptyPlace;
    let store: CommitStore;
    beforeEach(async () => {
      here = place();
      await here.backend.create(IDENTITY, empty);
      store = here.backend.openForWriting(IDENTITY);
      await store.load();
      await store.recover();
    });
    afterEach(async () => {
      await store.close();
      await here.remove();
    });

    const reopened = async (): Promise<LoadedState> => {
      await store.close();
      store = here.backend.openForWriting(IDENTITY);
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
      expect((await reopened()).identity).to.deep.equal({ logId: IDENTITY.logId, bound: IDENTITY.text });
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
      const second = here.backend.openForWriting(IDENTITY);
      const failure: unknown = await failureOf(second.load());
      await second.close();
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
      await store.commit(batch(empty, 1));
      expect((await reopened()).head.size).to.equal(1);
    });

    it('is read beside its writer, as it was at one moment', async () => {
      const { backend } = here;
      const first = batch(empty, 2);
      await store.commit(first);
      const before = await backend.read();
      await store.commit(batch(first.next, 1));
      expect(before).to.deep.include({ head: first.next, entries: [bytes(0), bytes(1)] });
      expect((await backend.read()).head.size).to.equal(3);
      expect(await backend.findDamage()).to.equal(undefined);
    });

    it('names itself in its texts', async () => {
      expect((await here.backend.read()).texts.name).to.equal(here.backend.name);
      expect((await reopened()).texts).to.deep.equal((await here.backend.read()).texts);
    });

    it('is not locked while it has a writer, and has none while it is locked', async () => {
      const { backend } = here;
      const beside = (): Promise<unknown> => failureOf(backend.whileLocked(() => Promise.resolve()));
      expect(await beside())
        .to.be.instanceOf(LogError)
        .with.property('code', 'LOG_LOCKED');
      await store.close();
      const second = backend.openForWriting(IDENTITY);
      const failure = await backend.whileLocked(() => failureOf(second.load()));
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_LOCKED');
      await second.close();
      await reopened();
    });

    it('notes the end of its log for good', async () => {
      await store.commit(batch(empty, 2));
      await store.close();
      const { next } = batch(empty, 2);
      const held = await here.backend.whileLocked(async (locked) => {
        await locked.end(2_000);
        return locked.state;
      });
      expect(held).to.deep.include({ head: next });
      expect(held.frozenAt).to.equal(undefined);
      expect(await here.backend.read()).to.deep.include({ head: next, frozenAt: 2_000 });
      expect(await reopened()).to.deep.include({ head: next, frozenAt: 2_000 });
    });

    it('has other bytes in the place of entries that are rewritten, and the rest as it was', async () => {
      await store.commit(batch(empty, 3));
      await store.close();
      const asked: number[] = [];
      await here.backend.whileLocked((locked) =>
        locked.rewrite((index, there) => {
          asked.push(index);
          expect([...there]).to.deep.equal([...bytes(index)]);
          return index === 1 ? bytes(9, 1) : undefined;
        }),
      );
      expect(asked).to.deep.equal([0, 1, 2]);
      const { head: kept, entries } = await reopened();
      expect(kept).to.deep.equal(batch(empty, 3).next);
      expect(entries.map((one) => [...one])).to.deep.equal([[0, 0, 0], [9], [2, 2, 2]]);
    });

    it('is neither taken nor locked while somebody shares it, which many may', async () => {
      const { backend } = here;
      expect(await failureOf(backend.shared())).to.have.property('code', 'LOG_LOCKED');
      await store.close();
      const releases = [await backend.shared(), await backend.shared()];
      for (const release of releases) {
        const failure = await failureOf(backend.whileLocked(() => Promise.resolve()));
        expect(failure).to.have.property('code', 'LOG_LOCKED');
        release();
        release();
      }
      await reopened();
    });

    it('changes nothing when its log is not ended while it is locked', async () => {
      await store.close();
      const failure = await failureOf(
        here.backend.whileLocked(() => Promise.reject(new LogError('LOG_HEAD_MOVED', 'no'))),
      );
      expect(failure).to.have.property('code', 'LOG_HEAD_MOVED');
      expect((await reopened()).frozenAt).to.equal(undefined);
    });
  });
}
