import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { concat } from '../../core/bytes.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { failureAs, failureOf } from '../support/failure.ts';
import { runs } from '../support/runs.ts';

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

const CHECKPOINT =
  'localhost/log/2026\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— localhost/log/2026 uESxGQAAAaIDJ3AbBAMARzBF\n';

describe('ct-log/http-source', () => {
  for (const status of [503, 429]) {
    it(`asks a server again that answers ${status}, and gives up at a limit`, async () => {
      let asked = 0;
      const busy =
        (times: number): RequestListener =>
        (_request, response) => {
          if (++asked > times) response.end(CHECKPOINT);
          else response.writeHead(status, { 'retry-after': '0' }).end('too many reads at once');
        };
      const checkpoint = await withServer(busy(5), (url) => httpSource(url).checkpoint());
      expect([Buffer.from(checkpoint).toString(), asked]).to.deep.equal([CHECKPOINT, 6]);
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

  describe('where something else came than was asked for', () => {
    const PAGE = '<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Hello</body></html>';
    const get = (path: string, body: string | Uint8Array): Promise<Uint8Array> =>
      withServer(
        (_request, response) => response.end(body),
        (url) => httpSource(url).get(path),
      );
    /** An entry of the second API, whose length before it is two letters. */
    const letters = (): Buffer => {
      const entry = Buffer.from(`{"apiVersion":"0.0.2"${' '.repeat(0x6120 - 22)}}`);
      return Buffer.concat([Uint8Array.of(0x61, 0x20), entry]);
    };

    for (const [path, what] of [
      ['checkpoint', 'a checkpoint'],
      ['api/v2/checkpoint', 'a checkpoint'],
      ['tile/0/000', 'a tile'],
      ['tile/data/000.p/7', 'a tile'],
      ['tile/entries/000', 'a tile'],
      ['artifacts/v2/tile/1/000', 'a tile'],
      [`issuer/${'0'.repeat(64)}`, 'a certificate'],
      ['log.v3.json', 'JSON'],
      ['', 'JSON'],
    ] as const)
      it(`says of ${path === '' ? 'the list of logs' : path} what came, and not that the log is wrong`, async () => {
        const cases = [
          [PAGE, `a page of ${PAGE.length} bytes`],
          [`\r\n ${PAGE}`, `a page of ${PAGE.length + 3} bytes`],
          ['upstream connect error', '22 other bytes'],
          ['', 'nothing'],
        ] as const;
        for (const [body, came] of cases) {
          const failure = await failureAs(LogError, get(path, body));
          expect(failure.code).to.equal('LOG_STORAGE');
          expect(failure.message).to.match(/^http:\S+ cannot be read: /);
          expect(failure.message).to.include(`: ${what} should be there, and ${came} came`);
          expect(failure.hint).to.include('proxy');
        }
      });

    it('leaves what is of the right form, also cut or changed, to who judges it', async () => {
      const cases: [path: string, bytes: Uint8Array][] = [
        ['tile/0/000', sha256(Uint8Array.of(1)).subarray(0, 31)],
        ['tile/data/000.p/1', Uint8Array.of(0, 0, 1, 0xa2)],
        ['tile/entries/000.p/1', letters()],
        ['tile/entries/000.p/1', Uint8Array.of(0, 9, 0x7b)],
        ['checkpoint', Buffer.from(CHECKPOINT.replace('47DE', '57DE'))],
        ['log.v3.json', Buffer.from('{}')],
      ];
      for (const [path, bytes] of cases)
        expect(Buffer.from(await get(path, bytes)), path).to.deep.equal(Buffer.from(bytes));
    });

    it('takes every tile of hashes and of certificates for one', () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 4 }),
          async (seeds) => {
            const hashes = concat(seeds.map((seed) => sha256(seed)));
            expect(await get('tile/0/000.p/4', hashes)).to.have.length(hashes.length);
            const data = concat([Uint8Array.of(0), ...seeds]);
            expect(await get('tile/data/000.p/4', data)).to.have.length(data.length);
          },
        ),
        { numRuns: runs(100) },
      ));
  });
});
