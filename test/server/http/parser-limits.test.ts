import { expect } from 'chai';
import { once } from 'node:events';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { MAX_UNANSWERED } from '../../../server/http/connection-account.ts';
import { MAX_HEADERS } from '../../../server/http/parser-limits.ts';
import { startTestService, type TestService } from '../../support/test-service.ts';
import { selfSigned } from '../../support/tls-identity.ts';

const request = (line: string, headers: readonly string[] = []): string =>
  `${[`${line} HTTP/1.1`, 'Host: a', ...headers].join('\r\n')}\r\n\r\n`;

/** Sends and resolves to all that comes until the connection ends, or until `isEnough`. */
async function exchange(
  socket: Socket,
  text: string,
  isEnough: (received: string) => boolean = () => false,
): Promise<string> {
  let received = '';
  const ended = new Promise((resolve) => socket.once('close', resolve));
  const enough = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (isEnough(received)) resolve();
    });
  });
  socket.on('error', () => undefined).write(text);
  await Promise.race([ended, enough]);
  socket.destroy();
  return received;
}

const statusLines = (received: string): string[] => received.match(/HTTP\/1\.1 \d+/g) ?? [];

describe('server: what one connection may ask for at once', () => {
  let scratch: string;
  let service: TestService;
  let encrypted: TestService;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-parser-'));
    const [certFile, keyFile] = [join(scratch, 'tls.crt'), join(scratch, 'tls.key')];
    const { cert, key } = await selfSigned();
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    service = await startTestService();
    encrypted = await startTestService(() => ({ tls: { certFile, keyFile } }));
  });
  after(async () => {
    await Promise.all([service.close(), encrypted.close()]);
    await rm(scratch, { recursive: true });
  });

  const open = (url: string): Socket => {
    const { port, hostname, protocol } = new URL(url);
    return protocol === 'https:'
      ? connectTls({ port: Number(port), host: hostname, rejectUnauthorized: false })
      : connect(Number(port), hostname);
  };
  const LISTENERS: readonly (readonly [name: string, url: () => string])[] = [
    ['the public listener', () => service.url],
    ['the public listener with TLS', () => encrypted.url],
    ['the operator’s listener', () => service.metricsUrl],
  ];
  for (const [name, url] of LISTENERS) {
    it(`answers a handful in order: ${name}`, async () => {
      const paths = [
        '/healthz',
        '/nowhere',
        '/api/v2/trustBundle',
        '/readyz',
        '/api/v1/rootCert',
        '/healthz',
      ];
      const text = paths.map((path, i) => request(`GET ${path}`, [`X-Request-Id: number-${i}`])).join('');
      const received = await exchange(
        open(url()),
        text,
        (soFar) => statusLines(soFar).length === paths.length,
      );
      expect(statusLines(received)).to.have.length(paths.length);
      const ids = [...received.matchAll(/X-Request-Id: number-(\d)/gi)].map(([, id]) => Number(id));
      if (name !== 'the operator’s listener') expect(ids).to.deep.equal([0, 1, 2, 3, 4, 5]);
    });

    it(`closes a connection that has more, whatever it asks for: ${name}`, async () => {
      const kinds = [
        request('GET /healthz'),
        request('GET /nowhere'),
        request('GET /metrics'),
        request(`GET ${new URL(service.logUrl).pathname}/checkpoint`),
        request('POST /api/v2/signingCert', ['Content-Length: 0']),
        request('POST /api/v2/signingCert', ['Expect: 100-continue', 'Content-Length: 0']),
        request('GET /healthz', ['Expect: the-unexpected']),
        request('OPTIONS /api/v2/signingCert', ['Access-Control-Request-Method: POST']),
      ];
      for (const kind of kinds) {
        const received = await exchange(open(url()), kind.repeat(1000));
        expect(statusLines(received).length, kind).to.be.at.most(2 * MAX_UNANSWERED);
      }
    });
  }

  it('does not upgrade, and passes over what was sent behind such a request', async () => {
    const upgrade = request('GET /healthz', ['Connection: upgrade', 'Upgrade: websocket']);
    const received = await exchange(open(service.url), upgrade.repeat(1000), (soFar) =>
      soFar.includes('SERVING'),
    );
    expect(statusLines(received)).to.deep.equal(['HTTP/1.1 200']);
    expect(await exchange(open(service.url), request('CONNECT a:443').repeat(1000))).to.equal('');
  });

  // The runtime may let another connection use the parser of such a one while this is still open.
  for (const [name, url] of LISTENERS)
    it(`serves others after a client asked for a tunnel with a long name: ${name}`, async () => {
      const tunnel = request(`CONNECT ${'a'.repeat(5000)}:443`);
      const unanswered = request('GET /healthz').repeat(MAX_UNANSWERED);
      const upgrade = request(`GET /${'a'.repeat(5000)}`, ['Connection: upgrade', 'Upgrade: websocket']);
      for (const text of [tunnel, unanswered + tunnel, unanswered + upgrade]) {
        // Where the server reads it in two parts, it answers the requests before, and then the upgrade as any other.
        await exchange(open(url()), text, (soFar) => statusLines(soFar).length > MAX_UNANSWERED);
        const split = open(url()).on('error', () => undefined);
        await once(split, url().startsWith('https:') ? 'secureConnect' : 'connect');
        split.write(tunnel.slice(0, -4));
        await new Promise((resolve) => setImmediate(resolve));
        await exchange(split, tunnel.slice(-4));
        for (let i = 0; i < 20; i++) {
          const isAnswered = (soFar: string): boolean => statusLines(soFar).length > 0;
          const received = await exchange(open(url()), request('GET /healthz'), isAnswered);
          expect(statusLines(received), `${text.slice(0, 10)} ${i}`).to.deep.equal(['HTTP/1.1 200']);
        }
      }
    });

  it('parses no more of what was sent at once than the handful', async () => {
    let parsed = 0;
    const count = (): void => {
      parsed++;
    };
    subscribe('http.server.request.start', count);
    try {
      for (const line of ['GET /healthz', 'GET /nowhere', 'OPTIONS /nowhere']) {
        parsed = 0;
        await exchange(open(service.url), request(line).repeat(1500));
        expect(parsed, line).to.equal(MAX_UNANSWERED);
      }
    } finally {
      unsubscribe('http.server.request.start', count);
    }
  });

  it('serves as many as it likes one after the other', async () => {
    const socket = open(service.url);
    const answers: string[] = [];
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        answers.push(...statusLines(chunk.toString('latin1')));
        if (answers.length >= 50) resolve();
        else socket.write(request('GET /healthz'));
      });
    });
    socket.write(request('GET /healthz'));
    await done;
    socket.destroy();
    expect(answers).to.deep.equal(Array.from({ length: 50 }, () => 'HTTP/1.1 200'));
  });

  it('counts the headers of each request for itself', async () => {
    const headers = Array.from({ length: 60 }, (_, i) => `X-A${i}: b`);
    const socket = open(service.url);
    for (let i = 0; i < 10; i++) {
      socket.write(request('GET /healthz', headers));
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      expect(chunk.toString('latin1'), String(i)).to.contain('HTTP/1.1 200');
    }
    socket.destroy();
  });

  it('takes the headers of a request that came through many proxies, and no endless head or trailer', async () => {
    const headers = (count: number): string[] => Array.from({ length: count }, (_, i) => `X-A${i}: b`);
    const good = await exchange(
      open(service.url),
      request('GET /healthz', headers(MAX_HEADERS - 40)),
      (soFar) => soFar.includes('SERVING'),
    );
    expect(good).to.contain('HTTP/1.1 200');
    const many = await exchange(open(service.url), request('GET /healthz', headers(MAX_HEADERS + 40)));
    expect(many).to.contain('HTTP/1.1 431').and.not.contain('200');
    const endless = `POST /api/v2/signingCert HTTP/1.1\r\nHost: a\r\n${'ab: cd\r\n'.repeat(5000)}`;
    expect(await exchange(open(service.url), endless)).to.contain('HTTP/1.1 431');
    const trailers = request('POST /api/v2/signingCert', ['Transfer-Encoding: chunked']);
    await exchange(open(service.url), `${trailers}0\r\n${'ab: cd\r\n'.repeat(5000)}`);
    expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
  });

  it('leaves a parser that was stopped in order for the connections that use it next', async () => {
    const crumbs =
      request('POST /api/v2/signingCert', ['Transfer-Encoding: chunked']) + '1\r\na\r\n'.repeat(5000);
    const endless = `GET /healthz HTTP/1.1\r\nHost: a\r\n${'ab: cd\r\n'.repeat(5000)}`;
    for (let i = 0; i < 20; i++) {
      await exchange(open(service.url), [crumbs, endless, request('GET /x').repeat(500)][i % 3] ?? '');
      // A body in chunks and a head of several portions need the callbacks that were switched off.
      const body = request('POST /api/v2/signingCert', [
        'Transfer-Encoding: chunked',
        ...Array.from({ length: 60 }, (_, n) => `X-A${n}: b`),
      ]);
      const text = `${body}9\r\nnot JSON!\r\n0\r\n\r\n`;
      const received = await exchange(open(service.url), text, (soFar) => soFar.includes('requestId'));
      expect(received).to.contain('BODY_MALFORMED');
    }
  });
});
