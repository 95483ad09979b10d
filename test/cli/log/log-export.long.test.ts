import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import {
  ANYWHERE,
  type MayflyProcess,
  type MayflyResult,
  mayflyWords,
  runMayfly,
  startMayfly,
} from '../../support/mayfly.ts';
import { bodyV2, clientKey, emailToken, post, refusalOf } from '../../support/test-service.ts';
import { needMounts, skipUnless } from '../../support/skipped.ts';

const ORIGIN = 'localhost/log/2026';
const json = ({ stdout }: MayflyResult): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>;

/** A web server for the files of a directory: its URL, and how to end it. */
type StaticServer = readonly [url: string, stop: () => Promise<void>];

/** The least that a web server does. */
async function nodeServer(directory: string): Promise<StaticServer> {
  const server = createServer((request, response) => {
    const file = join(directory, new URL(request.url ?? '/', 'http://x').pathname);
    stat(file).then(
      (found) => {
        if (found.isFile()) createReadStream(file).pipe(response);
        else response.writeHead(301, { location: `${request.url ?? ''}/` }).end();
      },
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return [`http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop];
}

/** Somebody else's. */
async function pythonServer(directory: string): Promise<StaticServer> {
  const words = ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', directory];
  const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = /port (\d+)/.exec(line.toString())?.[1] ?? '';
  const stop = async (): Promise<void> => {
    child.kill();
    await once(child, 'exit');
  };
  return [`http://127.0.0.1:${port}`, stop];
}

describe('cli/log export and freeze', function () {
  this.timeout(180_000);
  let scratch: string;
  let data: string;
  let out: string;
  let trust: string;
  let certificate: string;
  let issuer: TestIssuer;
  const running: MayflyProcess[] = [];

  const serve = async (): Promise<{
    url: string;
    logUrl: string;
    metricsUrl: string;
    program: MayflyProcess;
  }> => {
    const program = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
    running.push(program);
    const ready = JSON.parse(await program.firstLine) as { url: string; logUrl: string; metricsUrl: string };
    return { ...ready, program };
  };
  const stop = async ({ child, ended }: MayflyProcess): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  const log = (...args: string[]): Promise<MayflyResult> => runMayfly(['log', ...args]);

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-export-'));
    [data, out, trust] = [join(scratch, 'data'), join(scratch, 'out'), join(scratch, 'trust')];
    certificate = join(scratch, 'cert.pem');
    issuer = await startIssuer();
    await makeDataDirectory(data, { config: emailConfig(issuer.url, '{rate-limit: off}') });
    expect((await runMayfly(['trust', 'export', '--data', data, '--out', trust])).code).to.equal(0);
    const { url, program } = await serve();
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    for (let i = 0; i < 260; i += 20) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const answer = await post(`${url}/api/v2/signingCert`, body);
          expect(answer.status).to.equal(200);
          const { signedCertificateEmbeddedSct: embedded } = (await answer.json()) as {
            signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
          };
          await writeFile(certificate, embedded.chain.certificates[0] ?? '');
        }),
      );
    }
    await stop(program);
  });
  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
  });
  after(async () => {
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  });

  for (const [name, start] of [
    ['a few lines of Node', nodeServer],
    ['python3 -m http.server', pythonServer],
  ] as const) {
    it(`writes files that check and proof accept, from the directory and from ${name}`, async function () {
      const hasServer = start !== pythonServer || spawnSync('python3', ['--version']).status === 0;
      skipUnless(this, hasServer, 'there is no python3');
      const directory = join(scratch, name.replaceAll(/\W/g, ''));
      const exported = await log('export', '--data', data, '--out', directory, '--json');
      expect(exported.code, exported.stderr).to.equal(0);
      expect(json(exported)).to.include({ origin: ORIGIN, size: 260, final: false, out: directory });
      const [url, end] = await start(directory);
      for (const target of [
        ['--data', directory],
        ['--url', url],
      ]) {
        for (const keys of [[], ['--trust', trust]]) {
          const checked = await log('check', ...target, ...keys);
          expect([checked.code, checked.stdout], checked.stderr).to.satisfy(
            ([code, text]: [number, string]) => code === 0 && text.startsWith('ok: 260 entries'),
          );
        }
        const status = json(await log('status', ...target, '--trust', trust, '--json'));
        expect(status).to.include({ origin: ORIGIN, size: 260 });
        expect((await log('proof', certificate, ...target, '--trust', trust)).code).to.equal(0);
      }
      // What is lost of a copy is found as it is in the log itself.
      await rm(join(directory, 'tile/data/001.p/4'));
      for (const target of [
        ['--data', directory],
        ['--url', url],
      ]) {
        const wrong = await log('check', ...target, '--trust', trust, '--json');
        expect([wrong.code, json(wrong)['where']]).to.deep.equal([1, 'tile/data/001.p/4']);
      }
      await end();
    });
  }

  it('refuses to write into the data directory, and over what is no copy of the log', async () => {
    const inside = await log('export', '--data', data, '--out', join(data, 'copy'));
    expect([inside.code, inside.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 2 && /inside/.test(text),
    );
    const taken = await log('export', '--data', data, '--out', trust);
    expect(taken.code).to.equal(1);
    expect(taken.stderr).to.include('which is of no exported log').and.include('Name an empty directory');
  });

  it('asks for the name of the log before it ends it, and ends none that a service writes', async () => {
    const { program, logUrl } = await serve();
    const words = ['freeze', '--data', data, '--confirm'];
    const unsure = await log(...words, 'localhost/log/2025');
    expect(unsure.code).to.equal(2);
    expect(unsure.stderr).to.include(ORIGIN);
    const early = await log(...words, ORIGIN, '--json');
    expect([early.code, json(early)]).to.satisfy(
      ([code, answer]: [number, { error: { code: string } }]) =>
        code === 1 && answer.error.code === 'LOG_LOCKED',
    );
    expect((await fetch(`${logUrl}/checkpoint`)).status).to.equal(200);
    await stop(program);
  });

  it('ends no log of which the last checkpoint cannot be written, and says that it is this', async function () {
    needMounts(this);
    const checkpoint = join(data, 'logs', '2026', 'checkpoint');
    // A file that is a mount point cannot be replaced, also not by root.
    const script = 'mount --bind "$1" "$1" && shift && exec "$@"';
    const words = ['log', 'freeze', '--data', data, '--confirm', ORIGIN, '--json'];
    const args = ['-rm', '/bin/sh', '-c', script, 'sh', checkpoint, process.execPath, ...mayflyWords(words)];
    const { stdout } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'LOG_STORAGE');
    expect(stdout).to.match(/the checkpoint of the last head is not written: .*EBUSY/);
    expect(json(await log('status', '--data', data, '--json'))).to.not.have.property('frozenAt');
  });

  it('ends a log: it is read as before, issues nothing, and its files are final', async () => {
    const frozen = await log('freeze', '--data', data, '--confirm', ORIGIN, '--json');
    expect(frozen.code, frozen.stderr).to.equal(0);
    expect(json(frozen)).to.include({ origin: ORIGIN, size: 260 });
    const { frozenAt } = json(frozen);
    expect(json(await log('freeze', '--data', data, '--confirm', ORIGIN, '--json'))).to.include({ frozenAt });
    expect((await log('status', '--data', data)).stdout).to.include(`ended  ${String(frozenAt)}`);

    const { url, logUrl, metricsUrl, program } = await serve();
    const refused = await post(
      `${url}/api/v2/signingCert`,
      bodyV2(await emailToken({ issuer }), clientKey()),
    );
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '3600']);
    const { reason, metadata } = (await refusalOf(refused)).details[0];
    expect(reason).to.equal('LOG_FROZEN');
    expect(metadata.sentence).to.include(`ended at ${String(frozenAt)}: no certificate is issued any more`);
    expect((await fetch(`${url}/readyz`)).status, 'ready to be read').to.equal(200);
    const described = (await (await fetch(`${logUrl}/log.v3.json`)).json()) as Record<string, unknown>;
    expect(described).to.include({ status: 'readonly', status_timestamp: frozenAt });
    expect(described).to.have.nested.property('final_tree_head.tree_size', 260);
    expect((await (await fetch(metricsUrl)).text()).match(/^mayfly_log_frozen .*$/m)?.[0]).to.equal(
      'mayfly_log_frozen 1',
    );
    expect((await log('check', '--url', logUrl, '--trust', trust)).code).to.equal(0);
    await stop(program);

    expect(json(await log('export', '--data', data, '--out', out, '--json'))).to.include({
      size: 260,
      final: true,
    });
    expect((await log('check', '--data', out, '--trust', trust)).code).to.equal(0);
  });
});
