import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { BodyMemory, SMALL_BODY } from '../../../server/http/body-memory.ts';
import { createHttpServer } from '../../../server/http/http-listener.ts';
import { LargeBodyQueue } from '../../../server/http/large-body-queue.ts';
import { BODY_LIMIT, readBody, readStream, type Body } from '../../../server/http/request-body.ts';
import { TransportError } from '../../../server/http/transport-error.ts';

const MIB = 1024 * 1024;

type Result = Body | TransportError | undefined;

describe('server: reading a request body', () => {
  const LIMIT = 2_000_000;
  let memory = new BodyMemory(LIMIT);
  const queue = new LargeBodyQueue(() => 0);
  const arrivals = new EventEmitter();
  let server: Server;
  before(async () => {
    server = createHttpServer(undefined).on('request', (incoming: IncomingMessage, response) => {
      // Before it is read: what is discarded has no length any more.
      incoming.on('data', (chunk: Buffer) => arrivals.emit('data', chunk.length));
      readBody(incoming, { memory, queue }, (result) => {
        arrivals.emit('result', result);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => {
    memory = new BodyMemory(LIMIT);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const port = (): number => (server.address() as AddressInfo).port;
  const open = (): ClientRequest => request({ port: port(), method: 'POST' }).on('error', () => undefined);
  const read = async (body: Buffer): Promise<Result> => {
    const result = once(arrivals, 'result') as Promise<[Result]>;
    open().end(body);
    return (await result)[0];
  };
  const bytesOf = (result: Result): Buffer => {
    if (result === undefined || result instanceof TransportError) throw new Error('there is no body');
    const bytes = Buffer.from(result.take() ?? []);
    result.release();
    return bytes;
  };
  /** Sends the beginning of a body and waits until it has arrived. */
  const begin = async (bytes: number): Promise<ClientRequest> => {
    const slow = open();
    slow.write(Buffer.alloc(bytes));
    for (let left = bytes; left > 0;) {
      const [length] = (await once(arrivals, 'data')) as [number];
      left -= length;
    }
    return slow;
  };

  it('takes 256 KiB and refuses one byte more', async () => {
    expect(BODY_LIMIT).to.equal(256 * 1024);
    expect(bytesOf(await read(Buffer.alloc(BODY_LIMIT)))).to.have.length(BODY_LIMIT);
    expect(await read(Buffer.alloc(BODY_LIMIT + 1))).to.include({ code: 'BODY_TOO_LARGE' });
    expect(memory.used).to.equal(0);
  });

  it('counts a body that was taken until it is released, and drops it for no other', async () => {
    const whole = await read(Buffer.alloc(100_000));
    if (whole === undefined || whole instanceof TransportError) throw new Error('there is no body');
    whole.take();
    expect(memory.used).to.be.at.least(100_000);
    const others: ClientRequest[] = [];
    const dropped = once(arrivals, 'result') as Promise<[Result]>;
    for (let i = 0; i < 40; i++) others.push(await begin(60_000));
    // The first of the others has lost its place.
    others[0]?.end();
    expect((await dropped)[0]).to.include({ code: 'TOO_BUSY' });
    expect(bytesOf(whole)).to.have.length(100_000);
    for (const other of others) other.destroy();
  });

  it('drops a whole body that nobody has taken when there is no room', async () => {
    const waiting = await read(Buffer.alloc(SMALL_BODY));
    if (waiting === undefined || waiting instanceof TransportError) throw new Error('there is no body');
    const others: Result[] = [];
    for (let held = 0; held < LIMIT; held += SMALL_BODY) others.push(await read(Buffer.alloc(SMALL_BODY)));
    expect(memory.used).to.be.at.most(LIMIT / 2);
    expect(waiting.take()).to.equal(undefined);
    const last = others.at(-1);
    expect(bytesOf(last)).to.have.length(SMALL_BODY);
  });

  it('drops the large body that began first when the limit is reached, and frees what it held at once', async () => {
    const slow: ClientRequest[] = [];
    for (let i = 0; i < 15; i++) slow.push(await begin(80_000));
    expect(memory.used).to.equal(15 * 80_000);
    const held = memory.used;
    expect(bytesOf(await read(Buffer.alloc(250_000)))).to.have.length(250_000);
    expect(memory.used).to.be.below(held);
    // The oldest have lost theirs, and are refused when they have sent the rest.
    const [first, last] = [slow.at(0), slow.at(-1)];
    const ofFirst = once(arrivals, 'result') as Promise<[Result]>;
    first?.end();
    expect((await ofFirst)[0]).to.include({ code: 'TOO_BUSY' });
    const ofLast = once(arrivals, 'result') as Promise<[Result]>;
    last?.end();
    expect(bytesOf((await ofLast)[0])).to.have.length(80_000);
    for (const one of slow) one.destroy();
  });

  it('keeps room for small bodies that large ones cannot take', async () => {
    const slow: ClientRequest[] = [];
    for (let i = 0; i < 20; i++) slow.push(await begin(60_000));
    const small = await begin(SMALL_BODY / 2);
    for (let i = 0; i < 20; i++) slow.push(await begin(60_000));
    const result = once(arrivals, 'result') as Promise<[Result]>;
    small.end();
    expect(bytesOf((await result)[0])).to.have.length(SMALL_BODY / 2);
    for (const one of slow) one.destroy();
  });

  it('holds nothing of a body that is too long, also before it ends', async () => {
    const slow = await begin(BODY_LIMIT + 1);
    expect(memory.used).to.equal(0);
    const result = once(arrivals, 'result') as Promise<[Result]>;
    slow.end();
    expect((await result)[0]).to.include({ code: 'BODY_TOO_LARGE' });
  });

  it('waits for the end of no body that is longer than 8 MiB', async () => {
    let arrived = 0;
    const count = (length: number): void => void (arrived += length);
    arrivals.on('data', count);
    const result = once(arrivals, 'result') as Promise<[Result]>;
    const endless = open();
    const more = (): void => {
      while (!endless.destroyed && arrived < 16 * MIB && endless.write(Buffer.alloc(65_536)));
      endless.once('drain', more);
    };
    more();
    expect((await result)[0]).to.include({ code: 'BODY_TOO_LARGE' });
    expect(arrived).to.be.within(8 * MIB - 65_536, 9 * MIB);
    expect(memory.used).to.equal(0);
    arrivals.off('data', count);
    endless.destroy();
  });

  it('frees what a client held that went away', async () => {
    const gone = await begin(30_000);
    const result = once(arrivals, 'result') as Promise<[Result]>;
    gone.destroy();
    expect((await result)[0]).to.equal(undefined);
    expect(memory.used).to.equal(0);
  });

  it('frees a large body when it is released, without the garbage collector', async () => {
    const whole = await read(Buffer.alloc(200_000, 'a'));
    if (whole === undefined || whole instanceof TransportError) throw new Error('there is no body');
    const bytes = whole.take();
    expect(bytes).to.have.length(200_000);
    whole.release();
    expect(bytes).to.have.length(0);
  });

  it('puts many chunks together in order, and counts what they really hold', async () => {
    const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
    const result = once(arrivals, 'result') as Promise<[Result]>;
    const slow = open();
    for (let i = 0; i < body.length; i += 1000) slow.write(body.subarray(i, i + 1000));
    slow.end();
    const [whole] = await result;
    expect(memory.used).to.be.at.least(100_000).and.at.most(200_000);
    expect(bytesOf(whole).equals(body)).to.equal(true);
    expect(memory.used).to.equal(0);
  });

  it('cuts off a body in crumbs, of which each costs more than an honest request', async () => {
    const result = once(arrivals, 'result') as Promise<[Result]>;
    const socket = connect(port(), '127.0.0.1').on('error', () => undefined);
    const closed = once(socket, 'close');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.write('1\r\na\r\n'.repeat(500));
    expect((await result)[0]).to.include({ code: 'BODY_MALFORMED' });
    // Also a client that goes on sending gets its answer.
    const sending = setInterval(() => socket.write('1\r\na\r\n'.repeat(50)), 5);
    await closed;
    clearInterval(sending);
    expect(answer).to.match(/^HTTP\/1\.1 200 OK\r\n/);
    expect(memory.used).to.equal(0);
  });

  it('keeps nothing of what was read with a chunk: over HTTP/2 that is up to 64 KiB of other frames', async () => {
    const stream = new PassThrough();
    const limits = { memory: new BodyMemory(LIMIT), queue };
    const connection = { connection: stream, discardUpTo: 0, cutOff: () => undefined };
    const result = new Promise<Result>((resolve) => {
      readStream(stream, connection, limits, resolve, () => false);
    });
    stream.end(Buffer.alloc(64 * 1024, 'x').subarray(100, 356));
    const body = await result;
    if (body === undefined || body instanceof TransportError) throw new Error('there is no body');
    const bytes = body.take();
    expect(bytes?.toString()).to.equal('x'.repeat(256));
    expect(bytes?.buffer.byteLength).to.equal(256);
  });
});
