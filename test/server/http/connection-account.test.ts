import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import {
  accountOf,
  CountedResponse,
  openAccounts,
  workUntilEnded,
  type ConnectionAccount,
} from '../../../server/http/connection-account.ts';

const KIB = 1024;
const MAX_HELD = 300 * KIB;

/** A head of 60 KiB. */
const BIG_HEAD = ['GET /small HTTP/1.1', 'Host: a', `X-A: ${'a'.repeat(60 * KIB)}`, '', ''].join('\r\n');
const GET = 'GET /small HTTP/1.1\r\nHost: a\r\n\r\n';

describe('server: the account of a connection', () => {
  let server: Server;
  let port: number;
  let held: ServerResponse | undefined;
  const sockets: Socket[] = [];
  const accounts: ConnectionAccount[] = [];
  before(async () => {
    server = createServer({ ServerResponse: CountedResponse, maxHeaderSize: 64 * KIB });
    openAccounts(server, MAX_HELD);
    server.on('connection', (socket: Socket) => {
      const account = accountOf(socket);
      if (account !== undefined) accounts.push(account);
    });
    server.on('request', (request, response) => {
      workUntilEnded(response);
      if (request.url === '/held') held = response;
      else response.end(Buffer.alloc(4 * KIB));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    accounts.splice(0);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  async function open(): Promise<readonly [socket: Socket, account: ConnectionAccount]> {
    const accepted = once(server, 'connection');
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await Promise.all([accepted, once(socket, 'connect')]);
    const account = accounts.at(-1);
    if (account === undefined) throw new Error('a connection has an account');
    return [socket, account];
  }

  /** A connection whose kernel takes nothing more: one answer waits. */
  async function stalled(): Promise<readonly [socket: Socket, account: ConnectionAccount]> {
    const [socket, account] = await open();
    socket.pause();
    for (;;) {
      const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>;
      socket.write(GET);
      const [, response] = await asked;
      for (let turn = 0; turn < 20 && !response.closed; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      if (!response.closed) return [socket, account];
    }
  }

  async function ask(socket: Socket, text: string): Promise<void> {
    const asked = once(server, 'request');
    socket.write(text);
    await asked;
  }

  it('follows each request from its head to the last byte of its answer', async () => {
    const [socket, account] = await open();
    const seen: boolean[] = [];
    account.watch((isWorking) => seen.push(isWorking));
    await ask(socket, GET.replace('small', 'held'));
    expect(account.requests).to.deep.equal({ receiving: 0, making: 1, sending: 0 });
    await ask(socket, GET);
    // Made, and behind the other.
    expect(account.requests).to.deep.equal({ receiving: 0, making: 1, sending: 1 });
    expect(account.bytes).to.be.above(4 * KIB);
    expect(seen).to.deep.equal([true]);
    held?.end();
    await once(socket, 'data');
    while (account.unanswered > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(account.bytes).to.equal(0);
    expect(seen).to.deep.equal([true, false]);
  });

  it('counts what unread answers keep, their requests included, and releases it when the connection closes', async () => {
    const [socket, account] = await stalled();
    const before = account.bytes;
    await ask(socket, BIG_HEAD);
    expect(account.bytes - before).to.be.above(64 * KIB);
    const closed = new Promise((resolve) => account.socket.once('close', resolve));
    socket.destroy();
    await closed;
    expect(account.bytes).to.equal(0);
  });

  it('closes the connection that has taken nothing for longest when all hold too much, and none that is worked for', async () => {
    const [working, ofWorking] = await open();
    await ask(working, BIG_HEAD.replace('small', 'held'));
    const [first, ofFirst] = await stalled();
    const [second, ofSecond] = await stalled();
    await ask(first, BIG_HEAD);
    await ask(second, BIG_HEAD);
    expect([ofFirst, ofSecond].map(({ socket }) => socket.destroyed)).to.deep.equal([false, false]);
    await ask(second, BIG_HEAD);
    await ask(second, BIG_HEAD);
    expect([ofWorking, ofFirst, ofSecond].map(({ socket }) => socket.destroyed)).to.deep.equal([
      ...[false, true, false],
    ]);
    expect(ofFirst.bytes).to.equal(0);
    const all = ofWorking.bytes + ofSecond.bytes;
    expect(all).to.be.at.most(MAX_HELD);
  });
});
