import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Admission } from '../../server/admission.ts';
import { UnsentAnswers } from '../../server/unsent-answers.ts';
import { startTestService } from '../support/test-service.ts';

const MIB = 1024 * 1024;

/** Asks, and stops reading at the first byte of the answer, which it resolves to. */
async function askAndStall(url: URL): Promise<readonly [Socket, string]> {
  const socket = connect(Number(url.port), url.hostname).on('error', () => undefined);
  socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  return [socket, chunk.toString('latin1', 0, 15)];
}

describe('server: answers that nobody reads', () => {
  it('hold memory up to a bound; beyond it reads are told to come back, and issuing is not touched', async () => {
    const tile = Buffer.alloc(17 * MIB);
    const service = await startTestService(({ log }) => ({
      log: { ...log, reader: { ...log.reader, tile: () => Promise.resolve(tile) } },
    }));
    const url = new URL(`${service.logUrl}/tile/0/000`);
    const stalled: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const [socket, head] = await askAndStall(url);
      expect(head).to.equal('HTTP/1.1 200 OK');
      stalled.push(socket);
    }
    const refused = await fetch(url);
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('1');
    await refused.text();
    expect((await fetch(`${service.logUrl}/checkpoint`)).status).to.equal(200);
    expect((await fetch(`${service.url}/api/v2/trustBundle`)).status).to.equal(200);
    for (const socket of stalled) socket.destroy();
    let status = 503;
    while (status === 503) {
      const response = await fetch(url);
      ({ status } = response);
      await response.arrayBuffer();
    }
    expect(status).to.equal(200);
    await service.close();
  });

  describe('and what they hold', () => {
    const memory = new Admission(100);
    const unsent = new UnsentAnswers(memory);
    let server: Server;
    before(async () => {
      server = createServer((request, response) => {
        expect(unsent.hold(response, 40)).to.equal(true);
        if (request.url !== '/never') response.end('text');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    it('is given back once when the answer is sent', async () => {
      const { port } = server.address() as AddressInfo;
      for (let i = 0; i < 5; i++) await (await fetch(`http://127.0.0.1:${port}/`)).text();
      server.closeAllConnections();
      expect(memory.used).to.equal(0);
    });

    it('is given back when the connection closes, also by an answer behind another', async () => {
      const { port } = server.address() as AddressInfo;
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const client = connect(port, '127.0.0.1').on('error', () => undefined);
      const [socket] = await accepted;
      const first = once(server, 'request');
      client.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
      await first;
      const second = once(server, 'request');
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await second;
      expect(memory.used).to.equal(80);
      const closed = once(socket, 'close');
      client.destroy();
      await closed;
      expect(memory.used).to.equal(0);
    });
  });
});
