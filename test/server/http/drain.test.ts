import { expect } from 'chai';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { workUntilEnded } from '../../../server/http/connection-account.ts';
import { watchConnections, type Drain } from '../../../server/http/drain.ts';
import { createHttpServer, listen } from '../../../server/http/http-listener.ts';
import { UnsentResponseLimit } from '../../../server/http/unsent-response-limit.ts';
import { selfSigned } from '../../support/tls-identity.ts';

/** Much longer than any test may take: a drain that waits for it fails. */
const GRACE = 300_000;

/** Bytes of an answer that no socket takes at once. */
const LARGE = 16 * 1024 * 1024;

const POST = 'POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

interface Listener {
  readonly port: number;
  readonly drain: Drain;
  /** Connections on this side, in their order. */
  readonly accepted: readonly Socket[];
  /** Resolves when a request has come in. */
  readonly asked: Promise<void>;
  /** Lets the answers of `/slow` go. */
  readonly answer: () => void;
}

/** Answers `/slow` when asked to, `/large` with more than any socket takes, `/pieces` with as much in the way of the log's
 * routes, and everything else at once. */
async function startListener(tls: boolean): Promise<Listener> {
  const identity = tls ? { ...(await selfSigned()), notAfter: 0 } : undefined;
  const server = createHttpServer(identity as Parameters<typeof createHttpServer>[0]);
  // Its own limits would end what a drain forgets.
  server.headersTimeout = server.requestTimeout = 0;
  server.setTimeout(0);
  const drain = watchConnections(server);
  const accepted: Socket[] = [];
  server.on('connection', (socket: Socket) => accepted.push(socket));
  let answer = (): void => undefined;
  const released = new Promise<void>((resolve) => (answer = resolve));
  const asked = once(server, 'request').then(() => undefined);
  const unsent = new UnsentResponseLimit({ total: GRACE * LARGE, perClient: GRACE * LARGE, stallMs: GRACE });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    if (request.url === '/slow') {
      request.once('end', () => {
        workUntilEnded(response);
        void released.then(() => response.end('late'));
      });
      return;
    }
    workUntilEnded(response);
    if (request.url === '/pieces') unsent.send(response, '', [Buffer.alloc(LARGE)]);
    else response.end(request.url === '/large' ? Buffer.alloc(LARGE) : 'ok');
  });
  const { url } = await listen(server, { host: '127.0.0.1', port: 0 }, '--listen');
  return { port: Number(new URL(url).port), drain, accepted, asked, answer };
}

const OPEN = 'open';
const CLOSED = 'closed';

/** What is left of each connection on this side. */
const states = ({ accepted }: Listener): string[] =>
  accepted.map(({ destroyed }) => (destroyed ? CLOSED : OPEN));

/** What a client does that ends nothing by itself. Resolves when it is done, and the listener has what it sent. */
type Client = (socket: Socket, listener: Listener) => Promise<unknown>;

const send =
  (...parts: string[]): Client =>
  async (socket) => {
    for (const part of parts) await new Promise((resolve) => socket.write(part, resolve));
  };

/** A head, and of its body `more`. */
const begin =
  (more: string): Client =>
  async (socket, { asked }) => {
    socket.write(`${POST}${more}`);
    await asked;
  };

/** One request and its answer, and then `more`. */
const after =
  (more: Client): Client =>
  async (socket, listener) => {
    socket.write(GET);
    await once(socket, 'data');
    await more(socket, listener);
  };

/** Sends a byte of its body again and again, and so never falls silent. */
const trickle: Client = async (socket, { asked }) => {
  socket.write(POST.replace('10', '1000000'));
  const timer = setInterval(() => socket.write('x'), 20);
  socket.once('close', () => {
    clearInterval(timer);
  });
  await asked;
};

const readNothing =
  (path: string, times = 1): Client =>
  async (socket) => {
    socket.write(GET.replace('/ ', `${path} `).repeat(times));
    await once(socket, 'readable');
  };

const CLIENTS: readonly (readonly [what: string, client: Client])[] = [
  ['sends nothing', send()],
  ['sends half a head', send('POST /slow HTTP/1.1\r\nHo')],
  ['sends a head without its body', begin('')],
  ['sends half a body', begin('half')],
  ['sends a body without end, byte by byte', trickle],
  ['keeps its connection', after(send())],
  ['begins another request', after(send('GET / HT'))],
  ['does not read its answer', readNothing('/large')],
  ['does not read its answer, which is sent in pieces', readNothing('/pieces')],
  ['does not read any of its answers', readNothing('/pieces', 3)],
];

describe('server: the end of a listener', function () {
  this.timeout(60_000);
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  async function open(port: number, tls: boolean): Promise<Socket> {
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
    sockets.push(socket);
    // Being cut off is what this is about.
    socket.on('error', () => undefined);
    await once(socket, tls ? 'secureConnect' : 'connect');
    return socket;
  }

  for (const tls of [false, true]) {
    for (const [what, client] of CLIENTS)
      it(`is not put off by a client that ${what}${tls ? ', over TLS' : ''}`, async () => {
        const listener = await startListener(tls);
        await client(await open(listener.port, tls), listener);
        await listener.drain(GRACE);
        expect(states(listener)).to.deep.equal([CLOSED]);
      });

    it(`waits for answers under way${tls ? ', over TLS' : ''}`, async () => {
      const { port, drain, asked, answer } = await startListener(tls);
      const socket = await open(port, tls);
      socket.write(`${POST}0123456789`);
      await asked;
      const idle = await open(port, tls);
      const drained = drain(GRACE);
      await once(idle, 'close');
      const reply = once(socket, 'data');
      answer();
      expect(String((await reply)[0])).to.contain('late');
      await drained;
    });

    it(`waits for answers under way that others of their connection wait for${tls ? ', over TLS' : ''}`, async () => {
      const listener = await startListener(tls);
      const { port, drain, accepted, asked, answer } = listener;
      const socket = await open(port, tls);
      socket.write(`${POST}0123456789${GET}`);
      await asked;
      const unread = await open(port, tls);
      await readNothing('/pieces')(unread, listener);
      const drained = drain(GRACE);
      // When the time for reading is over.
      await once(accepted[1] ?? unread, 'close');
      let text = '';
      const ended = once(socket, 'close');
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer();
      await ended;
      expect(text).to.match(/late.*200 OK.*ok$/s);
      await drained;
    });

    for (const what of ['its first', 'another'])
      it(`answers a client that is just sending ${what} request${tls ? ', over TLS' : ''}`, async () => {
        const { port, drain } = await startListener(tls);
        const socket = await open(port, tls);
        if (what === 'another') {
          socket.write(GET);
          await once(socket, 'data');
        }
        await new Promise((resolve) => socket.write(GET.slice(0, 9), resolve));
        // A whole exchange later, the half that was sent before is there.
        (await open(port, tls)).write(GET);
        await once(sockets.at(-1) ?? socket, 'data');
        const drained = drain(GRACE);
        const reply = once(socket, 'data');
        socket.write(GET.slice(9));
        expect(String((await reply)[0])).to.contain('200 OK');
        await drained;
      });

    it(`sends answers that are made to the end${tls ? ', over TLS' : ''}`, async () => {
      const { port, drain } = await startListener(tls);
      const socket = await open(port, tls);
      socket.write(GET.replace('/ ', '/large '));
      await once(socket, 'readable');
      const drained = drain(GRACE);
      let bytes = 0;
      for await (const chunk of socket) bytes += (chunk as Buffer).length;
      expect(bytes).to.be.greaterThan(LARGE);
      await drained;
    });
  }

  it('is not put off by a client that never begins the handshake of TLS, or never ends it', async () => {
    const listener = await startListener(true);
    await open(listener.port, false);
    const half = await open(listener.port, false);
    half.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    await listener.drain(GRACE);
    expect(states(listener)).to.deep.equal([CLOSED, CLOSED]);
  });

  it('cuts off an answer that is never made when the time is over', async () => {
    const listener = await startListener(false);
    (await open(listener.port, false)).write(`${POST}0123456789`);
    await listener.asked;
    expect(states(listener)).to.deep.equal([OPEN]);
    await listener.drain(1);
    expect(states(listener)).to.deep.equal([CLOSED]);
  });
});
