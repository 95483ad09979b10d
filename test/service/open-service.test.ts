/** The composition root, in this process: what it opens in which order, and that a start that fails leaves nothing open. */
import { expect } from 'chai';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openService, type RunningService } from '../../service/open-service.ts';
import { dataPaths, certificateLogPaths } from '../../instance/data-paths.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { failureOf } from '../support/failure.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { bodyV2, clientKey, emailToken, post, refusalOf } from '../support/test-service.ts';

type Options = Parameters<typeof openService>[0];

/** The listening ports, threads and child processes of this process. */
const held = (): string =>
  process
    .getActiveResourcesInfo()
    .filter((kind) => ['TCPServerWrap', 'MessagePort', 'ProcessWrap'].includes(kind))
    .sort()
    .join(' ');

/** Every file below, with what it holds, but for the lock, which is empty. */
const filesOf = async (directory: string): Promise<readonly string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name !== 'lock.db')
    .map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.sort().map(async (path) => `${path} ${hash('sha256', await readFile(path))}`));
};

/** Waits a while, for what ends in the background. */
const settled = async (isSo: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 100 && !isSo(); turn++) await delay(20);
};

/** Of a development service whose configuration cannot be put in its place. */
const DEVELOPMENT = {
  issuer: 'http://localhost:5556',
  configuration: {
    file: '',
    commit: () => Promise.reject(Object.assign(new Error('cross-device link'), { code: 'EXDEV' })),
  },
};

const LOCAL = { host: '127.0.0.1', port: 0 };

describe('service/open-service', () => {
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let text: string;
  let services: RunningService[];
  const lines = (): Record<string, unknown>[] =>
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const events = (): unknown[] => lines().map(({ event }) => event);
  const open = async (over: Partial<Options> = {}): Promise<RunningService> => {
    const service = await openService({
      data,
      listen: LOCAL,
      metricsListen: LOCAL,
      clock: Date.now,
      program: 'mayfly',
      logOutput: {
        write: (bytes) => {
          text += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        writeNow: (bytes) => void (text += Buffer.from(bytes).toString()),
      },
      ...over,
    });
    services.push(service);
    return service;
  };
  const configure = (mayfly: string): Promise<void> =>
    writeFile(join(data, 'config.yaml'), emailConfig(issuer.url, mayfly));
  const sign = async (service: RunningService): Promise<string> => {
    const response = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken({ issuer }), clientKey()),
    );
    if (response.status !== 200) return (await refusalOf(response)).details[0].reason;
    await response.arrayBuffer();
    return 'issued';
  };

  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-open-service-'));
    data = join(root, 'data');
    text = '';
    services = [];
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
  });
  afterEach(async () => {
    for (const service of services) await service.close();
    await rm(root, { recursive: true, force: true });
  });

  it('issues, says where it is, and ends in the order of its parts', async () => {
    const audit = join(root, 'audit.jsonl');
    await configure(`{ audit: { file: { path: "${audit}" } } }`);
    const exits = process.listenerCount('exit');
    const service = await open();
    expect(service).to.include({ configFile: join(data, 'config.yaml'), logSize: 0, shutdownDelayMs: 0 });
    expect(service.listen).to.match(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(service.logUrl).to.equal(`${service.url}/log/2026`);
    expect(await sign(service)).to.equal('issued');
    expect((await fetch(`${service.metricsUrl}/readyz`)).status).to.equal(200);
    await Promise.all([service.close(), service.close()]);
    expect(events()).to.deep.equal(['warning', 'warning', 'started', 'closing', 'closed']);
    expect(lines()[2]).to.include({ url: service.url, metricsUrl: service.metricsUrl, logSize: 0 });
    // What records the decision was still open when its client had the answer.
    expect(await readFile(audit, 'utf8')).to.match(/"event":"issued"/);
    for (const url of [service.url, service.metricsUrl])
      expect(await failureOf(fetch(url))).to.be.an('error');
    expect(process.listenerCount('exit'), 'nothing is left to flush').to.equal(exits);
    expect((await open()).logSize).to.equal(1);
  });

  it('removes what a killed command left', async () => {
    const left = join(dataPaths(data).logs, '.2027-Ab12cd');
    await mkdir(left);
    await open();
    expect(existsSync(left)).to.equal(false);
  });

  it('takes a proxy where it is known who reads the log', async () => {
    await configure('{ log-access: public, trusted-proxies: [127.0.0.1] }');
    const service = await open({ behindTlsProxy: true });
    expect((await fetch(`${service.logUrl}/checkpoint`)).status).to.equal(200);
  });

  it('warns where gRPC is taken behind a proxy that is not named: all of its clients are one', async () => {
    const warned = (): boolean =>
      lines().some(({ sentence }) => /trusted-proxies names none: all clients/.test(String(sentence)));
    await open({ grpcListen: LOCAL });
    expect(warned()).to.equal(false);
    await Promise.all(services.splice(0).map((one) => one.close()));
    await configure('{ log-access: public }');
    await open({ behindTlsProxy: true, grpcListen: LOCAL });
    await settled(warned);
    expect(warned()).to.equal(true);
    await Promise.all(services.splice(0).map((one) => one.close()));
    text = '';
    await configure('{ log-access: public, trusted-proxies: [127.0.0.1] }');
    await open({ behindTlsProxy: true, grpcListen: LOCAL });
    expect(warned()).to.equal(false);
  });

  it('puts another configuration in force, and names what waits for a restart', async () => {
    const service = await open();
    expect(await sign(service)).to.equal('issued');
    await configure('{ client-signing-algorithms: [ed25519], shutdown-delay: 1 }');
    await service.reload();
    expect(await sign(service)).to.equal('ALGORITHM_NOT_PERMITTED');
    await writeFile(join(data, 'config.yaml'), 'oidc-issuers: [\n');
    await service.reload();
    expect(await sign(service)).to.equal('ALGORITHM_NOT_PERMITTED');
    expect(service.shutdownDelayMs).to.equal(0);
    await service.close();
    expect(events()).to.include.members([
      'configuration loaded',
      'needs a restart',
      'configuration not loaded',
    ]);
  });

  describe('a start that fails', () => {
    let taken: Server;
    let address: { readonly host: string; readonly port: number };
    before(async () => {
      taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      address = { host: '127.0.0.1', port: (taken.address() as AddressInfo).port };
    });
    after(() => taken.close());

    /** In the order of the steps: what is wrong, the code that says so, and what makes it wrong. */
    const FAULTS: readonly (readonly [string, string, () => Promise<Partial<Options>> | Partial<Options>])[] =
      [
        ['no data directory', 'DIRECTORY_MISSING', () => ({ data: join(root, 'none') })],
        ['a data directory of the other mode', 'DIRECTORY_MODE', () => ({ development: DEVELOPMENT })],
        [
          'a wrong configuration',
          'CONFIG_INVALID',
          async () => {
            await configure('{ no-such-setting: 1 }');
            return {};
          },
        ],
        [
          'an empty token for the readers of the log',
          'FAILED',
          async () => {
            await writeFile(join(root, 'token'), '\n', { mode: 0o600 });
            await configure(`{ log-access: token, log-access-token-file: "${join(root, 'token')}" }`);
            return {};
          },
        ],
        [
          'readers that a proxy makes look local',
          'LOOPBACK_BEHIND_PROXY',
          async () => {
            await configure('{ log-access: loopback }');
            return { behindTlsProxy: true };
          },
        ],
        [
          'readers that a trusted proxy makes look local',
          'LOOPBACK_BEHIND_PROXY',
          async () => {
            await configure('{ log-access: loopback, trusted-proxies: [127.0.0.1] }');
            return {};
          },
        ],
        [
          'a key of another log',
          'LOG_WRONG_KEY',
          async () => {
            const other = join(root, 'other');
            await makeDataDirectory(other);
            const [own, foreign] = [data, other].map(
              (at) => certificateLogPaths(dataPaths(at), '2026').ed25519Key,
            );
            await copyFile(foreign ?? '', own ?? '');
            return {};
          },
        ],
        [
          'a file of used tokens that is none',
          'REPLAY_GUARD_STORAGE',
          async () => {
            await mkdir(dataPaths(data).replay);
            const block = `issuer-url: "${issuer.url}", client-id: sigstore, type: email`;
            await writeFile(
              dataPaths(data).config,
              `oidc-issuers: { "${issuer.url}": { ${block}, mayfly: { replay-guard: token } } }\n`,
            );
            return {};
          },
        ],
        [
          'a log that cannot be written',
          'LOG_STORAGE',
          async () => {
            await mkdir(
              join(certificateLogPaths(dataPaths(data), '2026').directory, 'checkpoint', 'in-the-way'),
              {
                recursive: true,
              },
            );
            return {};
          },
        ],
        [
          'a staged configuration that cannot be put in its place',
          'EXDEV',
          async () => {
            await rm(data, { recursive: true });
            await makeDataDirectory(data, { mode: 'dev', config: emailConfig(issuer.url) });
            const configuration = { ...DEVELOPMENT.configuration, file: dataPaths(data).config };
            return { development: { ...DEVELOPMENT, configuration } };
          },
        ],
        [
          'an audit file that cannot be written',
          'AUDIT_FILE_UNUSABLE',
          async () => {
            await configure(`{ audit: { file: { path: "${root}" } } }`);
            return {};
          },
        ],
        [
          'no TLS certificate',
          'TLS_FILE_UNREADABLE',
          () => ({ tls: { certFile: join(root, 'none'), keyFile: join(root, 'none') } }),
        ],
        ["the operator's port taken", 'ADDRESS_IN_USE', () => ({ metricsListen: address })],
        ['the public port taken', 'ADDRESS_IN_USE', () => ({ listen: address })],
      ];

    /** The steps up to here only read. */
    const LAST_THAT_READS = 'LOG_WRONG_KEY';

    let isReading = true;
    for (const [name, code, breakIt] of FAULTS) {
      const changesNothing = isReading;
      isReading &&= code !== LAST_THAT_READS;
      it(`by ${name} leaves nothing open${changesNothing ? ', and every file as it was' : ''}`, async () => {
        const over = await breakIt();
        const [openBefore, filesBefore] = [held(), await filesOf(data)];
        expect(await failureOf(open(over))).to.have.property('code', code);
        expect(events()).to.not.include('started');
        await settled(() => held() === openBefore);
        expect(held()).to.equal(openBefore);
        if (changesNothing) expect(await filesOf(data)).to.deep.equal(filesBefore);
        // The log is not locked any more.
        expect(await failureOf(open(over))).to.have.property('code', code);
      });
    }

    it('because another service has the log leaves that one as it was', async () => {
      const first = await open();
      expect(await failureOf(open())).to.have.property('code', 'LOG_LOCKED');
      expect(await sign(first)).to.equal('issued');
      await first.close();
      expect((await open()).logSize).to.equal(1);
    });
  });
});
