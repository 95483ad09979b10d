import { expect } from 'chai';
import { once } from 'node:events';
import {
  Agent,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { workUntilEnded } from '../../../server/http/connection-account.ts';
import { guardConnections } from '../../../server/http/connection-guard.ts';
import { createHttpServer } from '../../../server/http/http-listener.ts';
import { UnsentResponseLimit } from '../../../server/http/unsent-response-limit.ts';
import { bodyV2, clientKey, emailToken, startTestService } from '../../support/test-service.ts';

const SIGN = '/api/v2/signingCert';

describe('server: places for connections', () => {
  it('are kept by a client that got a certificate, whatever comes after it', async () => {
    const service = await startTestService(() => ({
      limits: { maxInFlight: 4, readConcurrency: 4 },
      maxConnections: 4,
    }));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const body = JSON.stringify(bodyV2(await emailToken(service), clientKey()));
    const sign = async (): Promise<readonly [status: number | undefined, reused: boolean]> => {
      const sent = httpRequest(`${service.url}${SIGN}`, { method: 'POST', agent }).end(body);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return [response.statusCode, sent.reusedSocket];
    };
    expect(await sign()).to.deep.equal([200, false]);
    const { port, hostname } = new URL(service.url);
    let closed = 0;
    const silent: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.once('close', () => closed++);
      silent.push(socket);
    }
    while (closed < 17) await new Promise((resolve) => setImmediate(resolve));
    expect(await sign()).to.deep.equal([200, true]);
    agent.destroy();
    for (const socket of silent) socket.destroy();
    await service.close();
  });

  const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
  const BULK = 'a'.repeat(60_000);
  const HEAD = `POST ${SIGN} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${BULK}`;
  const CHUNKED = `POST ${SIGN} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const CROWDS: readonly (readonly [what: string, text: string])[] = [
    ['send heads without end', HEAD],
    ['send them behind a request that is answered', HEALTH + HEAD],
    ['send them behind several', HEALTH.repeat(3) + HEAD],
    ['send trailers without end', `${CHUNKED}0\r\nX: ${BULK}`],
    [
      'are answered, and of whose targets the parser keeps a copy',
      `GET /${BULK} HTTP/1.1\r\nHost: a\r\n\r\n`,
    ],
  ];
  for (const [what, text] of CROWDS)
    it(`are lost by those that ${what}, before they fill the memory`, async () => {
      const service = await startTestService();
      const { port, hostname } = new URL(service.url);
      const crowd: Socket[] = [];
      const closed: number[] = [];
      let tooSlow = 0;
      // More than may be held of them, and a quarter of the places.
      for (let i = 0; i < 1200; i++) {
        const socket = connect(Number(port), hostname).on('error', () => undefined);
        // A client that is too slow is answered with 408; these are not.
        socket
          .on('data', (answer: Buffer) => (tooSlow += answer.includes(' 408 ') ? 1 : 0))
          .once('close', () => closed.push(i))
          .write(text);
        crowd.push(socket);
        if (i % 50 === 0) await once(socket, 'connect');
      }
      // 32 MiB are held, of some 560.
      while (closed.length < 600) await new Promise((resolve) => setImmediate(resolve));
      expect(Math.max(...closed), 'the oldest').to.be.below(700);
      expect(tooSlow).to.equal(0);
      expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
      for (const socket of crowd) socket.destroy();
      await service.close();
    });

  describe('of answers that nobody reads', () => {
    let server: Server;
    let release: () => void = () => undefined;
    before(async () => {
      server = createHttpServer(undefined);
      guardConnections(server, 4);
      const MANY = 1_000_000_000;
      const unsent = new UnsentResponseLimit({ total: MANY, perClient: MANY, stallMs: MANY });
      server.on('request', (request: IncomingMessage, response: ServerResponse) => {
        workUntilEnded(response);
        if (request.url === '/held') release = () => response.end('held');
        else if (request.url === '/pieces') unsent.send(response, '', [Buffer.alloc(20_000_000)]);
        else response.end(request.url === '/large' ? Buffer.alloc(20_000_000) : 'small');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    const port = (): number => (server.address() as AddressInfo).port;
    const ask = async (path: string): Promise<Socket> => {
      const socket = connect(port(), '127.0.0.1').on('error', () => undefined);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await once(socket, 'data');
      return socket.pause();
    };

    for (const [what, path] of [
      ['', '/large'],
      [', also when they are sent in pieces', '/pieces'],
    ] as const)
      it(`are taken by the next client, in the order of their age${what}`, async () => {
        const unread = [await ask(path), await ask(path), await ask(path), await ask(path)];
        const served = await ask('/');
        for (const socket of unread.slice(1)) expect(socket.destroyed).to.equal(false);
        for (const socket of [...unread, served]) socket.destroy();
      });

    for (const [what, behind] of [
      ['', ''],
      [', whatever else was asked for on them', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2)],
    ] as const)
      it(`are not those of work that is under way${what}`, async () => {
        const worked = connect(port(), '127.0.0.1').on('error', () => undefined);
        let asked = 0;
        const arrived = new Promise<void>((resolve) => {
          server.on('request', () => {
            if (++asked === (behind === '' ? 1 : 3)) resolve();
          });
        });
        worked.write(`GET /held HTTP/1.1\r\nHost: a\r\n\r\n${behind}`);
        await arrived;
        const others: Socket[] = [];
        for (let i = 0; i < 8; i++) others.push(await ask('/'));
        release();
        const [answer] = (await once(worked, 'data')) as [Buffer];
        expect(answer.toString()).to.contain('held');
        for (const socket of [worked, ...others]) socket.destroy();
      });
  });
});
