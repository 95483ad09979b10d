import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { Signer } from '../../signers/signer.ts';
import type { CommitStore } from '../../tlog/store/commit-store.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { CtLog, CtLogOptions } from '../../ct-log/ct-log.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import type { TileStore } from '../../tlog/store/tile-store.ts';
import {
  Fault,
  faultyCommits,
  faultySigner,
  faultyTiles,
  Outage,
  outageCommits,
  type FaultKind,
} from './support/faults.ts';
import { Ledger, readTreeHead } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

const KINDS: readonly FaultKind[] = ['not applied', 'applied but reported failed'];

/** A durable step: how to open a log that fails there, at which calls (the first is 0), and whether the log stops for it. */
interface Step {
  readonly stops: boolean;
  readonly calls: readonly number[];
  readonly open: (test: TestLog, ledger: Ledger, fault: Fault) => Promise<CtLog>;
}

const withStores =
  (wrap: (test: TestLog, fault: Fault) => CtLogOptions['stores']): Step['open'] =>
  (test, ledger, fault) =>
    test.open({ signers: ledger.watch(test.signers), stores: wrap(test, fault) });

const failingTile = (path: RegExp): Step => ({
  stops: false,
  calls: [0],
  open: withStores(({ directory }, fault) => ({ tiles: faultyTiles(fileTileStore(directory), path, fault) })),
});

/** The first head is signed when the log is opened, which is a case of its own below. */
const failingSigner = (which: 'treeHead' | 'checkpoint', counts: (length: number) => boolean): Step => ({
  stops: false,
  calls: [1],
  open: (test, ledger, fault) => {
    const signers = ledger.watch(test.signers);
    const failing = faultySigner(signers[which], (data) => counts(data.length), fault);
    return test.open({ signers: { ...signers, [which]: failing } });
  },
});

/** A commit fails, and then the given step of opening the store again, which was made once when the log was opened. */
const failingReopen = (step: 'load' | 'recover'): Step => ({
  stops: true,
  calls: [1],
  open: withStores(({ directory, identity }, fault) => ({
    commits: faultyCommits(sqliteCommitStore(directory, identity), {
      commit: new Fault('applied but reported failed', 2),
      [step]: fault,
    }),
  })),
});

const STEPS: Record<string, Step> = {
  'the commit': {
    stops: true,
    calls: [0, 3],
    open: withStores(({ directory, identity }, fault) => ({
      commits: faultyCommits(sqliteCommitStore(directory, identity), { commit: fault }),
    })),
  },
  'reading the store again': failingReopen('load'),
  'making durable what it holds': failingReopen('recover'),
  'the signature of a head': failingSigner('treeHead', (length) => length === 50),
  'the signature of an SCT': failingSigner('treeHead', (length) => length !== 50),
  'the second signature of a checkpoint': failingSigner('checkpoint', () => true),
  'a data tile': failingTile(/^tile\/data\//),
  'a hash tile': failingTile(/^tile\/0\//),
};

/** Resolves when the log takes entries, which it does by itself after a fault. */
async function untilGoesOn(log: CtLog): Promise<void> {
  while (log.refusal() !== undefined) await delay(20);
}

/** Appends `count` entries in batches of `width`, each when `ready`; resolves with those that failed. */
async function appendAll(
  log: CtLog,
  ledger: Ledger,
  first: number,
  count: number,
  width: number,
  ready: (log: CtLog) => Promise<void> = () => Promise.resolve(),
): Promise<LogError[]> {
  const failures: LogError[] = [];
  for (let at = first; at < first + count; at += width) {
    await ready(log);
    const batch = Array.from({ length: width }, (_, i) => log.append(entry(at + i)));
    for (const result of await Promise.allSettled(batch)) {
      if (result.status === 'fulfilled') ledger.note(result.value);
      else failures.push(result.reason as LogError);
    }
  }
  return failures;
}

describe('ct-log/log under faults', () => {
  let test: TestLog;
  let ledger: Ledger;
  beforeEach(async () => {
    test = await testLog();
    ledger = new Ledger();
  });
  afterEach(() => test.remove());

  for (const [name, step] of Object.entries(STEPS)) {
    for (const kind of KINDS) {
      for (const call of step.calls) {
        for (const after of ['in place', 'after a restart'] as const) {
          it(`keeps every promise when ${name} fails (${kind}, call ${call}), and goes on ${after}`, async () => {
            const fault = new Fault(kind, call);
            let log = await step.open(test, ledger, fault);
            const ready = after === 'in place' ? untilGoesOn : undefined;
            const failures = await appendAll(log, ledger, 0, 400, 80, ready);
            expect(failures.map(({ code }) => code)).to.satisfy((codes: string[]) =>
              step.stops
                ? codes.length > 0 && codes.every((code) => code === 'LOG_UNAVAILABLE')
                : codes.length === 0,
            );
            if (after === 'after a restart') {
              await log.close();
              await ledger.expectKept(test.directory);
              log = await test.open({ signers: ledger.watch(test.signers) });
            } else {
              await untilGoesOn(log);
              expect(log.status().stops).to.equal(step.stops ? 1 : 0);
            }
            expect(await appendAll(log, ledger, 400, 200, 100)).to.deep.equal([]);
            expect(log.status()).to.not.have.any.keys('failed', 'signingFailure');
            await log.close();
            if (after === 'in place') expect(fault.count).to.equal(1);
            await ledger.expectKept(test.directory);
          });
        }
      }
    }
  }

  it('goes on with the tiles after one attempt failed, without being asked', async () => {
    const fault = new Fault('not applied', 0);
    const tiles = faultyTiles(fileTileStore(test.directory), /^tile\/data\//, fault);
    const log = await test.open({ stores: { tiles } });
    await appendAll(log, ledger, 0, 256, 256);
    await appendAll(log, ledger, 256, 1, 1);
    await log.close();
    expect(await fileTileStore(test.directory).get('tile/data/000')).to.be.instanceOf(Uint8Array);
    expect(log.status()).to.not.have.property('tileFailure');
  });

  it('tries a tile that failed again while nothing is logged', async () => {
    const fault = new Fault('not applied', 0);
    const tiles = faultyTiles(fileTileStore(test.directory), /^tile\/data\//, fault);
    const log = await test.open({ stores: { tiles } });
    await appendAll(log, ledger, 0, 256, 256);
    while (log.status().tileBacklog > 0) await delay(20);
    expect(fault.count).to.equal(1);
    expect(log.status()).to.not.have.property('tileFailure');
  });

  it('does not go on from a head that somebody else wrote while it was down', async () => {
    const store = sqliteCommitStore(test.directory, test.identity);
    const outage = new Outage('no space left on device');
    const first = await test.open({
      signers: ledger.watch(test.signers),
      stores: { commits: outageCommits(store, outage) },
    });
    await appendAll(first, ledger, 0, 3, 1);
    outage.isOn = true;
    await appendAll(first, ledger, 3, 1, 1);
    // The lock is lost with its file.
    rmSync(join(test.directory, 'lock.db'));
    const second = await test.open({ signers: ledger.watch(test.signers) });
    await appendAll(second, ledger, 3, 2, 1);
    outage.isOn = false;
    while (first.status().blocked === undefined) await delay(20);
    expect(first.status().blocked).to.include('another writer has changed the log');
    expect(first.refusal()).to.have.property('code', 'LOG_UNAVAILABLE');
    await second.close();
    await first.close();
    await ledger.expectKept(test.directory);
  });

  it('serves what was committed although its commit was reported as failed', async () => {
    const commits = faultyCommits(sqliteCommitStore(test.directory, test.identity), {
      commit: new Fault('applied but reported failed', 1),
    });
    const log = await test.open({ stores: { commits } });
    await appendAll(log, ledger, 0, 3, 3);
    expect(await appendAll(log, ledger, 3, 257, 257)).to.have.length(257);
    await untilGoesOn(log);
    await appendAll(log, ledger, 260, 2, 2);
    const { entries } = await log.reader.getEntries(0, 261);
    expect(entries).to.have.length(262);
    const hashes = Buffer.concat([
      await log.reader.tile('tile/0/000'),
      await log.reader.tile('tile/0/001.p/6'),
    ]);
    for (const index of [0, 2, 3, 255, 256, 259, 260, 261]) {
      const leafHash = hashes.subarray(index * 32, (index + 1) * 32);
      expect(await log.reader.getProofByHash(leafHash, 262)).to.have.property('leaf_index', index);
    }
  });

  it('writes no tile twice at a time when it goes on while one is being written', async () => {
    const files = fileTileStore(test.directory);
    const store = sqliteCommitStore(test.directory, test.identity);
    const [begun, reopened] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    let loads = 0;
    let [writing, most] = [0, 0];
    const commits: CommitStore = {
      ...faultyCommits(store, { commit: new Fault('not applied', 1) }),
      load: () => (loads++ === 0 ? undefined : reopened.resolve(undefined), store.load()),
    };
    const tiles: TileStore = {
      get: (path) => files.get(path),
      put: async (path, bytes) => {
        most = Math.max(most, ++writing);
        if (path.startsWith('tile/data/')) {
          begun.resolve(undefined);
          // Longer than it takes until the stores are opened again.
          await Promise.race([reopened.promise.then(() => delay(100)), delay(300)]);
        }
        await files.put(path, bytes);
        writing--;
      },
    };
    const log = await test.open({ stores: { commits, tiles } });
    await appendAll(log, ledger, 0, 256, 256);
    await begun.promise;
    await appendAll(log, ledger, 256, 1, 1);
    await untilGoesOn(log);
    expect(await appendAll(log, ledger, 257, 1, 1)).to.deep.equal([]);
    await log.close();
    expect(most).to.equal(1);
  });

  it('stops at once, for good, when a tile is there with other bytes', async () => {
    const files = fileTileStore(test.directory);
    const refused = Promise.withResolvers<undefined>();
    const tiles: TileStore = {
      get: (path) => files.get(path),
      put: (path, bytes) =>
        files.put(path, bytes).finally(() => {
          if (path.startsWith('tile/')) setImmediate(refused.resolve, undefined);
        }),
    };
    const log = await test.open({ signers: ledger.watch(test.signers), stores: { tiles } });
    await files.put('tile/data/000', Uint8Array.of(1, 2, 3));
    expect(await appendAll(log, ledger, 0, 256, 256)).to.deep.equal([]);
    await refused.promise;
    expect(log.status().failed).to.include('tile/data/000 exists with other bytes');
    expect(log.status().blocked).to.equal(log.status().failed);
    const failures = await appendAll(log, ledger, 256, 10, 10);
    expect(failures.map(({ code }) => code)).to.deep.equal(Array(10).fill('LOG_UNAVAILABLE'));
    expect(ledger.heads.map(({ size }) => size)).to.deep.equal([0, 256]);
    await log.close();
    const failure: unknown = await failureOf(test.open());
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
  });

  it('signs nothing more when a tile is found with other bytes while a batch is being committed', async () => {
    const files = fileTileStore(test.directory);
    const commits = sqliteCommitStore(test.directory, test.identity);
    const committing = Promise.withResolvers<undefined>();
    const refused = Promise.withResolvers<undefined>();
    const tiles: TileStore = {
      get: (path) => files.get(path),
      put: async (path, bytes) => {
        if (path.startsWith('tile/')) await committing.promise;
        await files.put(path, bytes).finally(() => {
          if (path.startsWith('tile/')) setImmediate(refused.resolve, undefined);
        });
      },
    };
    const slow: CommitStore = {
      ...commits,
      commit: async (batch) => {
        if (batch.expected.size > 0) {
          committing.resolve(undefined);
          await refused.promise;
        }
        await commits.commit(batch);
      },
    };
    const log = await test.open({ signers: ledger.watch(test.signers), stores: { tiles, commits: slow } });
    await files.put('tile/data/000', Uint8Array.of(1, 2, 3));
    await appendAll(log, ledger, 0, 256, 256);
    const [failure] = await appendAll(log, ledger, 256, 1, 1);
    expect(failure).to.have.property('code', 'LOG_UNAVAILABLE');
    await log.close();
    expect(ledger.heads.map(({ size }) => size)).to.deep.equal([0, 256]);
    expect(log.status().failed).to.include('other bytes');
  });

  it('publishes no head that was being signed when a tile was found with other bytes', async () => {
    const files = fileTileStore(test.directory);
    const [signing, refused] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const tiles: TileStore = {
      get: (path) => files.get(path),
      put: async (path, bytes) => {
        if (path.startsWith('tile/')) await signing.promise;
        await files.put(path, bytes).finally(() => {
          if (path.startsWith('tile/')) setImmediate(refused.resolve, undefined);
        });
      },
    };
    const { treeHead } = test.signers;
    const slow: Signer = {
      ...treeHead,
      sign: async (data) => {
        if (readTreeHead(data)?.size === 257) {
          signing.resolve(undefined);
          await refused.promise;
        }
        return treeHead.sign(data);
      },
    };
    const log = await test.open({ signers: { ...test.signers, treeHead: slow }, stores: { tiles } });
    await files.put('tile/data/000', Uint8Array.of(1, 2, 3));
    await appendAll(log, ledger, 0, 256, 256);
    const [failure] = await appendAll(log, ledger, 256, 1, 1);
    expect(failure).to.have.property('code', 'LOG_UNAVAILABLE');
    expect(log.reader.getSth().tree_size).to.equal(256);
    await log.close();
    expect(readFileSync(join(test.directory, 'checkpoint'), 'utf8')).to.include('\n256\n');
  });

  it('stops before memory and disk fill up when tiles cannot be written for long', async () => {
    const tiles = { ...fileTileStore(test.directory), put: (path: string) => refuse(path) };
    const refuse = (path: string): Promise<void> =>
      path.startsWith('issuer/') ? Promise.resolve() : Promise.reject(new Error('no space left'));
    const log = await test.open({
      stores: { tiles },
      limits: { tileBacklog: 3 },
      signers: ledger.watch(test.signers),
    });
    const failures = await appendAll(log, ledger, 0, 2560, 256);
    expect(failures).to.not.be.empty;
    expect(log.status().failed).to.include('no space left');
    expect(log.status().size).to.equal(768);
    await log.close();
    const again = await test.open({ signers: ledger.watch(test.signers) });
    expect(again.status()).to.include({ size: 768, tileBacklog: 0 });
    await again.close();
    await ledger.expectKept(test.directory);
  });

  it('does not open when an issuer, a missing tile or the first signature fails', async () => {
    const failing = faultyTiles(fileTileStore(test.directory), /^issuer\//, new Fault('not applied', 0));
    await expectRejection(test.open({ stores: { tiles: failing } }), Error, 'injected');
    const treeHead = faultySigner(test.signers.treeHead, () => true, new Fault('not applied', 0));
    await expectRejection(test.open({ signers: { ...test.signers, treeHead } }), Error, 'injected');
    const log = await test.open();
    expect(log.status().size).to.equal(0);
    await Promise.all(Array.from({ length: 256 }, (_, i) => log.append(entry(i))));
    await log.close();
    rmSync(join(test.directory, 'tile/data/000'));
    const tiles = faultyTiles(fileTileStore(test.directory), /^tile\/data\//, new Fault('not applied', 0));
    await expectRejection(test.open({ stores: { tiles } }), LogError, 'a full tile cannot be written');
    expect((await test.open()).status()).to.include({ size: 256, tileBacklog: 0 });
  });

  it('answers nothing after a fault until it is opened again', async () => {
    const commits = faultyCommits(sqliteCommitStore(test.directory, test.identity), {
      commit: new Fault('not applied', 0),
    });
    const log = await test.open({ stores: { commits } });
    await expectRejection(log.append(entry(0)), LogError, 'stopped');
    await expectRejection(log.append(entry(1)), LogError, 'stopped');
    expect(log.status().failed).to.include('injected');
    expect(log.reader.getSth().tree_size).to.equal(0);
  });

  it('refuses one bad entry and takes the others of its batch', async () => {
    const log = await test.open();
    const good = [entry(0), entry(1)].map((value) => log.append(value));
    const strange = log.append({ ...entry(2), chainFingerprints: new Uint8Array(32) });
    const broken = log.append({ ...entry(3), tbs: new Uint8Array() });
    const last = log.append(entry(4));
    await expectRejection(strange, LogError, 'chain');
    await expectRejection(broken, LogError, 'certificate');
    expect((await Promise.all([...good, last])).map(({ index }) => index)).to.deep.equal([0, 1, 2]);
  });

  it('pushes back when too much waits', async () => {
    const log = await test.open({ limits: { queued: 4 } });
    const all = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => log.append(entry(i))));
    const refused = all.filter((result) => result.status === 'rejected');
    expect(refused).to.have.length(6);
    expect(refused.every(({ reason }) => (reason as LogError).code === 'LOG_BUSY')).to.equal(true);
    expect(log.status().size).to.equal(4);
  });
});

async function expectRejection(
  promise: Promise<unknown>,
  type: typeof Error | typeof LogError,
  text: string,
): Promise<void> {
  const failure: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).to.be.instanceOf(type);
  expect((failure as Error).message).to.include(text);
}
