import { expect } from 'chai';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:http2';
import type { Server } from 'node:net';
import { accountOf } from '../../../server/http/connection-account.ts';
import { createPlainHttp2Server } from '../../../server/http/http-listener.ts';
import { heldHeads } from '../../../server/http/parser-limits.ts';
import { Http2Connection } from '../../../server/http2/http2-connection.ts';
import { Http2Connections } from '../../../server/http2/http2-connections.ts';
import type { Http2Request } from '../../../server/http2/http2-request.ts';
import { MAX_STREAMS } from '../../../server/http2/session-options.ts';
import {
  callFrame,
  callHead,
  Flag,
  frame,
  Frame,
  greeting,
  header,
  RawClient,
} from './support/raw-frames.ts';

const CALM = constants.NGHTTP2_ENHANCE_YOUR_CALM;
const SECOND = 1000;

/** A listener that answers what `answer` says, and its connections. */
async function listening(answer: (request: Http2Request) => void = () => undefined) {
  const connections: Http2Connection[] = [];
  const requests: Http2Request[] = [];
  const faults: unknown[] = [];
  const server: Server = createPlainHttp2Server();
  server.on('connection', (socket) => {
    connections.push(
      new Http2Connection(
        socket,
        (request) => {
          requests.push(request);
          answer(request);
        },
        (fault) => faults.push(fault),
      ),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { connections, requests, faults, port, close: () => server.close() };
}

/** Answers at once. */
function reply(request: Http2Request): void {
  request.complete();
  request.made(4);
  request.stream.respond({ ':status': 200 });
  request.stream.end('done');
}

describe('server: floods over HTTP/2', () => {
  it('end the connection with a code that says why', async () => {
    const { port, close } = await listening(reply);
    const many = (one: Buffer, count = 2000): Buffer[] => Array.from({ length: count }, () => one);
    const opened = callFrame(1, '/x');
    const floods: Readonly<Record<string, readonly Buffer[]>> = {
      pings: many(frame(Frame.ping, 0, Buffer.alloc(8))),
      settings: many(frame(Frame.settings)),
      priorities: many(frame(Frame.priority, 1, Buffer.from([0, 0, 0, 0, 1]))),
      windows: many(frame(Frame.window, 0, Buffer.from([0, 0, 0, 1]))),
      unknown: many(frame(Frame.unknown, 0, Buffer.alloc(8))),
      'empty data': [opened, ...many(frame(Frame.data, 1))],
      'padded data': [opened, ...many(frame(Frame.data, 1, Buffer.alloc(8, 7), Flag.padded))],
      resets: Array.from({ length: 500 }, (_, i) =>
        Buffer.concat([callFrame(2 * i + 1, '/x'), frame(Frame.reset, 2 * i + 1, Buffer.from([0, 0, 0, 8]))]),
      ),
      continuations: [
        frame(Frame.headers, 1, callHead('/x')),
        ...many(frame(Frame.continuation, 1, header('x', 'y'.repeat(100)))),
      ],
    };
    for (const [name, frames] of Object.entries(floods)) {
      const client = new RawClient(port);
      client.write(greeting(), ...frames);
      const { code, words } = await client.farewell();
      expect(code, name).to.equal(CALM);
      if (name === 'pings') expect(words).to.equal('too_many_pings');
    }
    close();
  });

  it('of streams that are taken back begin no more than a handful of calls', async () => {
    const { port, requests, close } = await listening();
    const client = new RawClient(port);
    const taken = (id: number): Buffer =>
      Buffer.concat([callFrame(id, '/x'), frame(Frame.reset, id, Buffer.from([0, 0, 0, 8]))]);
    client.write(greeting(), ...Array.from({ length: 5000 }, (_, i) => taken(2 * i + 1)));
    await client.closed;
    expect(requests.length).to.be.at.most(21);
    close();
  });

  it('of streams that are left open are refused beyond what a connection may have, more of one with a certificate', async () => {
    const { port, requests, close } = await listening();
    const client = new RawClient(port);
    const call = (id: number): Buffer => callFrame(id, '/x');
    const refusedAt = async (id: number): Promise<number> =>
      (await client.frame(Frame.reset, id)).payload.readUInt32BE(0);
    const { unproven, proven } = MAX_STREAMS;
    client.write(greeting(), ...Array.from({ length: unproven + 2 }, (_, i) => call(2 * i + 1)));
    expect(await refusedAt(2 * unproven + 1)).to.equal(constants.NGHTTP2_REFUSED_STREAM);
    expect(requests).to.have.length(unproven);
    requests[0]?.connection.markProven();
    requests[0]?.connection.markProven();
    while (
      client.frames.filter(({ type, payload }) => type === Frame.settings && payload.length > 0).length < 2
    )
      await once(client.socket, 'data');
    const acknowledged = frame(Frame.settings, 0, Buffer.alloc(0), Flag.ack);
    const first = 2 * (unproven + 2) + 1;
    const more = Array.from({ length: proven - unproven }, (_, i) => call(first + 2 * i));
    client.write(acknowledged, acknowledged, ...more);
    while (requests.length < proven) await new Promise((resolve) => setImmediate(resolve));
    client.write(call(first + 2 * more.length));
    // A client that has acknowledged the number breaks the protocol by more.
    expect((await client.farewell()).code).to.equal(constants.NGHTTP2_PROTOCOL_ERROR);
    expect(requests).to.have.length(proven);
    close();
  });

  it('of a head that expands are refused: what is uncompressed counts', async () => {
    const { port, requests, close } = await listening();
    const client = new RawClient(port);
    // Into the table once, and named three hundred times: each is a byte on the wire and 300 in memory.
    const [, ...literal] = header('x', 'y'.repeat(300));
    const bomb = Buffer.concat([callHead('/x'), Buffer.from([0x40, ...literal]), Buffer.alloc(300, 0xbe)]);
    client.write(greeting(), frame(Frame.headers, 1, bomb, Flag.endHeaders));
    const refused = await client.frame(Frame.reset, 1);
    expect(refused.payload.readUInt32BE(0)).to.equal(CALM);
    expect(requests).to.have.length(0);
    client.socket.destroy();
    close();
  });

  it('of heads with many headers count by what the headers need in memory, not by their bytes on the wire', async () => {
    const { port, connections, requests, close } = await listening();
    const client = new RawClient(port);
    // Into the table once, and named by a byte each from then on.
    const [, ...literal] = header('x', 'y');
    const first = Buffer.concat([callHead('/x'), Buffer.from([0x40, ...literal])]);
    const many = Buffer.concat([callHead('/x'), Buffer.alloc(50, 0xbe)]);
    client.write(greeting(), frame(Frame.headers, 1, first, Flag.endHeaders));
    client.write(frame(Frame.headers, 3, many, Flag.endHeaders));
    while (requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const [connection] = connections;
    expect((connection && accountOf(connection.socket))?.bytes).to.be.greaterThan(2 * 8192 + 50 * 160);
    // Three more of them are more than a connection may spend, though they are few bytes and few frames.
    client.write(...[5, 7, 9].map((id) => frame(Frame.headers, id, many, Flag.endHeaders)));
    expect((await client.farewell()).code).to.equal(CALM);
    // And one is more than a head may have.
    const tooMany = new RawClient(port);
    const bomb = Buffer.concat([first, Buffer.alloc(70, 0xbe)]);
    tooMany.write(greeting(), frame(Frame.headers, 1, bomb, Flag.endHeaders));
    await tooMany.frame(Frame.reset, 1);
    expect(requests.length).to.be.at.most(4);
    tooMany.socket.destroy();
    close();
  });

  it('of answers that are not read are held, and the connection is closed that takes nothing', async () => {
    const { port, connections, requests, close } = await listening(reply);
    const client = new RawClient(port);
    // No window for any stream.
    client.write(greeting(Buffer.from([0, 4, 0, 0, 0, 0])));
    client.write(
      ...Array.from({ length: 8 }, (_, i) => callFrame(2 * i + 1, '/x', Flag.endHeaders | Flag.endStream)),
    );
    await client.frame(Frame.headers, 15);
    const [connection] = connections;
    const account = connection && accountOf(connection.socket);
    expect(account?.requests).to.deep.equal({ receiving: 0, making: 0, sending: 8 });
    expect(account?.bytes).to.be.greaterThan(8 * 4096);
    expect(requests).to.have.length(8);
    const now = performance.now();
    connection?.check(now, 620 * SECOND);
    expect(client.socket.destroyed).to.equal(false);
    connection?.check(now + 61 * SECOND, 620 * SECOND);
    await client.closed;
    expect(account?.bytes).to.be.at.most(0);
    close();
  });

  it('of answers that are not read are taken back after a minute, whatever else their client reads', async () => {
    const { port, connections, close } = await listening(reply);
    const client = new RawClient(port);
    client.write(
      greeting(Buffer.from([0, 4, 0, 0, 0, 0])),
      callFrame(1, '/x', Flag.endHeaders | Flag.endStream),
    );
    await client.frame(Frame.headers, 1);
    const [connection] = connections;
    const now = performance.now();
    connection?.check(now + 59 * SECOND, 620 * SECOND);
    client.write(frame(Frame.ping, 0, Buffer.alloc(8)));
    await client.frame(Frame.ping);
    connection?.check(now + 61 * SECOND, 620 * SECOND);
    const taken = await client.frame(Frame.reset, 1);
    expect(taken.payload.readUInt32BE(0)).to.equal(constants.NGHTTP2_CANCEL);
    expect(client.socket.destroyed).to.equal(false);
    client.socket.destroy();
    close();
  });

  it('that trickle end after ten seconds: no preface, half a head, half a request', async () => {
    const { port, connections, requests, close } = await listening();
    const [silent, half, slow] = [new RawClient(port), new RawClient(port), new RawClient(port)];
    silent.write(Buffer.from('PRI * HT'));
    half.write(greeting(), frame(Frame.headers, 1, callHead('/x')));
    slow.write(greeting(), callFrame(1, '/x'));
    await half.frame(Frame.settings);
    await slow.frame(Frame.settings);
    while (requests.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const [request] = requests;
    const expired = new Promise<void>((resolve) => {
      request?.expectBy(performance.now() + 10 * SECOND, resolve);
    });
    const now = performance.now();
    for (const one of connections) one.check(now + 9 * SECOND, 620 * SECOND);
    // What the guard of all connections counts: of the one with half a head, and of no other.
    const heads = connections.map(({ socket }) => (heldHeads(socket) ?? -1) > 0);
    expect(heads.filter((isHalf) => isHalf)).to.have.length(1);
    expect([silent, half].some(({ socket }) => socket.destroyed)).to.equal(false);
    for (const one of connections) one.check(now + 11 * SECOND, 620 * SECOND);
    await Promise.all([silent.closed, half.closed, expired]);
    slow.socket.destroy();
    close();
  });

  it('are nothing that an idle connection is: its end is announced', async () => {
    const { port, connections, close } = await listening(reply);
    const client = new RawClient(port);
    client.write(greeting(), callFrame(1, '/x', Flag.endHeaders | Flag.endStream));
    await client.frame(Frame.data, 1);
    const [connection] = connections;
    const now = performance.now();
    connection?.check(now + 5 * SECOND, 6 * SECOND);
    connection?.check(now + 8 * SECOND, 6 * SECOND);
    const { payload } = await client.frame(Frame.goaway);
    expect(payload.readUInt32BE(0)).to.equal(2 ** 31 - 1);
    expect(payload.readUInt32BE(4)).to.equal(0);
    const ping = await client.frame(Frame.ping);
    client.write(frame(Frame.ping, 0, ping.payload, Flag.ack));
    expect((await client.farewell()).code).to.equal(0);
    close();
  });

  it('of idle connections displace one another: those with a certificate, or a call under way, come last', async () => {
    const requests: Http2Request[] = [];
    const connections = new Http2Connections(620 * SECOND, (request) => requests.push(request), 3);
    const server = createPlainHttp2Server();
    server.on('connection', connections.serve);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const open = async (): Promise<RawClient> => {
      const client = new RawClient(port);
      client.write(greeting(), callFrame(1, '/x', Flag.endHeaders | Flag.endStream));
      const before = requests.length;
      while (requests.length === before) await new Promise((resolve) => setImmediate(resolve));
      return client;
    };
    const [proven, working] = [await open(), await open()];
    requests[0]?.connection.markProven();
    requests[1]?.complete();
    const first = await open();
    const second = await open();
    await first.closed;
    const third = await open();
    await second.closed;
    expect([proven, working, third].some(({ socket }) => socket.destroyed)).to.equal(false);
    expect(connections.size).to.equal(3);
    for (const { socket } of [proven, working, third]) socket.destroy();
    server.close();
  });
});

describe('server: a fault in the work for one request over HTTP/2', () => {
  const wrong = (): never => {
    throw new TypeError('wrong');
  };
  const faulty: Readonly<Record<string, (request: Http2Request) => void>> = {
    'when its head came': wrong,
    'when its body came': ({ stream }) => stream.on('data', wrong),
    'when it ended': ({ stream }) => stream.resume().on('end', wrong),
    'when its trailers are due': ({ stream }) => {
      stream.on('wantTrailers', wrong).respond({ ':status': 200 }, { waitForTrailers: true });
      stream.end();
    },
    'when its time was over': (request) => {
      request.expectBy(0, wrong);
      request.check(performance.now());
    },
  };
  for (const [when, work] of Object.entries(faulty))
    it(`ends its stream, is reported, and ends nothing else: ${when}`, async () => {
      const { port, requests, faults, close } = await listening((request) => {
        if (requests.length === 1) work(request);
        else reply(request);
      });
      const client = new RawClient(port);
      client.write(greeting(), callFrame(1, '/x'), frame(Frame.data, 1, Buffer.alloc(300), Flag.endStream));
      const { payload } = await client.frame(Frame.reset, 1);
      expect(payload.readUInt32BE(0)).to.equal(constants.NGHTTP2_INTERNAL_ERROR);
      client.write(callFrame(3, '/x', Flag.endHeaders | Flag.endStream));
      await client.frame(Frame.data, 3);
      expect(faults.map(String)).to.deep.equal(['TypeError: wrong']);
      client.socket.destroy();
      close();
    });

  it('is none, and is no work, when the client took the request back in the segment in which it began', async () => {
    const { port, requests, faults, close } = await listening(reply);
    const client = new RawClient(port);
    const cancelled = frame(Frame.reset, 1, Buffer.from([0, 0, 0, 8]));
    client.write(
      greeting(),
      callFrame(1, '/x'),
      cancelled,
      callFrame(3, '/x', Flag.endHeaders | Flag.endStream),
    );
    await client.frame(Frame.data, 3);
    expect(requests).to.have.length(1);
    expect(faults).to.deep.equal([]);
    client.socket.destroy();
    close();
  });
});
