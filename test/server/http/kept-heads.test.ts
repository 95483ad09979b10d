import { expect } from 'chai';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createHttpServer } from '../../../server/http/http-listener.ts';
import { KeptHeads } from '../../../server/http/kept-heads.ts';
import { heldHeads } from '../../../server/http/parser-limits.ts';
import { MAX_HEAD } from '../../../server/http/request-limits.ts';

describe('server: what the parser keeps of heads', () => {
  describe('of one connection', () => {
    const headers = (count: number, bytes = 2): string[] =>
      Array.from({ length: count }, () => ['a'.repeat(bytes / 2), 'b'.repeat(bytes / 2)]).flat();

    it('is the last target, and the headers of heads that came in several reads', () => {
      const kept = new KeptHeads();
      kept.note('/four', headers(10, 100), true);
      expect(kept.bytes).to.equal(5);
      kept.note('/', headers(10, 100), false);
      expect(kept.bytes).to.equal(1001);
      kept.note('/', headers(4, 100), false);
      expect(kept.bytes, 'in other places').to.equal(1401);
    });

    it('ends when later headers take the places', () => {
      const kept = new KeptHeads();
      kept.note('/', headers(10, 100), false);
      kept.note('/', headers(9), true);
      expect(kept.bytes, 'one place is left').to.equal(1001);
      kept.note('/', headers(10), true);
      expect(kept.bytes).to.equal(1);
      kept.note('/', headers(100, 100), false);
      kept.note('/', headers(31), true);
      expect(kept.bytes, 'there are no more places').to.equal(1);
    });

    it('is also of trailers, and of a head that was never completed', () => {
      const kept = new KeptHeads();
      kept.note('/', headers(3), true);
      kept.noteHeaders(headers(5, 100));
      expect(kept.bytes).to.equal(501);
      kept.noteAbandoned(0);
      kept.note('/', headers(5), true);
      expect(kept.bytes).to.equal(1);
      kept.noteHeaders(headers(5, 100));
      kept.noteAbandoned(1000);
      kept.note('/', headers(30), true);
      expect(kept.bytes).to.equal(1501);
    });
  });

  describe('of a server', () => {
    let server: Server;
    /** The connections in their order, and the parser of each. */
    let accepted: Socket[];
    let parsers: unknown[];
    before(async () => {
      server = createHttpServer(undefined);
      server.on('request', (_: IncomingMessage, response: ServerResponse) => response.end('answer'));
      server.on('connection', (socket: Socket & { parser?: unknown }) => {
        accepted.push(socket);
        parsers.push(socket.parser);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    beforeEach(() => {
      [accepted, parsers] = [[], []];
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    const open = async (): Promise<Socket> => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on(
        'error',
        () => undefined,
      );
      await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
      return socket;
    };
    const newest = (): Socket => {
      const socket = accepted.at(-1);
      if (socket === undefined) throw new Error('there is no connection');
      return socket;
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    /** Sends a piece, and resolves when the server has read it. */
    const send = async (socket: Socket, piece: string): Promise<void> => {
      const due = newest().bytesRead + piece.length;
      socket.write(piece);
      while (newest().bytesRead < due && !newest().destroyed) await turn();
    };
    /** Sends a head in two pieces and resolves to the answer. */
    const ask = async (socket: Socket, head: string): Promise<string> => {
      await send(socket, head.slice(0, -4));
      const answer = once(socket, 'data') as Promise<[Buffer]>;
      await send(socket, head.slice(-4));
      return (await answer)[0].toString('latin1');
    };
    /** The bulk stands behind so many small headers. */
    const head = (small: number, bulk: number): string =>
      `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(small)}Bulk: ${'a'.repeat(bulk)}\r\n\r\n`;
    const held = (): number => heldHeads(newest()) ?? -1;
    const close = async (socket: Socket): Promise<void> => {
      const closed = new Promise((resolve) => newest().once('close', resolve));
      socket.destroy();
      await closed;
      await turn();
    };

    it('is counted until later headers take the places, and what came at once is not', async () => {
      const socket = await open();
      await send(socket, head(3, 10_000));
      await once(socket, 'data');
      expect(held()).to.be.below(10);
      await ask(socket, head(3, 10_000));
      expect(held()).to.be.within(10_000, 10_100);
      await ask(socket, head(2, 10));
      expect(held()).to.be.within(10_000, 10_200);
      await send(socket, head(5, 10));
      await once(socket, 'data');
      expect(held()).to.be.below(10);
      await close(socket);
    });

    it('is as much as the longest head, then the connection is closed behind its answer', async () => {
      const socket = await open();
      expect(await ask(socket, head(9, 40_000))).not.to.contain('Connection: close');
      // In the same places.
      for (let i = 0; i < 5; i++)
        expect(await ask(socket, head(9, 40_000))).not.to.contain('Connection: close');
      expect(held()).to.be.below(MAX_HEAD);
      const closed = once(socket, 'close');
      const last = await ask(socket, head(8, 40_000));
      expect(last).to.contain('200 OK').and.contain('Connection: close').and.contain('answer');
      await closed;
    });

    it('counts trailers that are not complete', async () => {
      const socket = await open();
      await send(socket, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      await send(socket, `1\r\na\r\n0\r\nBulk: ${'a'.repeat(20_000)}`);
      expect(held()).to.be.within(20_000, 20_200);
      await close(socket);
    });

    it('is freed with its parser, which no other connection uses', async () => {
      const long = `GET /${'a'.repeat(10_000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
      const crowd = [head(0, 10), long.slice(0, -4), long];
      for (const text of crowd) {
        const socket = await open();
        await send(socket, text);
        await close(socket);
        await close(await open());
      }
      const [small, afterSmall, begun, afterBegun, whole, afterWhole] = parsers;
      expect(afterSmall, 'it keeps little').to.equal(small);
      expect(begun).to.equal(small);
      expect(afterBegun).not.to.equal(begun);
      expect(whole).to.equal(afterBegun);
      expect(afterWhole).not.to.equal(whole);
    });

    it('stays with its connection until that is closed, also when it asks for a tunnel or another protocol', async () => {
      const ask = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
      const tunnel = 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n';
      const upgrade = `${ask.slice(0, -2)}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`;
      for (const text of [tunnel, ask.repeat(8) + tunnel, ask.repeat(8) + upgrade]) {
        const socket = await open();
        const served = newest() as Socket & { parser?: unknown };
        const closed = new Promise<unknown>((resolve) => {
          served.prependOnceListener('close', () => {
            resolve(served.parser);
          });
        });
        socket.write(text);
        expect(await closed, text).to.equal(parsers.at(-1));
      }
    });

    it('is counted over all connections of a parser', async () => {
      for (let i = 0; i < 9; i++) {
        const socket = await open();
        // Each time in another place, and not much.
        await send(socket, head(20 - i, 1000).slice(0, -4));
        await close(socket);
      }
      expect(new Set(parsers).size).to.be.above(1);
    });
  });
});
