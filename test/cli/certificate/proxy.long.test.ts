/** Commands behind a proxy, which alone knows the name of the service. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runMayfly } from '../../support/mayfly.ts';
import { selfSigned } from '../../support/tls-identity.ts';

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('cli: the way through a proxy', function () {
  this.timeout(60_000);
  let directory: string;
  let service: ReturnType<typeof createTlsServer>;
  let proxy: Server;
  /** Lines of requests to the proxy, with all that it can read of them. */
  let seen: string[];
  let reached: string[];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-proxy-'));
    const identity = await selfSigned('ca.corp.example');
    await writeFile(join(directory, 'ca.pem'), identity.cert);
    await writeFile(join(directory, 'token'), 'an-access-token\n', { mode: 0o600 });
    service = createTlsServer(identity, (request, response) => {
      reached.push(`${request.url ?? ''} ${request.headers.authorization ?? ''}`);
      response.writeHead(404).end('{}');
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    proxy = createServer((request, response) => {
      seen.push(`${request.method ?? ''} ${request.url ?? ''} ${JSON.stringify(request.headers)}`);
      response.writeHead(404).end('{}');
    });
    proxy.on('connect', (request, socket) => {
      seen.push(`CONNECT ${request.url ?? ''} ${JSON.stringify(request.headers)}`);
      const through = connect(portOf(service), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        through.pipe(socket).pipe(through);
      });
      for (const one of [through, socket]) one.on('error', () => undefined);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  beforeEach(() => {
    [seen, reached] = [[], []];
  });
  after(async () => {
    for (const server of [service, proxy]) {
      server.closeAllConnections();
      server.close();
    }
    await rm(directory, { recursive: true });
  });

  it('does not go to a server that nobody vouches for, whatever the environment says', async () => {
    const port = portOf(service);
    const url = ['--url', `https://127.0.0.1:${port}`];
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const words = ['certificate', ...url, '--token-file', 'token', '--out', 'out'];
    const text = await runMayfly(words, { cwd: directory, env });
    expect(text.code).to.equal(3);
    expect(text.stderr)
      .to.contain('TLS certificate')
      .and.contain('NODE_TLS_REJECT_UNAUTHORIZED=0 is not heeded');
    const json = await runMayfly([...words, '--json'], { cwd: directory, env });
    expect([json.code, json.stderr]).to.deep.equal([3, '']);
    expect(reached).to.deep.equal([]);
  });

  const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runMayfly(words, {
      cwd: directory,
      env: {
        NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
        HTTPS_PROXY: `http://ada:secret@127.0.0.1:${portOf(proxy)}`,
        ...env,
      },
    });
  const SEARCH = ['rekor', 'search', '--identity', 'x', '--access-token-file', 'token', '--url'];
  const COMMANDS: readonly (readonly string[])[] = [
    [...SEARCH, 'https://ca.corp.example'],
    ['log', 'status', '--access-token-file', 'token', '--url', 'https://ca.corp.example/log/2026'],
    ['trust', 'show', 'https://ca.corp.example'],
    ['trust', 'fetch', 'https://ca.corp.example', '--fingerprint', 'ab'.repeat(32), '--out', 'fetched'],
  ];

  it('is taken by commands that ask a server, by CONNECT alone, and no token is seen there', async () => {
    for (const words of COMMANDS) {
      [seen, reached] = [[], []];
      const { stderr } = await run(words);
      expect(reached.length, `${words.join(' ')}: ${stderr}`).to.be.above(0);
      for (const line of seen) expect(line).to.match(/^CONNECT ca\.corp\.example:443 /);
      expect(seen.join()).to.contain(Buffer.from('ada:secret').toString('base64'));
      expect(seen.join()).not.to.contain('an-access-token');
      if (words.includes('token')) expect(reached[0]).to.contain('Bearer an-access-token');
    }
  });

  it('is not taken to what NO_PROXY names', async () => {
    const { stderr } = await run([...SEARCH, 'https://ca.corp.example'], { NO_PROXY: 'corp.example' });
    expect([seen, reached]).to.deep.equal([[], []]);
    expect(stderr).to.contain('cannot be reached').and.not.contain('proxy');
  });

  it('is not taken to this machine, whatever the environment says: no token goes over plain HTTP to another one', async () => {
    const own = createServer((_, response) => response.writeHead(404).end('{}')).listen(0, '127.0.0.1');
    await once(own, 'listening');
    try {
      const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: `http://127.0.0.1:${portOf(proxy)}`, NO_PROXY: '' };
      const url = `http://127.0.0.1:${portOf(own)}`;
      for (const words of [
        [...SEARCH, url],
        ['log', 'status', '--access-token-file', 'token', '--url', `${url}/log/2026`],
      ]) {
        const { stderr } = await run(words, env);
        expect(stderr).to.match(/404|there is no log/);
      }
      expect(seen).to.deep.equal([]);
    } finally {
      own.closeAllConnections();
      own.close();
    }
  });

  it('is named where it does not lead there, without its password, and the command ends', async () => {
    const closed = { HTTPS_PROXY: 'http://ada:secret@127.0.0.1:1' };
    const { code, stderr } = await run([...SEARCH, 'https://ca.corp.example'], closed);
    expect(code).to.equal(3);
    expect(stderr).to.contain('through the proxy 127.0.0.1:1').and.not.contain('secret');
  });
});
