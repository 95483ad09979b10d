/**
 * Commands that a server, a log, an issuer or a directory of others leads on: each ends, after a bounded number of
 * requests, and asks nobody and writes nothing that was not named.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../core/pem.ts';
import { CheckedChainCertificates } from '../../ct-log/check-chain-certificates.ts';
import { encodeEntry } from '../../ct-log/format/leaf.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { proveCertificate } from '../../ct-log/proof.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { issuingLog } from '../ct-log/support/issuing-log.ts';
import { serveReader } from '../ct-log/support/serve-reader.ts';
import { sha256 } from '../support/parsers.ts';
import { rawToken } from '../support/raw-token.ts';
import { runMayfly } from '../support/mayfly.ts';
import { KEYS, makeWorld, ORIGIN, T0 } from '../support/verify-world.ts';
import { failureOf } from '../support/failure.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Of nobody. */
const CHECKPOINT = `x\n0\n${Buffer.alloc(32).toString('base64')}\n\n— x AAAAAAAA\n`;

describe('hostile: what leads a command on', function () {
  this.timeout(120_000);
  let directory: string;
  let server: Server;
  let elsewhere: Server;
  let answer: Answer;
  /** Paths that were asked for. */
  let asked: string[];
  let strayed: number;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-lead-'));
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      answer(request, response);
    }).listen(0, '127.0.0.1');
    elsewhere = createServer((_, response) => {
      strayed++;
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await Promise.all([once(server, 'listening'), once(elsewhere, 'listening')]);
  });
  beforeEach(() => {
    [asked, strayed] = [[], 0];
  });
  after(async () => {
    for (const one of [server, elsewhere]) {
      one.closeAllConnections();
      one.close();
    }
    await rm(directory, { recursive: true });
  });

  const urlOf = (one: Server): string => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  const json =
    (value: unknown): Answer =>
    (_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const redirect =
    (location: string): Answer =>
    (_, response) =>
      response.writeHead(302, { location }).end();
  const log = (...words: string[]) =>
    runMayfly(['log', ...words, '--url', urlOf(server)], { cwd: directory });

  it('a redirect to another host, scheme or port is not followed, and neither is a circle', async () => {
    const port = (server.address() as AddressInfo).port;
    const places = [
      `${urlOf(elsewhere)}/x`,
      `http://localhost:${port}/x`,
      `https://127.0.0.1:${port}/x`,
      '//',
      'file:///etc/passwd',
    ];
    for (const place of places) {
      answer = redirect(place);
      const { code, stderr } = await log('status');
      expect([code, strayed], place).to.deep.equal([3, 0]);
      expect(stderr, place).to.include('redirects to');
      expect(asked.splice(0), place).to.have.length(1);
    }
    answer = redirect('/again');
    expect((await log('status')).stderr).to.include('redirects to');
    expect(asked).to.have.length(6);
  });

  it('an access token that a server repeats is not printed, in whatever it stands', async () => {
    const token = 'an-access-token-of-the-log';
    await writeFile(join(directory, 'token'), `${token}\n`, { mode: 0o600 });
    answer = (_, response) =>
      response.writeHead(500).end(JSON.stringify({ message: `you sent Bearer ${token}` }));
    const commands = [
      ['rekor', 'search', '--identity', 'x'],
      ['log', 'search', '--identity', 'x', '--by-index', '--trust', '.'],
    ];
    for (const words of commands)
      for (const form of [[], ['--json']]) {
        const options = ['--url', urlOf(server), '--access-token-file', 'token', ...form];
        const { code, stdout, stderr } = await runMayfly([...words, ...options], { cwd: directory });
        expect(code, words.join(' ')).to.equal(3);
        expect(stdout + stderr).to.contain('you sent Bearer (a token)');
        expect(stdout + stderr).not.to.contain(token);
      }
  });

  it('a redirect within the log is followed', async () => {
    answer = (request, response) => {
      if (request.url === '/checkpoint') redirect('/moved')(request, response);
      else response.end(CHECKPOINT);
    };
    expect(Buffer.from(await httpSource(urlOf(server)).checkpoint()).toString()).to.equal(CHECKPOINT);
  });

  it('sixty thousand logs of a service are not asked for one by one', async () => {
    const logs = Array.from({ length: 60_000 }, (_, i) => ({ name: `log-${i}` }));
    answer = (request, response) => {
      if (request.url?.endsWith('/log/') === true) json({ logs })(request, response);
      else if (request.url?.endsWith('checkpoint') === true) response.writeHead(404).end();
      else
        json({
          chains: [
            { certificates: [encodePem('CERTIFICATE', makeWorld().trust.roots[0] ?? new Uint8Array())] },
          ],
        })(request, response);
    };
    const status = await log('status');
    expect([status.code, status.stderr.length < 1000]).to.deep.equal([3, true]);
    const token = rawToken({ alg: 'ES256' }, JSON.stringify({ iss: 'x', sub: 'y' }));
    const words = ['certificate', '--url', urlOf(server), '--token-file', '-', '--out', 'keys'];
    const { code } = await runMayfly(words, { cwd: directory, stdin: token });
    expect(code).to.equal(1);
    expect(asked.length).to.be.below(10);
  });

  it('an answer that trickles or has no end is given up', async () => {
    answer = (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => {
        clearInterval(timer);
      });
    };
    const trickled = await log('status', '--timeout', '1');
    expect([trickled.code, trickled.stderr.includes('--timeout')]).to.deep.equal([3, true]);
    answer = (_, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536, 'x'))) if (response.destroyed) return;
        response.once('drain', more);
      };
      more();
    };
    const endless = await log('status');
    expect([endless.code, endless.stderr.includes('is larger than')]).to.deep.equal([3, true]);
  });

  it('entries of one time without end are not all looked through', async () => {
    const { certificate } = makeWorld({ sctExtensions: new Uint8Array() });
    const other = {
      issuerKeyHash: new Uint8Array(32),
      tbs: Uint8Array.of(1),
      precertificate: Uint8Array.of(1),
    };
    const entry = encodeEntry({ ...other, chainFingerprints: new Uint8Array() }, T0 + 250, new Uint8Array());
    const tile = Buffer.concat(Array.from({ length: 256 }, () => entry.tileLeaf));
    let requests = 0;
    const source = {
      name: 'log',
      tile: () => {
        requests++;
        return Promise.resolve(tile);
      },
    } as unknown as LogSource;
    const verified = {
      origin: ORIGIN,
      size: 2 ** 40,
      root: new Uint8Array(32),
      timestamp: T0 + 300,
      signedBy: [],
    };
    const logId = sha256(KEYS.log.spki);
    const failure: unknown = await failureOf(
      proveCertificate({ source, logId, checkpoint: new Uint8Array(), verified }, certificate),
    );
    expect(failure).to.be.instanceOf(LogReadError);
    expect(requests).to.be.within(64, 110);
  });

  it('issuers without end are not all fetched', async () => {
    let requests = 0;
    const der = makeWorld().trust.roots[0] ?? new Uint8Array();
    const source = {
      issuer: () => {
        requests++;
        return Promise.resolve(der);
      },
    } as unknown as LogSource;
    const chain = new Uint8Array(2000 * 32);
    const failure: unknown = await failureOf(
      new CheckedChainCertificates(source).ofChain(chain, () => 'here'),
    );
    expect(failure).to.have.property('problem').that.has.property('where', 'here');
    expect(requests).to.equal(0);
  });

  it('pipes in the place of files do not stop it', async () => {
    const trust = join(directory, 'trust');
    await mkdir(trust);
    const { certificate } = makeWorld();
    await writeFile(join(directory, 'cert.pem'), encodePem('CERTIFICATE', certificate));
    for (const name of ['root.pem', 'log.vkey', 'key.pem']) execFileSync('mkfifo', [join(trust, name)]);
    const words = ['verify', 'certificate', 'cert.pem', '--trust', 'trust', '--any-identity'];
    const verified = await runMayfly(words, { cwd: directory });
    expect([verified.code, verified.stderr.includes('root.pem is not a file')]).to.deep.equal([2, true]);
    answer = (request, response) => {
      if (request.url?.endsWith('checkpoint') === true) response.end(CHECKPOINT);
      else json({ logs: [{ name: '2026' }] })(request, response);
    };
    const status = await log('status', '--trust', 'trust');
    expect([status.code, status.stderr.includes('log.vkey is not a file')]).to.deep.equal([2, true]);
    answer = json({
      chains: [{ certificates: [encodePem('CERTIFICATE', makeWorld().trust.roots[0] ?? new Uint8Array())] }],
    });
    const token = rawToken({ alg: 'ES256' }, JSON.stringify({ iss: 'x', sub: 'y' }));
    const out = await runMayfly(
      ['certificate', '--url', urlOf(server), '--token-file', '-', '--out', 'trust'],
      {
        cwd: directory,
        stdin: token,
      },
    );
    expect(out.code).to.equal(1);
  });

  it('a link in the place of an output is not written through', async () => {
    const test = await issuingLog();
    const { log: ctLog, issued } = await test.issue(3);
    const reader = await serveReader(ctLog.reader);
    try {
      await writeFile(
        join(directory, 'logged.pem'),
        encodePem('CERTIFICATE', issued[0]?.certificate ?? new Uint8Array()),
      );
      await writeFile(join(directory, 'precious'), 'precious');
      await symlink('precious', join(directory, 'proof'));
      const words = ['log', 'proof', 'logged.pem', '--url', reader.url, '--out'];
      const refused = await runMayfly([...words, 'proof'], { cwd: directory });
      expect([refused.code, refused.stderr.includes('is not a file')]).to.deep.equal([3, true]);
      expect(await readFile(join(directory, 'precious'), 'utf8')).to.equal('precious');
      await writeFile(join(directory, 'old'), 'an older proof');
      expect((await runMayfly([...words, 'old'], { cwd: directory })).code).to.equal(0);
      expect(await readFile(join(directory, 'old'), 'utf8')).to.match(/^c2sp\.org/);
      expect((await lstat(join(directory, 'old'))).isFile()).to.equal(true);
    } finally {
      await reader.close();
      await test.remove();
    }
  });
});
