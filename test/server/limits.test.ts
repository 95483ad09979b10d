import { expect } from 'chai';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { TokenError } from '../../oidc/core/token-error.ts';
import { createHttpServer } from '../../server/http/http-listener.ts';
import {
  bodyV2,
  changedPolicy,
  clientKey,
  emailToken,
  post,
  refusalOf,
  startTestService,
} from '../support/test-service.ts';

/** A promise and what settles it. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describe('server: limits', () => {
  it('answers at once that it is busy when all places are taken, and serves again afterwards', async () => {
    const { opened, open } = gate();
    let entered = 0;
    const both = gate();
    const service = await startTestService(({ log }) => ({
      limits: { maxInFlight: 2, readConcurrency: 1 },
      log: {
        ...log,
        append: async (entry) => {
          if (++entered === 2) both.open();
          await opened;
          return log.append(entry);
        },
      },
    }));
    const body = bodyV2(await emailToken(service), clientKey());
    const send = () => post(`${service.url}/api/v2/signingCert`, body);
    const held = [send(), send()];
    await both.opened;
    const refused = await send();
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('1');
    expect((await refusalOf(refused)).details[0].reason).to.equal('TOO_BUSY');
    expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
    open();
    expect((await Promise.all(held)).map(({ status }) => status)).to.deep.equal([200, 200]);
    expect((await send()).status).to.equal(200);
    await service.close();
  });

  it('counts no token that is not verified: requests that wait for an issuer keep no others out', async () => {
    const { opened, open } = gate();
    let waiting = 0;
    const crowd = gate();
    const service = await startTestService((values) => ({
      limits: { maxInFlight: 2, readConcurrency: 1 },
      ...changedPolicy(values, (good) => ({
        identify: async (token) => {
          if (token !== 'of an issuer that hangs') return good.identify(token);
          if (++waiting === 20) crowd.open();
          await opened;
          throw new TokenError('ISSUER_UNREACHABLE', 'it hangs');
        },
      })),
    }));
    const send = (token: string) => post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey()));
    const held = Array.from({ length: 20 }, () => send('of an issuer that hangs'));
    await crowd.opened;
    expect((await send(await emailToken(service))).status).to.equal(200);
    open();
    expect(new Set((await Promise.all(held)).map(({ status }) => status))).to.deep.equal(new Set([503]));
    await service.close();
  });

  it('counts no key that is looked at, and bounds how many are', async () => {
    const { opened, open } = gate();
    let counted = 0;
    const crowd = gate();
    const service = await startTestService((values) => ({
      limits: { maxInFlight: 1, readConcurrency: 1 },
      ...changedPolicy(values, (good) => ({
        authorize: async (identity, key, token) => {
          if (key.type.startsWith('RSA')) {
            if (++counted === 128) crowd.open();
            await opened;
          }
          return good.authorize(identity, key, token);
        },
      })),
    }));
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const proof = sign('sha256', Buffer.from('alice@example.com'), privateKey).toString('base64');
    const token = await emailToken(service);
    const rsa = () =>
      post(`${service.url}/api/v2/signingCert`, bodyV2(token, { ...clientKey(), pem, proof }));
    const until = async (count: number): Promise<Promise<Response>[]> => {
      const sent: Promise<Response>[] = [];
      while (counted < count) {
        const before = counted;
        sent.push(rsa());
        // One after the other: each takes the only place for a moment.
        while (counted === before) await new Promise((resolve) => setImmediate(resolve));
      }
      return sent;
    };
    const held = await until(128);
    await crowd.opened;
    expect((await refusalOf(await rsa())).details[0].reason).to.equal('TOO_BUSY');
    expect(counted, 'nothing is counted or used up').to.equal(128);
    const other = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey()));
    expect(other.status).to.equal(200);
    open();
    expect(new Set((await Promise.all(held)).map(({ status }) => status))).to.deep.equal(new Set([200]));
    await service.close();
  });

  it('serves signing requests of one connection one after the other, and in their order', async () => {
    const { opened, open } = gate();
    let entered = 0;
    const service = await startTestService(({ log }) => ({
      log: {
        ...log,
        append: async (entry) => {
          entered++;
          await opened;
          return log.append(entry);
        },
      },
    }));
    const body = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    const { port, hostname } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    const one = (id: string): string =>
      [
        'POST /api/v2/signingCert HTTP/1.1\r\nHost: a\r\nContent-Type: application/json',
        `X-Request-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ].join('\r\n');
    socket.write(one('first') + one('second') + one('third'));
    while (entered < 1) await new Promise((resolve) => setImmediate(resolve));
    // Another client is served meanwhile, and nothing more of this one.
    const other = post(`${service.url}/api/v2/signingCert`, body);
    while (entered < 2) await new Promise((resolve) => setImmediate(resolve));
    expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
    expect(entered).to.equal(2);
    open();
    expect((await other).status).to.equal(200);
    let text = '';
    for await (const chunk of socket) {
      text += (chunk as Buffer).toString();
      if (text.includes('third') && text.split('signedCertificateEmbeddedSct').length === 4) break;
    }
    expect(text.match(/HTTP\/1\.1 200 OK/g)).to.have.length(3);
    expect(text).to.match(/first.*second.*third/s);
    await service.close();
  });

  it('answers every request of a connection when it closes, and takes no more than one further', async () => {
    const { opened, open } = gate();
    let entered = 0;
    const service = await startTestService(({ log }) => ({
      log: {
        ...log,
        append: async (entry) => {
          entered++;
          await opened;
          return log.append(entry);
        },
      },
    }));
    const body = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    const head = `POST /api/v2/signingCert HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const { port, hostname } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    socket.write((head + body).repeat(2));
    while (entered < 1) await new Promise((resolve) => setImmediate(resolve));
    const closed = service.close();
    // Its end has begun when it takes nothing new.
    while (
      await fetch(`${service.url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      )
    );
    socket.write((head + body).repeat(3));
    open();
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    // Both answers that were owed, and one more if it came before the last of them was made.
    const answers = text.split('HTTP/1.1 200 OK').slice(1);
    expect(answers.length).to.be.within(2, 3);
    expect(answers.map((answer) => answer.includes('Connection: close')).indexOf(true)).to.equal(
      answers.length - 1,
    );
    await closed;
    expect(entered, 'nothing was logged of which no answer was sent').to.equal(answers.length);
  });

  it('says why it does not take a body in crumbs', async () => {
    const service = await startTestService();
    const body = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    const sent = httpRequest(`${service.url}/api/v2/signingCert`, { method: 'POST' });
    for (let at = 0; at < body.length; at += 10) sent.write(body.slice(at, at + 10));
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(response.statusCode).to.equal(400);
    expect(text).to.contain('BODY_MALFORMED').and.contain('Content-Length');
    expect(service.lines.at(-1)).to.include({ event: 'refused', reason: 'BODY_MALFORMED' });
    await service.close();
  });

  it('lets honest bodies in beside any number of unfinished ones', async () => {
    const service = await startTestService();
    const { port, hostname } = new URL(service.url);
    const crowd: Socket[] = [];
    for (let i = 0; i < 300; i++) {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.write('POST /api/v2/signingCert HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n');
      // To the last kilobyte of what there is, and not a whole body.
      socket.write(Buffer.alloc(255 * 1024, ' '));
      await once(socket, 'connect');
      crowd.push(socket);
    }
    const token = await emailToken(service);
    for (let i = 0; i < 20; i++) {
      const answer = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey()));
      expect(answer.status).to.equal(200);
    }
    for (const socket of crowd) socket.destroy();
    await service.close();
  });

  it('lets no reader of the log starve issuing, and refuses readers over the limit for now', async () => {
    const { opened, open } = gate();
    const service = await startTestService(({ log }) => ({
      limits: { maxInFlight: 4, readConcurrency: 1 },
      log: {
        ...log,
        reader: {
          ...log.reader,
          getEntries: async (start, end) => {
            await opened;
            return log.reader.getEntries(start, end);
          },
        },
      },
    }));
    const body = bodyV2(await emailToken(service), clientKey());
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    const reads = Array.from({ length: 12 }, () =>
      fetch(`${service.logUrl}/ct/v1/get-entries?start=0&end=0`),
    );
    const refused = await Promise.race(reads);
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('1');
    for (let i = 0; i < 5; i++) {
      expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    }
    open();
    const statuses = (await Promise.all(reads)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).to.have.length(5);
    expect(statuses.filter((status) => status === 503)).to.have.length(7);
    expect((await fetch(`${service.logUrl}/checkpoint`)).status).to.equal(200);
    await service.close();
  });

  it('takes the place of the connection that waited longest, so that silent ones shut nobody out', async () => {
    const service = await startTestService(() => ({
      limits: { maxInFlight: 4, readConcurrency: 4 },
      maxConnections: 4,
    }));
    const { port, hostname } = new URL(service.url);
    const silent: Socket[] = [];
    const closed: number[] = [];
    for (let i = 0; i < 4; i++) {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.once('close', () => closed.push(i));
      await once(socket, 'connect');
      // Half a head, for ever.
      socket.write('POST /api/v2/signingCert HTTP/1.1\r\nHost: x\r\n');
      silent.push(socket);
    }
    const [oldest] = silent;
    if (oldest === undefined) throw new Error('unreachable');
    const gone = once(oldest, 'close');
    const body = bodyV2(await emailToken(service), clientKey());
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    await gone;
    expect(closed[0]).to.equal(0);
    for (const socket of silent) socket.destroy();
    await service.close();
  });

  it('takes the place of idle connections too, whatever they asked for before', async () => {
    const service = await startTestService(() => ({
      limits: { maxInFlight: 4, readConcurrency: 4 },
      maxConnections: 8,
      logAccess: { kind: 'token', token: 'the-log-token' },
    }));
    const { port, hostname, pathname } = new URL(service.logUrl);
    const bearer = 'Authorization: Bearer the-log-token\r\n';
    const requests = [
      `GET ${pathname}/checkpoint HTTP/1.1\r\n${bearer}`,
      `GET ${pathname}/checkpoint HTTP/1.1\r\n`,
      `GET ${pathname}/nowhere HTTP/1.1\r\n${bearer}`,
      `POST ${pathname}/checkpoint HTTP/1.1\r\nContent-Length: 0\r\n`,
      'OPTIONS /api/v2/signingCert HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n',
      'POST /api/v2/signingCert HTTP/1.1\r\nContent-Length: 0\r\n',
      'GET /healthz HTTP/1.1\r\n',
      'GET /nowhere HTTP/1.1\r\n',
    ];
    const idle: Socket[] = [];
    for (const head of requests) {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.write(`${head}Host: ${hostname}\r\n\r\n`);
      await once(socket, 'data');
      idle.push(socket);
    }
    // As many connections again: each takes a place, so none of the idle ones may have kept its own for good.
    const gone = Promise.all(idle.map((socket) => once(socket, 'close')));
    const silent = requests.map(() => connect(Number(port), hostname).on('error', () => undefined));
    await gone;
    const body = bodyV2(await emailToken(service), clientKey());
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    for (const socket of silent) socket.destroy();
    await service.close();
  });

  it('keeps an idle connection longer than proxies do, or as long as is configured', async () => {
    /** Seconds for which each listener says that it keeps a connection. */
    const kept = async (idleTimeoutMs?: number): Promise<(string | null)[]> => {
      const limits = idleTimeoutMs === undefined ? {} : { idleTimeoutMs };
      const service = await startTestService(() => ({ limits }));
      const urls = [`${service.url}/healthz`, `${service.logUrl}/checkpoint`, service.metricsUrl];
      const answers = await Promise.all(urls.map((url) => fetch(url)));
      await Promise.all(answers.map((answer) => answer.text()));
      await service.close();
      return answers.map(({ headers }) => headers.get('keep-alive'));
    };
    // Google's load balancer keeps its own for 600 s, and cannot be configured.
    expect(await kept()).to.deep.equal(Array.from({ length: 3 }, () => 'timeout=620'));
    expect(await kept(3_700_000)).to.deep.equal(Array.from({ length: 3 }, () => 'timeout=3700'));
    const service = await startTestService(() => ({
      limits: { maxInFlight: 4, readConcurrency: 4, idleTimeoutMs: 50 },
    }));
    const { port, hostname } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /healthz HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
    await once(socket.resume(), 'close');
    await service.close();
  });

  it('allows a request ten seconds, head and body together, and a silent connection a minute', () => {
    expect(createHttpServer(undefined)).to.include({
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 620_000,
      timeout: 60_000,
    });
  });

  it('refuses a head that is too long, and takes a token of 32 KiB in it', async () => {
    const service = await startTestService();
    const sendHeader = async (length: number): Promise<number | undefined> => {
      const request = httpRequest(`${service.url}/api/v2/signingCert`, {
        method: 'POST',
        headers: { authorization: `Bearer ${'a'.repeat(length)}` },
      });
      request.end('{}');
      const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume(): void }];
      response.resume();
      return response.statusCode;
    };
    expect(await sendHeader(32 * 1024)).to.equal(400);
    expect(await sendHeader(80 * 1024)).to.equal(431);
    await service.close();
  });

  it('finishes what is under way when it closes, and takes nothing new', async () => {
    const { opened, open } = gate();
    const entered = gate();
    const service = await startTestService((values) =>
      changedPolicy(values, (good) => ({
        identify: async (token) => {
          entered.open();
          await opened;
          return good.identify(token);
        },
      })),
    );
    const body = bodyV2(await emailToken(service), clientKey());
    const held = post(`${service.url}/api/v2/signingCert`, body);
    await entered.opened;
    const closing = service.close();
    const isServed = (): Promise<boolean> =>
      fetch(`${service.url}/healthz`).then(
        () => true,
        () => false,
      );
    // What comes in the last moments before it stops accepting is answered.
    while (await isServed());
    open();
    const answer = await held;
    expect([answer.status, answer.headers.get('connection')]).to.deep.equal([200, 'close']);
    await closing;
  });

  it('forgets a request whose client goes away', async () => {
    const service = await startTestService();
    const request = httpRequest(`${service.url}/api/v2/signingCert`, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': '1000' },
    });
    request.on('error', () => undefined).flushHeaders();
    await once(request, 'continue');
    request.write('half a body');
    request.destroy();
    const metrics = await (await fetch(service.metricsUrl)).text();
    expect(metrics).to.contain('mayfly_signing_requests 0');
    const body = bodyV2(await emailToken(service), clientKey());
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    await service.close();
  });
});
