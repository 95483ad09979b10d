import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpSource } from '../../ct-log/http-source.ts';
import { failureOf } from '../support/failure.ts';

/** Runs `use` with a source at a server that answers with `answer`. */
async function withServer<T>(answer: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/log/2026`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('ct-log/http-source', () => {
  for (const status of [503, 429]) {
    it(`asks a server again that answers ${status}, and gives up at a limit`, async () => {
      let asked = 0;
      const busy =
        (times: number): RequestListener =>
        (_request, response) => {
          if (++asked > times) response.end('the checkpoint');
          else response.writeHead(status, { 'retry-after': '0' }).end('too many reads at once');
        };
      const checkpoint = await withServer(busy(5), (url) => httpSource(url).checkpoint());
      expect([Buffer.from(checkpoint).toString(), asked]).to.deep.equal(['the checkpoint', 6]);
      asked = 0;
      const failure: unknown = await withServer(busy(Infinity), (url) =>
        failureOf(httpSource(url).checkpoint()),
      );
      expect(failure).to.have.property('code', 'LOG_STORAGE');
      expect(failure).to.have.property('message').that.includes(`the server answered ${status}`);
      expect(asked).to.equal(10);
    });
  }

  it('does not ask again what cannot get better, nor wait for an hour', async () => {
    for (const [status, header] of [
      [500, '0'],
      [502, '0'],
      [404, '0'],
      [503, '3600'],
    ] as const) {
      let asked = 0;
      await withServer(
        (_request, response) => {
          asked++;
          response.writeHead(status, { 'retry-after': header }).end();
        },
        (url) =>
          httpSource(url)
            .tile('tile/0/000')
            .catch(() => undefined),
      );
      expect(asked, String(status)).to.equal(1);
    }
  });
});
