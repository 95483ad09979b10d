/** Certificate logs that follow each other by themselves, under load and killed at any step. */
import { expect } from 'chai';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { openCtLog } from '../../ct-log/ct-log.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { openLogKeys } from '../../instance/open-key.ts';
import { readCurrentLogName } from '../../instance/data-directory.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { readRecorded } from '../../trust/ledger.ts';
import { OWN_PATHS } from '../../trust/public-urls.ts';
import { entry, ISSUER } from '../ct-log/support/test-log.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { changesOf, killLibrary, runKilledAfter, runKilledAt } from '../support/kill-at.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { projectRoot } from '../support/project-root.ts';
import { openQuietly } from '../support/quiet-service.ts';
import { skipUnless } from '../support/skipped.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

const HOURS = 4;

describe('service: logs that follow each other, under load and killed', function () {
  this.timeout(900_000);
  let root: string;
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-shards-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  const make = async (data: string, shards: string): Promise<void> => {
    const limits = '{ principal: { per-minute: 100000, burst: 100000 } }';
    await makeDataDirectory(data, {
      config: emailConfig(issuer.url, `{ rate-limit: ${limits}, log: { shards: { ${shards} } } }`),
    });
  };
  const namesIn = (data: string): string[] =>
    readdirSync(join(data, 'logs')).filter((name) => !name.startsWith('.'));
  /** Entries under the last head of a log, and whether it has ended. */
  const headOf = async (
    data: string,
    name: string,
  ): Promise<{ readonly size: number; readonly hasEnded: boolean }> => {
    const source = await openDirectorySource(join(data, 'logs', name));
    const { size } = verifyCheckpoint(await source.checkpoint(), logKeys(source.identity));
    expect(source.head.size).to.equal(size);
    return { size, hasEnded: source.frozenAt !== undefined };
  };

  for (const workers of [1, 2])
    it(`goes by entries, again and again, with ${workers} worker(s)`, async () => {
      const data = join(root, 'data');
      await make(data, 'entries: 256, lead: 0h');
      const service = await openQuietly(data, { workers });
      const token = await emailToken({ issuer });
      let [received, isLoading] = [0, true];
      const loading = Promise.all(
        Array.from({ length: 16 }, async () => {
          while (isLoading) {
            const answer = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey()));
            expect(answer.status, await answer.clone().text()).to.equal(200);
            received++;
          }
        }),
      ).finally(() => (isLoading = false));
      loading.catch(() => undefined);
      const frozen = async (): Promise<number> => {
        const { logs } = (await (await fetch(`${service.url}/log/`)).json()) as { logs: { state: string }[] };
        return logs.filter(({ state }) => state === 'frozen').length;
      };
      while (isLoading && (await frozen()) < 2) await delay(50);
      isLoading = false;
      await loading;
      await service.close();
      const heads = await Promise.all(namesIn(data).map((name) => headOf(data, name)));
      for (const { size, hasEnded } of heads) if (hasEnded) expect(size).to.be.at.least(256);
      expect(heads.filter(({ hasEnded }) => !hasEnded).length).to.be.within(1, 2);
      expect(heads.reduce((sum, { size }) => sum + size, 0)).to.equal(received);
    });

  it('has one log open for writing, and every entry, whichever step a kill comes after', async function () {
    const library = killLibrary(root);
    skipUnless(this, library !== undefined, 'gcc');
    const made = join(root, 'made');
    await make(made, `at: ["${new Date(Date.now() + 3 * 3_600_000).toISOString()}"], lead: 0h`);
    const paths = certificateLogPaths(dataPaths(made), '2026');
    const signers = await openLogKeys(paths, undefined);
    const log = await openCtLog({ directory: paths.directory, signers, chain: [ISSUER], clock: Date.now });
    await Promise.all(Array.from({ length: 5 }, (_, i) => log.append(entry(i))));
    await log.close();
    const data = join(root, 'data');
    const words = [join(projectRoot, 'test/service/support/serve-shards.ts'), data, String(HOURS)];
    const begin = (): void => {
      rmSync(data, { recursive: true, force: true });
      cpSync(made, data, { recursive: true });
    };
    begin();
    const all = changesOf(library, data, words);
    expect(namesIn(data).length).to.equal(2);
    const every = process.env['EVERY_STEP'] === 'yes' ? 1 : Math.ceil(all / 12);
    const kills = new Map<string, () => unknown>();
    // The same ones each time: what fails once can be tried again.
    for (let at = Math.ceil(every / 2); at <= all; at += every)
      kills.set(`${at}`, () => runKilledAt(library, data, at, words));
    // Between the log and the names of its keys, each time.
    const [staged = ''] = namesIn(data).filter((name) => name !== '2026');
    for (const path of [
      `logs/${staged}$`,
      ...['ecdsa', 'ed25519'].map((kind) => `keys/log-${staged}-${kind}.key.pem$`),
    ])
      kills.set(path, () => {
        expect(runKilledAfter(library, data, { of: { call: 'rename', path }, first: 1 }, words)).to.equal(
          'SIGKILL',
        );
      });
    for (const [at, kill] of kills) {
      begin();
      kill();
      // As it was left, or a start before anything is done: one log is in use, and the one before it has what it had.
      const current = (await readCurrentLogName(dataPaths(data))) ?? '2026';
      expect(namesIn(data), at).to.include(current);
      await finish(data);
      const names = namesIn(data);
      expect(names.length, `${at}: ${names.join(' ')}`).to.equal(2);
      const [next = ''] = names.filter((name) => name !== '2026');
      expect(await readCurrentLogName(dataPaths(data)), at).to.equal(next);
      expect(await headOf(data, '2026'), at).to.deep.equal({ size: 5, hasEnded: true });
      expect((await headOf(data, next)).hasEnded, at).to.equal(false);
      const { certificateLogs } = await readRecorded(dataPaths(data).trustedRoot);
      const ends = certificateLogs.map(({ baseUrl, window }) => [baseUrl, window.end !== undefined]);
      expect(Object.fromEntries(ends), at).to.deep.equal({
        [OWN_PATHS.log('2026')]: true,
        [OWN_PATHS.log(next)]: false,
      });
    }
  });

  /** A start after a kill, until the former log has its end. */
  const finish = async (data: string): Promise<void> => {
    const service = await openQuietly(data, { clock: () => Date.now() + HOURS * 3_600_000 });
    const isEnded = async (): Promise<boolean> =>
      (await readRecorded(dataPaths(data).trustedRoot)).certificateLogs.some(
        ({ baseUrl, window }) => baseUrl === OWN_PATHS.log('2026') && window.end !== undefined,
      );
    while (!(await isEnded())) await delay(20);
    await service.close();
  };
});
