/** A certificate log whose history is in PostgreSQL, written by several processes' worth of open logs at once. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseCertificate } from '../../core/certificate.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { Submissions } from '../../ct-log/submission/submissions.ts';
import { SubmittedChains } from '../../ct-log/submission/submitted-chain.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { migrate } from '../../tlog/store/postgres-schema.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { Ledger } from './support/ledger.ts';
import { derOf, outsideCa } from './support/outside-ca.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

describe('a certificate log whose history is in PostgreSQL', () => {
  let server: PostgresServer | undefined;
  let schemas = 0;
  let test: TestLog;
  let ledger: Ledger;
  const open: CtLog[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
  });
  after(() => server?.remove());
  beforeEach(async () => {
    const place = {
      url: server?.url({ schema: `log_${schemas++}` }) ?? '',
      passwordFile: server?.passwordFile,
    };
    await migrate(place);
    test = await testLog({ places: { commits: place } });
    ledger = new Ledger();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((log) => log.close()));
    await test.remove();
  });

  /** The log as a service on another machine has it: with a directory of its own. */
  const replica = async (name: string, clock: () => number = Date.now): Promise<CtLog> => {
    const directory = join(test.root, name);
    cpSync(test.directory, directory, { recursive: true });
    rmSync(join(directory, 'checkpoint'), { force: true });
    const log = await test.open({
      directory,
      clock,
      signers: ledger.watch(test.signers),
      stores: { tiles: fileTileStore(test.directory) },
    });
    open.push(log);
    return log;
  };

  it('logs once what other CAs hand in at several of them at once, and answers each with the same entry', async function () {
    this.timeout(60_000);
    const logs = [await replica('a'), await replica('b'), await replica('c')];
    const ca = await outsideCa();
    const rules = {
      roots: [parseCertificate(derOf(ca.root))],
      usages: undefined,
      ownKeys: new Set<string>(),
    };
    const chains = new SubmittedChains(rules);
    const submissions = await Promise.all(
      logs.map((log, i) => Submissions.open(log, join(test.root, ['a', 'b', 'c'][i] ?? ''))),
    );
    try {
      for (let index = 0; index < 3; index++) {
        const one = chains.read('precertificate', [await ca.precertificate(), derOf(ca.issuing)]);
        const answers = await Promise.all(submissions.map((some) => some.add(one)));
        expect(answers.map((answer) => answer.index)).to.deep.equal([index, index, index]);
        expect(answers.filter(({ isNew }) => isNew)).to.have.length(1);
      }
    } finally {
      await Promise.all(submissions.map((some) => some.close()));
    }
  });

  it('is opened while others write so much meanwhile that there are always tiles beyond what was read', async function () {
    this.timeout(60_000);
    const other = await replica('a');
    let next = 0;
    const append = async (count: number): Promise<void> => {
      const added = Array.from({ length: count }, () => other.append(entry(next++)));
      for (const one of added) ledger.note(await one);
    };
    await append(300);
    const directory = join(test.root, 'b');
    cpSync(test.directory, directory, { recursive: true });
    const tiles = fileTileStore(test.directory);
    let isOpen = false;
    const slow = {
      ...tiles,
      get: async (path: string): Promise<Uint8Array | undefined> => {
        const beyond = /^tile\/(?:0|data)\/(\d{3})$/.exec(path)?.[1];
        if (isOpen || beyond === undefined) return tiles.get(path);
        // What is asked for is put first.
        while ((await tiles.get(path)) === undefined) {
          await append(64);
          await turn();
        }
        return tiles.get(path);
      },
    };
    const log = await test.open({ directory, signers: ledger.watch(test.signers), stores: { tiles: slow } });
    isOpen = true;
    open.push(log);
    ledger.note(await log.append(entry(next++)));
    await Promise.all(open.splice(0).map((one) => one.close()));
    await ledger.expectKept(test.directory);
  });

  it('is not opened where a tile shows that it was larger than the database says', async () => {
    const log = await replica('a');
    ledger.note(await log.append(entry(0)));
    await Promise.all(open.splice(0).map((one) => one.close()));
    await fileTileStore(test.directory).put('tile/0/000', new Uint8Array(8192));
    const failure: unknown = await replica('b').catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_ROLLED_BACK');
  });

  it('has heads whose times increase where the clocks of its writers differ, and none of one that is seconds behind', async () => {
    const clocks = { a: Date.now, b: () => Date.now() - 400, c: () => Date.now() + 400 };
    const logs = await Promise.all(Object.entries(clocks).map(([name, clock]) => replica(name, clock)));
    const late = await replica('d', () => Date.now() - 10_000);
    const times: number[] = [];
    for (let round = 0; round < 4; round++)
      for (const log of logs) {
        ledger.note(await log.append(entry(times.length)));
        times.push(log.status().timestamp);
      }
    expect(times).to.deep.equal([...new Set(times)].sort((one, other) => one - other));
    const failure: unknown = await late.append(entry(99)).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CLOCK');
    const [first] = logs;
    if (first !== undefined) ledger.note(await first.append(entry(100)));
    await Promise.all(open.splice(0).map((log) => log.close()));
    await ledger.expectKept(test.directory);
  });

  it('is written by three at once: nothing is lost, nothing is forked, and each shows what the others logged', async function () {
    this.timeout(60_000);
    const logs = [await replica('a'), await replica('b'), await replica('c')];
    let next = 0;
    const append = async (log: CtLog): Promise<void> => {
      while (next < 3000) ledger.note(await log.append(entry(next++)));
    };
    await Promise.all(logs.flatMap((log) => Array.from({ length: 16 }, () => append(log))));
    const size = ledger.answers.length;
    expect(size).to.equal(3000);
    for (const log of logs) while (log.tree.head().head.size < size) await turn();
    for (const log of logs) expect(log.status()).to.deep.include({ size, stops: 0 });
    await Promise.all(open.splice(0).map((log) => log.close()));
    await ledger.expectKept(test.directory);
  });
});

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
