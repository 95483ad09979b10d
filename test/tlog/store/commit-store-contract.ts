/** What every kind of commit store must keep, whatever it is made of. Call this from the test of each backend. */
import { expect } from 'chai';
import {
  ClaimsTaken,
  type Batch,
  type CommitStore,
  type CommitStoreBackend,
  type Head,
  type LoadedState,
  type SharedCommits,
} from '../../../tlog/store/commit-store.ts';
import type { LogIdentity } from '../../../tlog/core/log-identity.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { EntryClaim } from '../../../tlog/core/committed.ts';
import { failureAs, failureOf } from '../../support/failure.ts';

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

/** What kind of store the suite is for. */
interface ContractOptions {
  /** Whether several writers may have it at once. */
  readonly isShared: boolean;
  /** Before the first test, such as the start of a server. */
  readonly before?: (test: Mocha.Context) => Promise<void>;
  readonly after?: () => Promise<void>;
}

/** Declares the suite. `place` returns a new place. */
export function commitStoreContract(
  name: string,
  place: () => EmptyPlace,
  { isShared, ...around }: ContractOptions = { isShared: false },
): void {
  describe(`${name} as a commit store`, () => {
    before(async function () {
      await around.before?.(this);
    });
    after(() => around.after?.());

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

    if (isShared) declareShared(() => ({ backend: here.backend, store }));
    else
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

/** What several writers see of each other. */
function declareShared(
  opened: () => { readonly backend: CommitStoreBackend; readonly store: CommitStore },
): void {
  const empty = head(0, 1000);
  const others: CommitStore[] = [];
  const other = async (): Promise<CommitStore> => {
    const store = opened().backend.openForWriting(IDENTITY);
    others.push(store);
    await store.load();
    await store.recover();
    return store;
  };
  const sharedOf = (store: CommitStore): SharedCommits => store.shared ?? expect.fail('it is not shared');
  afterEach(async () => {
    for (const store of others.splice(0)) await store.close();
  });

  it('has several writers, of whom one is first, and the other one hears what was added', async () => {
    const [a, b] = [opened().store, await other()];
    const first = batch(empty, 2);
    // Its start has made what was under way fail: the first commit of the other one looks again.
    await sharedOf(a).addedSince(empty);
    await a.commit(first);
    const failure = await failureOf(b.commit(batch(empty, 3)));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_HEAD_MOVED');
    const added = await sharedOf(b).addedSince(empty);
    expect(added.head).to.deep.equal(first.next);
    expect(added.batches).to.deep.equal([{ head: first.next, entries: [bytes(0), bytes(1)] }]);
    await b.commit(batch(first.next, 1));
    expect((await opened().backend.read()).head.size).to.equal(3);
  });

  it('keeps others waiting after a lost race, with what they added in hand', async () => {
    const [a, b] = [opened().store, await other()];
    await sharedOf(a).addedSince(empty);
    const first = batch(empty, 1);
    await a.commit(first);
    expect(await sharedOf(b).begin(empty)).to.equal(undefined);
    await failureOf(b.commit(batch(empty, 1)));
    const second = batch(first.next, 1);
    await a.commit(second);
    const added = await sharedOf(b).begin(empty);
    expect(added?.head).to.deep.equal(second.next);
    const third = batch(second.next, 1);
    const late = failureOf(a.commit(batch(second.next, 2)));
    await b.commit(third);
    expect(await late).to.have.property('code', 'LOG_HEAD_MOVED');
    expect((await opened().backend.read()).head).to.deep.equal(third.next);
  });

  it('lets others go on where nothing follows on the lock', async () => {
    const [a, b] = [opened().store, await other()];
    await sharedOf(a).addedSince(empty);
    const first = batch(empty, 1);
    await a.commit(first);
    await failureOf(b.commit(batch(empty, 1)));
    await sharedOf(b).begin(first.next);
    await sharedOf(b).giveWay();
    await a.commit(batch(first.next, 1));
    expect((await opened().backend.read()).head.size).to.equal(2);
  });

  it('makes nothing of a batch whose writer was settled with', async () => {
    const [a, b] = [opened().store, await other()];
    const failure = await failureOf(a.commit(batch(empty, 1)));
    expect(failure, 'the epoch is another one since the other writer came').to.have.property(
      'code',
      'LOG_HEAD_MOVED',
    );
    expect((await sharedOf(b).settle(empty)).head).to.deep.equal(empty);
    await b.commit(batch(empty, 1));
    expect((await opened().backend.read()).head.size).to.equal(1);
  });

  it('takes a claim with one batch alone, of all writers, and stores nothing of another one that has it', async () => {
    const [a, b] = [opened().store, await other()];
    await sharedOf(a).addedSince(empty);
    const claim = (i: number): EntryClaim => ({ key: bytes(i, 32), expires: 2_000 + i });
    const first = { ...batch(empty, 2), claims: [claim(2), claim(1)] };
    await a.commit(first);
    await sharedOf(b).addedSince(empty);
    const both = { ...batch(first.next, 3), claims: [claim(1), claim(3), claim(2)] };
    const failure = await failureAs(ClaimsTaken, b.commit(both));
    expect(failure.code).to.equal('LOG_CLAIM_TAKEN');
    expect(failure.keys.map(([i]) => i).sort()).to.deep.equal([1, 2]);
    expect((await opened().backend.read()).head).to.deep.equal(first.next);
    const rest = { ...batch(first.next, 1), claims: [claim(3)] };
    await b.commit(rest);
    const late = await failureOf(b.commit({ ...batch(rest.next, 1), claims: [claim(3)] }));
    expect(late).to.be.instanceOf(ClaimsTaken);
    await b.commit(batch(rest.next, 1));
    expect((await opened().backend.read()).head.size).to.equal(4);
  });

  it('takes no claim of a batch that lost its race, and none under a lock that was there', async () => {
    const [a, b] = [opened().store, await other()];
    await sharedOf(a).addedSince(empty);
    const claims = [{ key: bytes(1, 32), expires: 5_000 }];
    const first = batch(empty, 1);
    await a.commit(first);
    expect(await failureOf(b.commit({ ...batch(empty, 1), claims }))).to.have.property(
      'code',
      'LOG_HEAD_MOVED',
    );
    await sharedOf(b).begin(first.next);
    const second = { ...batch(first.next, 1), claims };
    await b.commit(second);
    await sharedOf(b).begin(second.next);
    expect(await failureOf(b.commit({ ...batch(second.next, 1), claims }))).to.be.instanceOf(ClaimsTaken);
    // The lock went with it: the other one is not kept waiting.
    await sharedOf(a).addedSince(first.next);
    await a.commit(batch(second.next, 1));
    await sharedOf(b).addedSince(second.next);
    expect((await opened().backend.read()).head.size).to.equal(3);
  });

  it('shows a signed head to others, with what leads there', async () => {
    const [a, b] = [opened().store, await other()];
    await sharedOf(a).addedSince(empty);
    const first = batch(empty, 2);
    expect(await sharedOf(b).newerThan(empty)).to.equal(undefined);
    await a.commit(first);
    expect(await sharedOf(b).newerThan(empty)).to.deep.equal({ head: first.next });
    sharedOf(a).publish({ head: first.next, checkpoint: bytes(7) });
    await a.close();
    const newer = await sharedOf(b).newerThan(empty);
    expect(newer?.published?.head).to.deep.equal(first.next);
    expect(newer?.published?.checkpoint).to.deep.equal(bytes(7));
    expect(newer?.published?.addition.batches).to.have.length(1);
    expect(await sharedOf(b).newerThan(first.next)).to.equal(undefined);
  });
}
