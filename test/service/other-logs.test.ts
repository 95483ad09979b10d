/** Logs beside the one in use, served by a whole service. */
import { expect } from 'chai';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { setCurrentLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { openLogKeys } from '../../instance/open-key.ts';
import { openCtLog } from '../../ct-log/ct-log.ts';
import { endCtLog } from '../../ct-log/end-log.ts';
import { readIdentity } from '../../ct-log/log-identity.ts';
import type { RunningService } from '../../service/open-service.ts';
import { OtherLogs } from '../../service/other-logs.ts';
import { entry, ISSUER } from '../ct-log/support/test-log.ts';
import { addLog, emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

/** What is read of a log with 300 entries: everything but what a log that goes on signs anew. */
const UNCHANGING = [
  ...['tile/0/000', 'tile/0/001.p/44', 'tile/0/000.p/7', 'tile/1/000.p/1', 'tile/data/000'],
  ...['tile/data/001.p/44', 'ct/v1/get-entries?start=250&end=299', 'ct/v1/get-roots'],
  ...['ct/v1/get-sth-consistency?first=7&second=300', 'ct/v1/get-entry-and-proof?leaf_index=9&tree_size=300'],
];

/** What its signatures are in. */
const SIGNED = ['checkpoint', 'ct/v1/get-sth'];

/** Whether a descriptor of this process is of a file of a log. */
const logFile = (descriptor: string, data: string, name = ''): boolean => {
  try {
    return readlinkSync(descriptor).startsWith(join(data, 'logs', name));
  } catch {
    return false;
  }
};

describe('service: logs beside the one in use', () => {
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let service: QuietService | undefined;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-other-logs-'));
    data = join(root, 'data');
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    await fill(300);
  });
  afterEach(async () => {
    await service?.close();
    await rm(root, { recursive: true, force: true });
  });

  const fill = async (count: number): Promise<void> => {
    const paths = certificateLogPaths(dataPaths(data), '2026');
    const signers = await openLogKeys(paths, undefined);
    const log = await openCtLog({ directory: paths.directory, signers, chain: [ISSUER], clock: Date.now });
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(entry(i))));
    await log.close();
  };
  const start = async (): Promise<QuietService> => {
    await service?.close();
    return (service = await openQuietly(data));
  };
  const rotate = async (): Promise<void> => {
    await addLog(dataPaths(data), 'localhost/log/2027');
    await setCurrentLog(dataPaths(data), '2027');
  };
  /** Waits for a line of the service log. */
  const line = async (event: string): Promise<Readonly<Record<string, unknown>>> => {
    for (;;) {
      const found = service?.lines.find((one) => one['event'] === event);
      if (found !== undefined) return found;
      await delay(20);
    }
  };
  const read = async ({ url }: RunningService, paths: readonly string[]): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const path of paths) {
      const response = await fetch(`${url}/log/2026/${path}`);
      expect(response.status, path).to.equal(200);
      found.set(path, Buffer.from(await response.arrayBuffer()).toString('base64'));
    }
    return found;
  };
  const sign = async ({ url }: RunningService): Promise<number> =>
    (await post(`${url}/api/v2/signingCert`, bodyV2(await emailToken({ issuer }), clientKey()))).status;
  const listed = async ({ url }: RunningService): Promise<string[]> => {
    const { logs } = (await (await fetch(`${url}/log/`)).json()) as {
      logs: { name: string; state: string }[];
    };
    return logs.map(({ name, state }) => `${name} ${state}`);
  };
  const metrics = async ({ metricsUrl }: RunningService): Promise<string[]> =>
    (await (await fetch(`${metricsUrl}/metrics`)).text()).split('\n');
  const ready = async ({
    metricsUrl,
  }: RunningService): Promise<[number, Record<string, unknown> | undefined]> => {
    const response = await fetch(`${metricsUrl}/readyz`);
    const { checks } = (await response.json()) as { checks: Record<string, unknown>[] };
    return [response.status, checks.find(({ name }) => name === 'other-logs')];
  };

  it('serves a former log as before, ends it, and never changes a byte of it again', async () => {
    const before = await read(await start(), UNCHANGING);
    await service?.close();
    await rotate();
    const running = await start();
    expect(running.logUrl).to.equal(`${running.url}/log/2027`);
    expect(await line('former log ended')).to.include({ log: '2026', size: 300 });
    expect(await listed(running)).to.deep.equal(['2027 current', '2026 frozen']);
    expect(await sign(running)).to.equal(200);
    expect(await read(running, UNCHANGING)).to.deep.equal(before);
    const signed = await read(running, SIGNED);
    const file = await readFile(join(data, 'logs', '2026', 'checkpoint'));
    expect(signed.get('checkpoint')).to.equal(file.toString('base64'));
    expect(await (await fetch(`${running.url}/log/2026/log.v3.json`)).json()).to.deep.include({
      status: 'readonly',
      submission_url: `${running.url}/log/2026/`,
    });
    // Its keys are not needed any more.
    const { ecdsaKey, ed25519Key } = certificateLogPaths(dataPaths(data), '2026');
    await rm(ecdsaKey);
    await rm(ed25519Key);
    const again = await start();
    expect(await read(again, [...UNCHANGING, ...SIGNED])).to.deep.equal(new Map([...before, ...signed]));
    expect(await readFile(join(data, 'logs', '2026', 'checkpoint'))).to.deep.equal(file);
    expect(await metrics(again)).to.include.members([
      'mayfly_logs{log="2027",state="current"} 1',
      'mayfly_logs{log="2026",state="frozen"} 1',
      'mayfly_other_log_size{log="2026"} 300',
      'mayfly_other_log_trouble{log="2026"} 0',
      `mayfly_other_log_reads_total{log="2026",code="200"} ${UNCHANGING.length + SIGNED.length}`,
      'mayfly_log_size 1',
    ]);
  });

  it('finds entries of a former log by their hash', async () => {
    await rotate();
    const { url } = await start();
    await line('former log ended');
    const tile = Buffer.from(await (await fetch(`${url}/log/2026/tile/0/001.p/44`)).arrayBuffer());
    const hash = encodeURIComponent(tile.subarray(3 * 32, 4 * 32).toString('base64'));
    const found = await fetch(`${url}/log/2026/ct/v1/get-proof-by-hash?hash=${hash}&tree_size=300`);
    expect(await found.json()).to.deep.include({ leaf_index: 259 });
    const none = encodeURIComponent(Buffer.alloc(32).toString('base64'));
    expect(
      (await fetch(`${url}/log/2026/ct/v1/get-proof-by-hash?hash=${none}&tree_size=300`)).status,
    ).to.equal(404);
  });

  it('lists a former log while it still has to answer for what it was handed', async () => {
    const paths = dataPaths(data);
    const [former, next] = [certificateLogPaths(paths, '2026'), await addLog(paths, 'localhost/log/2027')];
    const current = await readIdentity(former.directory);
    const logs = new OtherLogs({
      paths,
      current,
      chain: [ISSUER],
      note: () => undefined,
      end: async ({ directory }) =>
        endCtLog({
          directory,
          signers: await openLogKeys(former, undefined),
          chain: [ISSUER],
          clock: Date.now,
        }),
    });
    let close = (): void => undefined;
    const drained = new Promise<void>((resolve) => (close = resolve));
    const ending = logs.follow(
      await readIdentity(next.directory),
      { identity: current, size: 300 },
      () => drained,
    );
    const states = async (): Promise<string[]> => (await logs.list()).map(({ state }) => state);
    expect(await states()).to.deep.equal(['ending']);
    close();
    await ending;
    expect(await states()).to.deep.equal(['frozen']);
    await logs.close();
  });

  it('notices a log that is staged while it runs', async () => {
    const running = await start();
    expect((await fetch(`${running.url}/log/2027/checkpoint`)).status).to.equal(404);
    expect(await ready(running)).to.deep.equal([200, undefined]);
    const paths = await addLog(dataPaths(data), 'localhost/log/2027');
    const signers = await openLogKeys(paths, undefined);
    await (await openCtLog({ ...paths, signers, chain: [ISSUER], clock: Date.now })).close();
    // The directory is looked at once a second at most.
    while ((await fetch(`${running.url}/log/2027/checkpoint`)).status !== 200) await delay(100);
    const checkpoint = await (await fetch(`${running.url}/log/2027/checkpoint`)).text();
    expect(checkpoint).to.match(
      /^localhost\/log\/2027\n0\n47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\n/,
    );
    expect(await listed(running)).to.deep.equal(['2026 current', '2027 staged']);
    expect(await sign(running)).to.equal(200);
    expect((await ready(running))[0]).to.equal(200);
  });

  for (const [what, damage, sentence] of [
    ['a lost commit store', (log: string) => rm(join(log, 'commit.db')), 'commit.db does not exist'],
    ['a lost checkpoint', (log: string) => rm(join(log, 'checkpoint')), 'checkpoint does not exist'],
    ['another checkpoint', (log: string) => appendFile(join(log, 'checkpoint'), '\n'), 'signature'],
    ['a commit store that was cut off', (log: string) => truncate(join(log, 'commit.db'), 100), 'commit.db'],
    ['a damaged identity', (log: string) => appendFile(join(log, 'log.json'), '}'), 'log.json is damaged'],
  ] as const)
    it(`goes on beside a former log with ${what}`, async () => {
      await rotate();
      await start();
      await line('former log ended');
      await service?.close();
      await damage(join(data, 'logs', '2026'));
      const running = await start();
      expect((await line('other log fails'))['sentence']).to.include(sentence);
      expect(await sign(running)).to.equal(200);
      const [status, check] = await ready(running);
      expect(status).to.equal(200);
      expect(check).to.include({ ok: false });
      expect(check?.['detail']).to.include(sentence);
      expect(await metrics(running)).to.include('mayfly_other_log_trouble{log="2026"} 1');
      const { status: answered } = await fetch(`${running.url}/log/2026/checkpoint`);
      expect(answered).to.equal(500);
    });

  it('says of a former log that it cannot end why, and serves it all the same', async () => {
    await rotate();
    const { ecdsaKey } = certificateLogPaths(dataPaths(data), '2026');
    await rename(ecdsaKey, `${ecdsaKey}.away`);
    const running = await start();
    expect((await line('other log fails'))['sentence']).to.match(/its end cannot be noted.*ecdsa\.key\.pem/);
    expect(await listed(running)).to.deep.equal(['2027 current', '2026 ending']);
    await read(running, UNCHANGING);
    expect(await sign(running)).to.equal(200);
    expect(await metrics(running)).to.include('mayfly_logs{log="2026",state="ending"} 1');
    await rename(`${ecdsaKey}.away`, ecdsaKey);
    await start();
    await line('former log ended');
  });

  it('holds no file and no thread for former logs, however many are read', async () => {
    const names = ['2019', '2020', '2021', '2022', '2023', '2024'];
    // The newest is in use: those before it are former ones.
    for (const name of names) {
      const paths = await addLog(dataPaths(data), `localhost/log/${name}`);
      const signers = await openLogKeys(paths, undefined);
      await (await openCtLog({ ...paths, signers, chain: [ISSUER], clock: Date.now })).close();
    }
    await rotate();
    const running = await start();
    while (running.lines.filter(({ event }) => event === 'former log ended').length < names.length + 1)
      await delay(20);
    const openIn = (name: string): number =>
      readdirSync('/proc/self/fd').filter((fd) => logFile(`/proc/self/fd/${fd}`, data, name)).length;
    const held = (): Record<string, number> => ({
      files: readdirSync('/proc/self/fd').filter((fd) => logFile(`/proc/self/fd/${fd}`, data)).length,
      threads: process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length,
    });
    // Their indexes are made once.
    while (!existsSync(join(data, 'logs', '2026', 'search.db')) || openIn('2026') > 0) await delay(20);
    const before = held();
    for (const name of [...names, '2026', ...names])
      expect((await fetch(`${running.url}/log/${name}/checkpoint`)).status).to.equal(200);
    expect(await listed(running)).to.have.length(names.length + 2);
    expect(held()).to.deep.equal(before);
  });

  it('has no series and no log for a name that a client made up', async () => {
    await rotate();
    const running = await start();
    for (const name of ['2028', '..', '%2e%2e', '.current', '2026%2f..%2f2027', 'x'.repeat(200)])
      expect((await fetch(`${running.url}/log/${name}/checkpoint`)).status, name).to.equal(404);
    expect((await metrics(running)).join('\n')).not.to.match(/log="(?!2026|2027|certificates")/);
    expect((await openDataDirectory(data)).logNames).to.deep.equal(['2026', '2027']);
  });
});
