import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { UnsentResponseLimit, type UnsentLimits } from '../../../server/http/unsent-response-limit.ts';

const MIB = 1024 * 1024;
const LIMITS: UnsentLimits = {
  total: 100 * MIB,
  perClient: 50 * MIB,
  stallMs: 1_000,
};

/** More than a kernel takes of an answer that nobody reads. */
const BIG = Buffer.alloc(16 * MIB, 'x');

describe('server/http/unsent-response-limit', () => {
  const time = { now: 0 };
  let unsent: UnsentResponseLimit;
  let answer: (response: ServerResponse, path: string) => void;
  let server: Server;
  let port: number;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    time.now = 0;
    unsent = new UnsentResponseLimit(LIMITS, () => time.now);
    // The first letter of the path is the client.
    answer = (response, path) => {
      const client = path.slice(1, 2);
      if (unsent.ensureFree(client, BIG.length)) unsent.send(response.writeHead(200), client, [BIG]);
      else response.writeHead(503).end();
    };
    server = createServer((request, response) => {
      answer(response, request.url ?? '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.closeAllConnections();
    server.close();
  });

  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  const write = (socket: Socket, path: string): void => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  };
  /** Asks, and reads nothing behind the first bytes of the answer. */
  const stall = async (path: string): Promise<readonly [socket: Socket, status: string]> => {
    const socket = await open();
    write(socket, path);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    return [socket, chunk.toString('latin1', 9, 12)];
  };
  /** Asks and reads all; the status and the number of bytes. */
  const read = async (path: string): Promise<readonly [status: number, bytes: number]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, (await response.arrayBuffer()).byteLength];
  };

  it('sends a large answer whole, and releases once what it held', async () => {
    for (let i = 0; i < 3; i++) expect(await read('/a')).to.deep.equal([200, BIG.length]);
    while (unsent.total > 0) await new Promise((resolve) => setImmediate(resolve));
    answer = (response) => {
      unsent.send(response.writeHead(200), 'a', [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')]);
    };
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal('one two');
    answer = (response) => {
      unsent.send(response.writeHead(200), 'a', []);
    };
    expect(await read('/')).to.deep.equal([200, 0]);
    while (unsent.total > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('releases what a connection held when it closes, also for an answer behind another', async () => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = await open();
    const [serverSide] = await accepted;
    const asked = new Promise<void>((resolve) => {
      let count = 0;
      server.on('request', () => {
        if (++count === 2) resolve();
      });
    });
    write(socket, '/a');
    write(socket, '/a');
    await asked;
    expect(unsent.total).to.equal(2 * BIG.length);
    const closed = new Promise((resolve) => serverSide.once('close', resolve));
    socket.destroy();
    await closed;
    expect(unsent.total).to.equal(0);
  });

  it('refuses a client beyond its share, and serves another at the same time', async () => {
    for (let i = 0; i < 3; i++) expect((await stall('/a'))[1]).to.equal('200');
    expect((await stall('/a'))[1]).to.equal('503');
    expect(await read('/b')).to.deep.equal([200, BIG.length]);
    expect(unsent.total).to.equal(3 * BIG.length);
  });

  it('refuses no answer for its size alone', async () => {
    expect(unsent.ensureFree('a', 2 * LIMITS.total)).to.equal(true);
    await stall('/a');
    expect(unsent.ensureFree('a', 2 * LIMITS.perClient)).to.equal(false);
    expect(unsent.ensureFree('b', LIMITS.perClient + MIB)).to.equal(true);
  });

  it('closes the connection of a client that has taken nothing for longest, when the client asks for more', async () => {
    const stalled: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      time.now = i * 100;
      stalled.push((await stall('/a'))[0]);
    }
    const [first] = stalled;
    if (first === undefined) throw new Error('unreachable');
    const closed = once(first, 'close');
    time.now = LIMITS.stallMs;
    expect((await stall('/a'))[1]).to.equal('200');
    first.resume();
    await closed;
    expect(stalled.slice(1).map(({ destroyed }) => destroyed)).to.deep.equal([false, false]);
    expect(unsent.total).to.equal(3 * BIG.length);
  });

  it('closes no connection that takes something, however slowly', async () => {
    const [slow] = await stall('/a');
    for (let i = 0; i < 2; i++) await stall('/a');
    time.now = LIMITS.stallMs;
    // Some of it is taken now; then the server has sent a further piece.
    let taken = 0;
    slow.on('data', (chunk: Buffer) => {
      taken += chunk.length;
      if (taken > 8 * MIB) slow.pause();
    });
    slow.resume();
    while (taken <= 8 * MIB) await once(slow, 'data');
    expect((await stall('/a'))[1]).to.equal('200');
    slow.removeAllListeners('data').on('data', (chunk: Buffer) => (taken += chunk.length));
    slow.resume();
    // All but the first chunk, with which the answer began.
    while (taken < BIG.length - MIB) await once(slow, 'data');
  });

  it('takes from the client that holds most, when all of the memory is held by those that take something', async () => {
    const held = new Map<string, Socket[]>();
    for (const client of ['a', 'a', 'a', 'b', 'b', 'c']) {
      const [socket, status] = await stall(`/${client}`);
      expect(status).to.equal('200');
      held.set(client, [...(held.get(client) ?? []), socket]);
    }
    const [loser] = held.get('a') ?? [];
    if (loser === undefined) throw new Error('unreachable');
    loser.resume();
    const closed = once(loser, 'close');
    expect((await stall('/d'))[1], 'a new client').to.equal('200');
    await closed;
    expect((await stall('/b'))[1], 'one that holds as much as anybody').to.equal('503');
    expect(unsent.total).to.be.at.most(LIMITS.total);
  });

  it('closes no connection for an answer that waits behind another one, which is taken', async () => {
    const [reader] = await stall('/a');
    write(reader, '/b');
    while (unsent.total < 2 * BIG.length) await new Promise((resolve) => setImmediate(resolve));
    time.now = LIMITS.stallMs;
    let taken = 0;
    reader.on('data', (chunk: Buffer) => {
      taken += chunk.length;
      if (taken > 8 * MIB) reader.pause();
    });
    reader.resume();
    while (taken <= 8 * MIB) await once(reader, 'data');
    // Room for one more, if only the second answer of the reader were dropped.
    expect(unsent.ensureFree('b', LIMITS.perClient - BIG.length + 1)).to.equal(false);
    expect(unsent.total).to.equal(2 * BIG.length);
  });
});
