/** All that asks a database, on a real server over a network that doubles bytes: what it says is true of the database, and it goes on by itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PolicyError } from '../../../policy/core/policy-error.ts';
import { ReplayFault } from '../../../policy/replay/replay-fault.ts';
import { sharedLimiter } from '../../../policy/rate-limit.ts';
import { SharedLimits } from '../../../policy/shared/shared-limits.ts';
import { SharedTokens } from '../../../policy/shared/shared-tokens.ts';
import type { PostgresPlace } from '../../../storage/postgres.ts';
import { LogError, type LogReason } from '../../../tlog/core/log-error.ts';
import type { Head } from '../../../tlog/store/commit-store.ts';
import { postgresAnchor } from '../../../tlog/store/postgres-anchor.ts';
import { postgresBackend } from '../../../tlog/store/postgres-backend.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { postgresTileStore } from '../../../tlog/store/postgres-tile-store.ts';
import { SharedDocument } from '../../../tlog/store/shared-document.ts';
import { checkLines, SharedLines } from '../../../tlog/store/shared-lines.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

/** What passes by itself. */
const PASSING: ReadonlySet<LogReason> = new Set(['LOG_STORAGE', 'LOG_LOCKED']);
const passes = (error: unknown): boolean =>
  error instanceof PolicyError ||
  error instanceof ReplayFault ||
  (error instanceof LogError && PASSING.has(error.code));

const ID = new Uint8Array(32).fill(7);
const bytes = (n: number): Uint8Array => new Uint8Array(32).fill(n);

/** One of those who ask. */
interface Asking {
  /** Does something and holds what is said of it to the database; resolves to whether it was done. */
  readonly step: () => Promise<boolean>;
  readonly close: () => Promise<void>;
}

type Maker = (through: PostgresPlace, direct: PostgresPlace) => Asking | Promise<Asking>;

/** Rejects with what does not pass by itself. */
async function unless<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (passes(error)) return undefined;
    throw error;
  }
}

const ASKING: Readonly<Record<string, Maker>> = {
  'commits of a log': async (through, direct) => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-doubled-'));
    const identity = { origin: 'localhost/log', logId: ID, text: '{}' };
    let head: Head = { size: 0, root: bytes(0), timestamp: 1000 };
    const other = postgresBackend(direct, directory, ID);
    await other.create(identity, head);
    const store = postgresBackend(through, directory, ID).openForWriting(identity);
    let isOpen = false;
    return {
      async step() {
        if (!isOpen) {
          isOpen =
            (await unless(
              store
                .load()
                .then(() => store.recover())
                .then(() => true),
            )) === true;
          if (!isOpen) return false;
        }
        await unless(Promise.resolve(store.shared?.newerThan(head)));
        const size = head.size + 1;
        const next = { size, root: bytes(size), timestamp: 1000 + size };
        const outcome: unknown = await store
          .commit({ expected: head, next, entries: [bytes(size)], pruneBelow: 0 })
          .then(
            () => 'done',
            (error: unknown) => error,
          );
        const found = (await other.read()).head;
        if (outcome === 'done') expect(found).to.deep.equal(next);
        else {
          expect(
            passes(outcome) || (outcome as LogError).code === 'LOG_HEAD_MOVED',
            String(outcome),
          ).to.equal(true);
          if (/nothing of the batch/.test((outcome as Error).message)) expect(found).to.deep.equal(head);
          isOpen = false;
        }
        head = found;
        return outcome === 'done';
      },
      async close() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
  tiles: (through, direct) => {
    const [store, other] = [postgresTileStore(through, ID), postgresTileStore(direct, ID)];
    let number = 0;
    return {
      async step() {
        const path = `tile/0/${String(number++).padStart(3, '0')}`;
        const isPut = await unless(store.put(path, bytes(number)).then(() => true));
        if (isPut !== true) return false;
        expect(await other.get(path)).to.deep.equal(bytes(number));
        const got = await unless(store.get(path).then((found) => ({ found })));
        if (got !== undefined) expect(got.found).to.deep.equal(bytes(number));
        return got !== undefined;
      },
      close: async () => {
        await store.close?.();
        await other.close?.();
      },
    };
  },
  'a shared document': (through, direct) => {
    const [one, other] = [through, direct].map((at) => new SharedDocument(at, ID, 'test'));
    if (one === undefined || other === undefined) throw new Error('none');
    let number = 0;
    return {
      async step() {
        const before = await other.read();
        const now = await unless(one.read().then((found) => ({ found })));
        if (now !== undefined) expect(now.found).to.deep.equal(before);
        const next = bytes(++number);
        const isDone = await unless(one.replace(before?.version, next));
        const after = await other.read();
        if (isDone === true) expect(after?.bytes).to.deep.equal(next);
        if (isDone === false) expect(after?.bytes).to.deep.equal(before?.bytes);
        return isDone === true && now !== undefined;
      },
      close: async () => {
        await one.close();
        await other.close();
      },
    };
  },
  'lines of an audit': (through, direct) => {
    const lines = new SharedLines(through, 'a');
    let done = 0;
    return {
      async step() {
        const isDone = await unless(lines.append([`line ${done}`]).then(() => true));
        if (isDone === true) done++;
        const [chain] = await checkLines(direct);
        expect(chain?.faults ?? []).to.deep.equal([]);
        expect(chain?.lines ?? 0).to.be.at.least(done);
        return isDone === true;
      },
      close: () => lines.close(),
    };
  },
  'rate limits': (through) => {
    const buckets = new SharedLimits(through);
    const limiter = sharedLimiter({ perMinute: 1, burst: 3 }, ['test'], buckets);
    const granted = new Map<string, number>();
    let number = 0;
    return {
      async step() {
        const name = `bucket ${number++ >> 2}`;
        const taken = await unless(Promise.resolve(limiter.take(name)));
        if (taken?.ok === true) granted.set(name, (granted.get(name) ?? 0) + 1);
        for (const count of granted.values()) expect(count).to.be.at.most(3);
        // After a failure nothing is asked for a second.
        if (taken === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
        return taken !== undefined;
      },
      close: () => buckets.close(),
    };
  },
  'used tokens': (through) => {
    const tokens = new SharedTokens(through);
    const ends = Date.now() + 3_600_000;
    let number = 0;
    return {
      async step() {
        const key = bytes(++number);
        const answers = [await unless(tokens.markUsed(key, ends)), await unless(tokens.markUsed(key, ends))];
        expect(answers.filter((one) => one === true).length).to.be.at.most(1);
        expect(answers[1]).to.not.equal(true, 'a second use');
        if (answers.includes(undefined)) await new Promise((resolve) => setTimeout(resolve, 50));
        return answers[0] === true && answers[1] === false;
      },
      close: () => tokens.close(),
    };
  },
  'an anchor': (through, direct) => {
    const anchor = postgresAnchor(through, ID);
    const other = postgresAnchor(direct, ID);
    const swap = anchor.replace ?? expect.fail('it cannot swap');
    let number = 0;
    let isLate = false;
    return {
      async step() {
        const now = await unless(anchor.read().then((found) => ({ found })));
        const before = await other.read();
        // A swap without an answer may come later.
        if (now !== undefined && !isLate) expect(now.found).to.deep.equal(before);
        const next = bytes(++number);
        const isDone = await unless(swap(before, next));
        const after = await other.read();
        if (isDone === true) expect(after).to.deep.equal(next);
        if (isDone === false) expect(after).to.not.deep.equal(next);
        isLate = isDone === undefined;
        return isDone === true && now !== undefined;
      },
      close: async () => {
        await anchor.close?.();
        await other.close?.();
      },
    };
  },
};

describe('a database whose network doubles bytes', function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let proxy: TcpProxy;
  let schemas = 0;
  before(async function () {
    server = await PostgresServer.start(this);
    proxy = await TcpProxy.to(server.port);
  });
  after(async () => {
    await proxy.close();
    await server?.remove();
  });

  for (const [name, make] of Object.entries(ASKING))
    it(`says nothing of ${name} that is not so, and serves them again by itself`, async () => {
      const schema = `doubled_${schemas++}`;
      const at = (port?: number): PostgresPlace => ({
        url: server?.url({ schema }, port) ?? expect.fail('no server'),
        passwordFile: server?.passwordFile,
      });
      await migrate(at());
      const asking = await make(at(proxy.port), at());
      const untilDone = async (): Promise<void> => {
        while (!(await asking.step()));
      };
      try {
        await untilDone();
        for (const way of ['answers', 'requests'] as const)
          for (const passage of ['twice', 'again'] as const) {
            for (let step = 0; step < 3; step++) {
              proxy.set({ [way]: passage });
              await asking.step();
            }
            proxy.set({});
            await untilDone();
          }
      } finally {
        proxy.set({});
        await asking.close();
      }
    });
});
