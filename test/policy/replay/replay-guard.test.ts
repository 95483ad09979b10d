import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { PolicyError } from '../../../policy/core/policy-error.ts';
import { KEPT_LONGER, ReplayDatabase } from '../../../policy/replay/replay-database.ts';
import { ReplayFault } from '../../../policy/replay/replay-fault.ts';
import { openReplayGuard, RESTART_INTERVAL, type ReplayGuard } from '../../../policy/replay/replay-guard.ts';
import { failureOf } from '../../support/failure.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const CLAIMER = fileURLToPath(new URL(`./support/replay-process.${extension}`, import.meta.url));

const keyOf = (name: string | number): Uint8Array => createHash('sha256').update(String(name)).digest();
const MINUTE = 60_000;

describe('policy/replay/replay-guard', () => {
  let directory: string;
  let path: string;
  let now: number;
  let open: ReplayGuard[];
  const guard = async (): Promise<ReplayGuard> => {
    const opened = await openReplayGuard(path, () => now);
    open.push(opened);
    return opened;
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'mayfly-replay-'));
    path = join(directory, 'replay.db');
    now = 1_700_000_000_000;
    open = [];
  });
  afterEach(async () => {
    for (const one of open) await one.close();
    rmSync(directory, { recursive: true });
  });

  it('lets each token through once', async () => {
    const first = await guard();
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
    expect(await first.markUsed(keyOf('b'), now + MINUTE)).to.equal(true);
    expect(first.held).to.equal(2);
  });

  it('lets a token that was released through once more, also after a restart', async () => {
    const first = await guard();
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
    expect(await first.markUsed(keyOf('b'), now + MINUTE)).to.equal(true);
    first.release?.(keyOf('a'));
    expect(first.wasUsed(keyOf('a'))).to.equal(false);
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
    first.release?.(keyOf('a'));
    await first.close();
    const second = await guard();
    expect(await second.markUsed(keyOf('b'), now + MINUTE)).to.equal(false);
    expect(await second.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
    expect(second.held).to.equal(2);
  });

  it('knows without asking which tokens were used last, and which are being asked for', async () => {
    const first = await guard();
    expect(first.wasUsed(keyOf('a'))).to.equal(false);
    const asked = first.markUsed(keyOf('a'), now + MINUTE);
    expect(first.wasUsed(keyOf('a'))).to.equal(true);
    expect(await asked).to.equal(true);
    expect(first.wasUsed(keyOf('a'))).to.equal(true);
    expect(first.wasUsed(keyOf('b'))).to.equal(false);
    await first.close();
    // After a restart only the file knows, and then it is known again.
    const second = await guard();
    expect(second.wasUsed(keyOf('a'))).to.equal(false);
    expect(await second.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
    expect(second.wasUsed(keyOf('a'))).to.equal(true);
  });

  it('remembers over a restart', async () => {
    const first = await guard();
    await first.markUsed(keyOf('a'), now + MINUTE);
    await first.close();
    const second = await guard();
    expect(second.held).to.equal(1);
    expect(await second.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
  });

  it('of a backup lets each token through once more that was used since, and none from before', async () => {
    const first = await guard();
    await first.markUsed(keyOf('before'), now + MINUTE);
    await first.close();
    const backup = readFileSync(path);
    const second = await guard();
    await second.markUsed(keyOf('since'), now + MINUTE);
    await second.close();
    writeFileSync(path, backup);
    const restored = await guard();
    expect(await restored.markUsed(keyOf('before'), now + MINUTE)).to.equal(false);
    expect(await restored.markUsed(keyOf('since'), now + MINUTE)).to.equal(true);
    expect(await restored.markUsed(keyOf('since'), now + MINUTE)).to.equal(false);
  });

  it('lets one of many uses of the same token through, also from two processes', async () => {
    const guards = [await guard(), await guard()];
    const uses = Array.from({ length: 400 }, (_, i) => {
      const one = guards[i % 2];
      if (one === undefined) throw new Error('there are two');
      return one.markUsed(keyOf(i % 40), now + MINUTE);
    });
    const won = await Promise.all(uses);
    expect(won.filter(Boolean)).to.have.length(40);
    for (let k = 0; k < 40; k++) expect(won.filter((yes, i) => yes && i % 40 === k)).to.have.length(1);
  });

  it('remembers every token that it let through when it is killed', async () => {
    const child = spawn(process.execPath, [CLAIMER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const given: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      given.push(line);
      if (given.length === 200) child.kill('SIGKILL');
    }
    expect(given.length).to.be.at.least(200);
    now = Date.now();
    const after = await guard();
    const again = await Promise.all(given.map((name) => after.markUsed(keyOf(name), now + MINUTE)));
    expect(again.filter(Boolean)).to.have.length(0);
  });

  it('forgets a token only long after it has expired, and not when the clock is set back', async () => {
    const first = await guard();
    const expires = now + MINUTE;
    await first.markUsed(keyOf('a'), expires);
    now = expires + KEPT_LONGER;
    expect(await first.markUsed(keyOf('b'), now + MINUTE)).to.equal(true);
    expect(await first.markUsed(keyOf('a'), expires)).to.equal(false);
    now -= 86_400_000;
    expect(await first.markUsed(keyOf('a'), expires)).to.equal(false);
    now = expires + KEPT_LONGER + 1;
    await first.markUsed(keyOf('c'), now + MINUTE);
    expect(first.held).to.equal(2);
  });

  it('writes anew what a kill left in the cache alone, before it relies on it', () => {
    const killed = new ReplayDatabase(path);
    killed.markUsed([{ key: keyOf('a'), expires: now + MINUTE }], now);
    const left = join(directory, 'left.db');
    for (const suffix of ['', '-wal']) cpSync(path + suffix, left + suffix);
    killed.close();
    expect(statSync(`${left}-wal`).size).to.be.greaterThan(0);
    const again = new ReplayDatabase(left);
    try {
      expect(statSync(`${left}-wal`).size).to.equal(0);
      expect(again.markUsed([{ key: keyOf('a'), expires: now + MINUTE }], now)).to.deep.equal([false]);
    } finally {
      again.close();
    }
  });

  it('lets nobody through while it is full, and everybody again when tokens have expired', () => {
    const database = new ReplayDatabase(path, true, 3);
    const claim = (...names: string[]): boolean[] =>
      database.markUsed(
        names.map((name) => ({ key: keyOf(name), expires: now + MINUTE })),
        now,
      );
    try {
      expect(claim('a', 'b')).to.deep.equal([true, true]);
      for (const names of [
        ['c', 'd'],
        ['c', 'd', 'e'],
      ])
        expect(() => claim(...names))
          .to.throw(ReplayFault)
          .with.property('code', 'REPLAY_GUARD_FULL');
      expect(database.held).to.equal(2);
      expect(claim('c')).to.deep.equal([true]);
      expect(() => claim('a')).to.throw(ReplayFault, 'holds 3 tokens');
      now += MINUTE + KEPT_LONGER + 1;
      expect(claim('d', 'e')).to.deep.equal([true, true]);
    } finally {
      database.close();
    }
  });

  it('grows to what one lifetime of tokens needs, and no further', async () => {
    const sizeAfter = async (rounds: number): Promise<number> => {
      path = join(directory, `${rounds}.db`);
      const one = await guard();
      for (let round = 0; round < rounds; round++) {
        now += KEPT_LONGER + 2 * MINUTE;
        const names = Array.from({ length: 1000 }, (_, i) => `${round} ${i}`);
        await Promise.all(names.map((name) => one.markUsed(keyOf(name), now + MINUTE)));
        expect(one.held).to.be.below(3000);
      }
      expect(statSync(`${path}-wal`).size).to.be.below(8 * 1024 * 1024);
      await one.close();
      return statSync(path).size;
    };
    expect(await sizeAfter(40)).to.be.at.most(1.5 * (await sizeAfter(3)));
  });

  it('takes odd ends of tokens without harm to others', async () => {
    const first = await guard();
    const ends = [now + 0.25, Number.MAX_VALUE, Infinity, -5];
    const won = await Promise.all(ends.map((end, i) => first.markUsed(keyOf(i), end)));
    expect(won).to.deep.equal([true, true, true, true]);
    expect(await failureOf(first.markUsed(keyOf('x'), NaN))).to.be.instanceOf(TypeError);
    expect(await failureOf(first.markUsed(keyOf('x').subarray(1), now))).to.be.instanceOf(TypeError);
    expect(await first.markUsed(keyOf('y'), now + MINUTE)).to.equal(true);
  });

  it('does not open a damaged or foreign file, and says what to do', async () => {
    const first = await guard();
    await first.markUsed(keyOf('a'), now + MINUTE);
    await first.close();
    const good = readFileSync(path);
    const truncated = good.subarray(0, 5000);
    for (const bad of [Buffer.from('not a database at all'.repeat(100)), truncated]) {
      writeFileSync(path, bad);
      const error = await failureOf(guard());
      expect(error).to.be.instanceOf(ReplayFault).with.property('code', 'REPLAY_GUARD_CORRUPT');
      expect((error as ReplayFault).message).to.contain(path);
      expect((error as ReplayFault).hint).to.contain('move the file away');
    }
    rmSync(path);
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('format', 99)");
    foreign.close();
    expect(await failureOf(guard())).to.have.property('code', 'REPLAY_GUARD_CORRUPT');
    path = join(directory, 'nowhere', 'replay.db');
    expect(await failureOf(guard())).to.have.property('code', 'REPLAY_GUARD_STORAGE');
  });

  it('changes nothing of a file that it refuses', () => {
    const FOREIGN: readonly (readonly [what: string, statements: string])[] = [
      ['of another program', 'CREATE TABLE x (a)'],
      [
        'of another program with such a name in it',
        'CREATE TABLE meta (key, value); CREATE TABLE used (key)',
      ],
      ['of a newer version', "CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('format', 2)"],
    ];
    for (const [what, statements] of FOREIGN) {
      for (const mode of ['delete', 'wal']) {
        rmSync(path, { force: true });
        const db = new DatabaseSync(path);
        db.exec(`PRAGMA journal_mode = ${mode}; ${statements}`);
        db.close();
        const before = readFileSync(path);
        expect(() => new ReplayDatabase(path), what)
          .to.throw(ReplayFault)
          .with.property('code', 'REPLAY_GUARD_CORRUPT');
        expect(readFileSync(path).equals(before), `${what}, ${mode}`).to.equal(true);
        expect(readdirSync(directory), `${what}, ${mode}`).to.deep.equal(['replay.db']);
      }
    }
  });

  it('starts anew with what a crash at its first start left', async () => {
    writeFileSync(path, '');
    expect(await (await guard()).markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
  });

  it('lets nobody through while its file cannot be used, and goes on when it can', async () => {
    const first = await guard();
    await first.markUsed(keyOf('a'), now + MINUTE);
    const other = new DatabaseSync(path);
    other.exec('ALTER TABLE used RENAME TO gone');
    const errors = await Promise.all(
      ['a', 'b'].map((name) => failureOf(first.markUsed(keyOf(name), now + MINUTE))),
    );
    for (const error of errors) {
      expect(error).to.be.instanceOf(PolicyError).with.property('code', 'REPLAY_GUARD_UNAVAILABLE');
      expect((error as PolicyError).cause).to.be.instanceOf(ReplayFault);
      expect((error as PolicyError).message).not.to.contain(directory);
    }
    expect(first.fault?.code).to.equal('REPLAY_GUARD_STORAGE');
    other.exec('ALTER TABLE gone RENAME TO used');
    other.close();
    expect(await first.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
    expect(await first.markUsed(keyOf('c'), now + MINUTE)).to.equal(true);
    expect(first.fault).to.equal(undefined);
  });

  describe('when its thread ends', () => {
    let workers: Worker[];
    let reported: ReplayFault[];
    const remember = (worker: Worker): void => {
      workers.push(worker);
    };
    const kill = async (): Promise<void> => {
      await workers.at(-1)?.terminate();
      // The thread is gone; the news of it come with the next turn.
      await new Promise((resolve) => setImmediate(resolve));
    };
    const openReporting = async (): Promise<ReplayGuard> => {
      const opened = await openReplayGuard(
        path,
        () => now,
        (fault) => reported.push(fault),
      );
      open.push(opened);
      return opened;
    };
    const markFault = async (one: ReplayGuard, name: string): Promise<ReplayFault> => {
      const error = await failureOf(one.markUsed(keyOf(name), now + MINUTE));
      expect(error).to.be.instanceOf(PolicyError).with.property('code', 'REPLAY_GUARD_UNAVAILABLE');
      return (error as PolicyError).cause as ReplayFault;
    };

    beforeEach(() => {
      workers = [];
      reported = [];
      process.on('worker', remember);
    });
    afterEach(() => {
      process.off('worker', remember);
    });

    it('lets nobody through, reports it once, and starts again after a while with all that it knew', async () => {
      const one = await openReporting();
      expect(await one.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
      await kill();
      expect(one.fault?.code).to.equal('REPLAY_GUARD_CLOSED');
      for (const name of ['a', 'b', 'c']) expect(await markFault(one, name)).to.equal(reported[0]);
      now += RESTART_INTERVAL;
      expect(await one.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
      expect(await one.markUsed(keyOf('b'), now + MINUTE)).to.equal(true);
      expect(one.fault).to.equal(undefined);
      expect(one.held).to.equal(2);
      expect(reported).to.have.length(1);
      expect(workers).to.have.length(2);
    });

    it('is started at most once in a while, however often it ends', async () => {
      const one = await openReporting();
      for (let starts = 2; starts < 5; starts++) {
        now += RESTART_INTERVAL;
        await kill();
        expect(await one.markUsed(keyOf(starts), now + MINUTE)).to.equal(true);
        await kill();
        now += RESTART_INTERVAL - 1;
        expect(await markFault(one, 'x')).to.have.property('code', 'REPLAY_GUARD_CLOSED');
        expect(workers).to.have.length(starts);
      }
    });

    it('lets no token through twice when it ends in the middle of its work', async () => {
      const one = await openReporting();
      const names = Array.from({ length: 3000 }, (_, i) => i);
      const claimAll = () => Promise.allSettled(names.map((name) => one.markUsed(keyOf(name), now + MINUTE)));
      const first = claimAll();
      await one.markUsed(keyOf('first batch'), now + MINUTE).catch(() => undefined);
      const second = claimAll();
      await kill();
      const before = [await first, await second];
      now += RESTART_INTERVAL;
      const rounds = [...before, await claimAll()];
      for (const name of names)
        expect(
          rounds.filter(({ [name]: one }) => one?.status === 'fulfilled' && one.value).length,
          `${name}`,
        ).to.be.at.most(1);
    });

    it('stays closed while its file cannot be used, and then goes on', async () => {
      const one = await openReporting();
      expect(await one.markUsed(keyOf('a'), now + MINUTE)).to.equal(true);
      await kill();
      const files = ['', '-wal', '-shm'].map((end) => `${path}${end}`).filter((file) => existsSync(file));
      for (const file of files) renameSync(file, `${file}.away`);
      mkdirSync(path);
      now += RESTART_INTERVAL;
      expect(await markFault(one, 'a')).to.have.property('code', 'REPLAY_GUARD_STORAGE');
      rmdirSync(path);
      for (const file of files) renameSync(`${file}.away`, file);
      expect(await one.markUsed(keyOf('a'), now + MINUTE)).to.equal(false);
    });

    it('does not report that it was closed', async () => {
      const one = await openReporting();
      await one.close();
      expect(reported).to.deep.equal([]);
    });
  });

  it('finishes what is under way when it is closed, and lets nobody through afterwards', async () => {
    const first = await guard();
    const last = first.markUsed(keyOf('a'), now + MINUTE);
    await first.close();
    await first.close();
    expect(await last).to.equal(true);
    const error = await failureOf(first.markUsed(keyOf('b'), now + MINUTE));
    expect(error).to.have.property('code', 'REPLAY_GUARD_UNAVAILABLE');
  });

  it('writes through to the medium with every transaction', () => {
    const database = new ReplayDatabase(path);
    try {
      expect(database.pragma('synchronous')).to.equal(2);
      expect(database.pragma('journal_mode')).to.equal('wal');
      expect(database.markUsed([{ key: keyOf('a'), expires: now }], now)).to.deep.equal([true]);
    } finally {
      database.close();
    }
  });
});
