/** Copies of a log's directory, as a restored backup, a cloned machine or a copied volume make them, and what its anchor says of them. */
import { cpSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { utf8 } from '../../core/bytes.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { AnchorPlace, HeadAnchor } from '../../tlog/store/head-anchor.ts';
import { startFakeBucket, withBucketCredentials, type FakeBucket } from '../support/fake-bucket.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { postgresAnchor } from '../../tlog/store/postgres-anchor.ts';
import { migrate } from '../../tlog/store/postgres-schema.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

describe('a certificate log with an anchor', () => {
  let database: PostgresServer | undefined;
  let schemas = 0;
  let test: TestLog;
  let fake: FakeBucket;
  let restore: () => void;
  let next: number;
  /** For the tests of a block, which are left out where there is none. */
  const withDatabase = (): void => {
    before(async function () {
      this.timeout(300_000);
      database = await PostgresServer.start(this);
    });
    after(() => database?.remove());
    beforeEach(() => migrate({ url: databaseUrl(++schemas), passwordFile: running().passwordFile }));
  };
  beforeEach(async () => {
    restore = withBucketCredentials();
    fake = await startFakeBucket();
    test = await testLog();
    next = 0;
  });
  afterEach(async () => {
    fake.fault = () => undefined;
    await test.remove();
    await fake.close();
    restore();
  });

  const issue = (log: CtLog, count = 1): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => log.append(entry(next++))));
  const copyTo = (name: string): string => {
    const to = join(test.root, name);
    cpSync(test.directory, to, { recursive: true });
    return to;
  };
  const putBack = (from: string): void => {
    rmSync(test.directory, { recursive: true });
    cpSync(from, test.directory, { recursive: true });
  };

  const running = (): PostgresServer => database ?? expect.fail('no server');
  const databaseUrl = (number: number, port?: number): string =>
    running().url({ schema: `anchor_${number}` }, port);
  const places = {
    'a database': () => ({ at: databaseUrl(schemas), passwordFile: running().passwordFile }),
    'a directory': () => ({ at: join(test.root, 'anchor') }),
    'a bucket': () => ({
      at: `s3://${fake.bucket}/anchors`,
      endpoint: fake.endpoint,
      addressing: 'path' as const,
    }),
  };

  /** Rounds of what is a race. What decides it is the same for all; a round with a database or a bucket takes a second. */
  const ROUNDS: Readonly<Record<keyof typeof places, number>> = {
    'a database': 8,
    'a directory': 20,
    'a bucket': 6,
  };

  for (const [name, place] of Object.entries(places)) {
    const rounds = ROUNDS[name as keyof typeof places];
    const anchored = (mode: AnchorPlace['mode'], directory = test.directory): Promise<CtLog> =>
      test.open({ directory, anchor: { ...place(), mode } });

    describe(`that is ${name} and synchronous`, () => {
      if (name === 'a database') withDatabase();

      it(`lets only one of two copies release anything, ${rounds} times of ${rounds}`, async function () {
        this.timeout(120_000);
        let caught = 0;
        for (let round = 0; round < rounds; round++) {
          const before = await anchored('synchronous');
          await issue(before, 1 + (round % 3));
          await before.close();
          const path = copyTo(`clone-${round}`);
          const [own, clone] = [await anchored('synchronous'), await anchored('synchronous', path)];
          // Which of them comes first, and with how many entries, is another one each time.
          const [first, second] = round % 2 === 0 ? [own, clone] : [clone, own];
          await issue(first, 1 + (round % 4));
          const { size, root } = first.status();
          const refused = await failureAs(LogError, issue(second, 1 + (round % 5)));
          if (refused.code === 'LOG_UNAVAILABLE' && second.status().blocked?.includes('the anchor') === true)
            caught++;
          expect(second.status().size, 'nothing of it was published').to.be.lessThan(size);
          expect(first.refusal()).to.equal(undefined);
          expect(first.status()).to.deep.include({ size, root });
          await own.close();
          await clone.close();
          if (first === clone) putBack(path);
        }
        expect(caught).to.equal(rounds);
      });

      it(`refuses a backup that was put back, ${rounds} times of ${rounds}, and takes the newest copy`, async function () {
        this.timeout(120_000);
        let caught = 0;
        for (let round = 0; round < rounds; round++) {
          const old = copyTo(`old-${round}`);
          const log = await anchored('synchronous');
          await issue(log, 1 + (round % 7));
          await log.close();
          const newest = copyTo(`newest-${round}`);
          putBack(old);
          const failure = await failureAs(LogError, anchored('synchronous'));
          if (failure.code === 'LOG_ROLLED_BACK') caught++;
          putBack(newest);
        }
        expect(caught).to.equal(rounds);
        await issue(await anchored('synchronous'));
      });

      it('is open with the anchor that it has, and says so', async () => {
        const log = await anchored('synchronous');
        await issue(log, 3);
        expect(log.status().anchor).to.deep.include({ mode: 'synchronous', size: 3 });
      });
    });

    describe(`that is ${name} and asynchronous`, () => {
      if (name === 'a database') withDatabase();

      it('stops one of two copies that both go on, when the anchor is looked at next', async () => {
        const before = await anchored('asynchronous');
        await issue(before, 3);
        await before.close();
        const path = copyTo('clone');
        const [own, clone] = [await anchored('asynchronous'), await anchored('asynchronous', path)];
        await issue(own, 2);
        await issue(clone, 2);
        const stopped = (): boolean =>
          [own, clone].some((log) => log.status().blocked?.includes('the anchor') === true);
        while (!stopped()) await turn();
        const [one] = [own, clone].filter((log) => log.status().blocked !== undefined);
        expect(await failureOf(one?.append(entry(900)))).to.have.property('code', 'LOG_UNAVAILABLE');
      });

      it('refuses a backup that was put back', async () => {
        const old = copyTo('old');
        const log = await anchored('asynchronous');
        await issue(log, 2);
        await log.close();
        putBack(old);
        const failure = await failureAs(LogError, anchored('asynchronous'));
        expect(failure.code).to.equal('LOG_ROLLED_BACK');
        expect(failure.message).to.contain('knows of 2 entries of this log, which has 0 here');
      });
    });
  }

  describe('that is a database', () => {
    withDatabase();

    it('finds in a database what became of a swap whose answer was lost, and goes on', async () => {
      const proxy = await TcpProxy.to(running().port);
      try {
        const at = databaseUrl(schemas, proxy.port);
        const anchor = { at, passwordFile: running().passwordFile, mode: 'synchronous' } as const;
        const log = await test.open({ anchor });
        await issue(log);
        for (const fault of [{ answers: 'cut' }, { requests: 'cut' }] as const) {
          const before = log.status().size;
          proxy.set(fault);
          const late = issue(log).catch(() => undefined);
          while (log.status().signingFailure === undefined) await turn();
          proxy.set({});
          await late;
          while (log.status().size === before) await turn();
          await issue(log);
        }
        expect(log.status().anchor?.size).to.equal(log.status().size);
        await log.close();
        const { passwordFile } = running();
        expect(await readFile(join(test.directory, 'anchor.json'), 'utf8'))
          .to.contain(passwordFile)
          .and.not.contain((await readFile(passwordFile, 'utf8')).trim());
      } finally {
        await proxy.close();
      }
    });

    it('believes nothing that may not have reached the standby', async function () {
      this.timeout(60_000);
      const place = { url: databaseUrl(schemas), passwordFile: running().passwordFile };
      const anchors = [1, 2, 3].map(() => postgresAnchor(place, new Uint8Array(32).fill(7)));
      const [one, two, three] = anchors as [HeadAnchor, HeadAnchor, HeadAnchor];
      const [first, second, third] = ['one', 'two', 'three'].map((text) => utf8(text)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      /** What is done waits for the standby, and fails when somebody ends the wait. */
      const unsettled = async (work: () => Promise<unknown> | undefined): Promise<void> => {
        const failing = failureAs(LogError, work);
        await running().endWait();
        expect((await failing).message).to.contain('was not replicated');
      };
      try {
        await two.probe?.();
        expect(await two.read()).to.equal(undefined);
        await running().waitForStandby(true);
        await unsettled(() => one.replace?.(undefined, first));
        // Who has written, who found nothing before, and who comes newly.
        await unsettled(() => one.read());
        await unsettled(() => two.read());
        await three.probe?.();
        await unsettled(() => three.read());
        await running().waitForStandby(false);
        for (const anchor of anchors) expect(await anchor.read()).to.deep.equal(first);
        await running().waitForStandby(true);
        await unsettled(() => one.replace?.(first, second));
        // It is there already, and not safe.
        await unsettled(() => two.replace?.(first, second));
        await running().waitForStandby(false);
        expect(await two.replace?.(first, second)).to.equal(true);
        expect(await two.replace?.(first, third)).to.equal(false);
      } finally {
        await running().waitForStandby(false);
        for (const anchor of anchors) await anchor.close?.();
      }
    });

    it('makes no tables, and is refused where they are missing or commits are not kept safe', async () => {
      const anchor = (number: number): AnchorPlace => ({
        at: databaseUrl(number),
        passwordFile: running().passwordFile,
        mode: 'asynchronous',
      });
      const refused = await failureAs(LogError, test.open({ anchor: anchor(schemas + 1) }));
      expect(refused.code).to.equal('LOG_UNSUITABLE_STORAGE');
      expect(refused.hint).to.contain('mayfly log migrate');
      await running().query("ALTER ROLE mayfly SET synchronous_commit = 'off'");
      try {
        expect(await failureAs(LogError, test.open({ anchor: anchor(schemas) }))).to.have.property(
          'code',
          'LOG_UNSUITABLE_STORAGE',
        );
      } finally {
        await running().query('ALTER ROLE mayfly RESET synchronous_commit');
      }
    });
  });

  it('waits for a synchronous anchor that does not answer, refuses meanwhile, and goes on by itself', async () => {
    const anchor = { ...places['a bucket'](), mode: 'synchronous' } as const;
    const log = await test.open({ anchor, limits: { signingTimeoutMs: 50 } });
    await issue(log);
    fake.fault = () => 'forbid';
    const refused = await failureAs(LogError, issue(log));
    expect(refused.code).to.equal('LOG_UNAVAILABLE');
    expect(log.status().signingFailure).to.contain('403 AccessDenied');
    expect(log.status().size).to.equal(1);
    fake.fault = () => undefined;
    while (log.refusal() !== undefined) await turn();
    await issue(log);
    expect(log.status().anchor?.size).to.equal(3);
  });

  it('goes on without an asynchronous anchor that does not answer, and says so', async () => {
    fake.fault = () => 'forbid';
    const anchor = { ...places['a bucket'](), mode: 'asynchronous' } as const;
    const log = await test.open({ anchor });
    expect(log.warnings.join()).to.contain('whether this log was put back or copied is not known');
    await issue(log);
    while (log.status().anchorFailure === undefined) await turn();
    fake.fault = () => undefined;
    while (log.status().anchor?.size !== 1) await turn();
    expect(log.status().anchorFailure).to.equal(undefined);
  });

  it('refuses to open with a synchronous anchor that does not answer, or holds something else', async () => {
    const anchor = { ...places['a bucket'](), mode: 'synchronous' } as const;
    fake.fault = () => 'forbid';
    expect((await failureAs(LogError, test.open({ anchor }))).code).to.equal('LOG_STORAGE');
    fake.fault = () => undefined;
    await (await test.open({ anchor })).close();
    for (const [key, object] of fake.objects) fake.objects.set(key, { ...object, bytes: Buffer.from('x') });
    expect((await failureAs(LogError, test.open({ anchor }))).code).to.equal('LOG_CORRUPT');
  });

  it('compares with a mirror, which is not written', async () => {
    let served: Uint8Array | undefined;
    const server = createServer((_, response) => {
      if (served === undefined) response.writeHead(404).end();
      else response.end(served);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const anchor = { at, mode: 'asynchronous' } as const;
    try {
      const old = copyTo('old');
      const log = await test.open({ anchor });
      await issue(log, 2);
      served = log.reader.checkpoint();
      await issue(log);
      while (log.status().anchor?.size !== 2) await turn();
      expect(log.status().failed).to.equal(undefined);
      await log.close();
      putBack(old);
      expect((await failureAs(LogError, test.open({ anchor }))).code).to.equal('LOG_ROLLED_BACK');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
