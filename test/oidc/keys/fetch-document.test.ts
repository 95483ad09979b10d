import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

/** Nothing here is slow but a busy machine. */
const LIMITS = { timeout: 15_000, size: 1000 };

describe('Fetching a document over HTTPS', () => {
  let server: Server;
  let fetcher: DocumentFetcher | undefined;
  let cert: string;
  let base: string;
  let answer: string | Buffer;
  let status: number;
  let headers: Readonly<Record<string, string>>;
  /** Headers of the last request. */
  let asked: IncomingHttpHeaders;

  before(async () => {
    const identity = await selfSigned();
    cert = identity.cert;
    server = createServer(identity, (request, response) => {
      if (request.url === '/down') [status, headers] = [302, { location: base.replace('https', 'http') }];
      asked = request.headers;
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      if (request.url === '/endless') endless(response);
      else response.writeHead(status).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  let hungUp: Promise<unknown> = Promise.resolve();
  /** Ten bytes after ten bytes, until nobody listens. */
  function endless(response: ServerResponse): void {
    hungUp = once(response, 'close');
    const more = (): void => {
      if (!response.destroyed) response.write('[[[[[[[[[[', () => setImmediate(more));
    };
    more();
  }

  beforeEach(() => {
    [answer, status, headers] = ['{"a":1}', 200, {}];
  });

  afterEach(async () => {
    await fetcher?.close();
    fetcher = undefined;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const fetchWith = (caCert: string | undefined, path: string): Promise<unknown> => {
    fetcher = createDocumentFetcher({ caCert });
    return fetcher.fetch(new URL(path, base), LIMITS);
  };

  it('refuses a certificate that nobody vouches for', async () => {
    const fault: unknown = await failureOf(fetchWith(undefined, '/'));
    expect(fault).to.include({ code: 'UNREACHABLE' });
    expect((fault as Error).message).to.match(/SELF_SIGNED|self.signed/);
  });

  it('trusts the certificates of ca-cert', async () => {
    expect(await fetchWith(cert, '/')).to.deep.equal({ a: 1 });
  });

  const faultOf = async (path = '/'): Promise<IssuerFault> => {
    const fault: unknown = await failureOf(fetchWith(cert, path));
    expect(fault).to.be.instanceOf(IssuerFault);
    return fault as IssuerFault;
  };

  it('says who asks, and takes what an API server of Kubernetes and what any other server offers', async () => {
    await fetchWith(cert, '/');
    expect(asked['user-agent']).to.match(/^mayfly\/\d+\.\d+\.\d+/);
    expect(asked.accept)
      .to.contain('application/json')
      .and.contain('application/jwk-set+json')
      .and.contain('*/*');
  });

  it('takes what is compressed, asked for or not', async () => {
    const table: readonly [encoding: string, body: Buffer][] = [
      ['gzip', gzipSync('{"a":1}')],
      ['GZIP', gzipSync('{"a":1}')],
      ['x-gzip', gzipSync('{"a":1}')],
      ['deflate', deflateSync('{"a":1}')],
      ['deflate', deflateRawSync('{"a":1}')],
      ['br', brotliCompressSync('{"a":1}')],
      ['identity', Buffer.from('{"a":1}')],
    ];
    for (const [encoding, body] of table) {
      [answer, headers] = [body, { 'content-encoding': encoding }];
      expect(await fetchWith(cert, '/'), encoding).to.deep.equal({ a: 1 });
    }
  });

  it('decodes no more than it would read', async () => {
    const long = Buffer.alloc(10_000_000, 0x20);
    for (const [encoding, body] of [
      ['gzip', gzipSync(long, { level: 9 })],
      ['br', brotliCompressSync(long)],
    ] as const) {
      // What is sent is bounded too; a bomb of this size is shorter than it says.
      [answer, headers] = [body.subarray(0, 900), { 'content-encoding': encoding }];
      expect((await faultOf()).message, encoding).to.contain('more than 1000 bytes');
    }
  });

  it('refuses what is broken, in an unknown encoding, or in several', async () => {
    const good = gzipSync('{"a":1}');
    const table: readonly [encoding: string, body: Buffer, words: string][] = [
      ['gzip', good.subarray(0, -4), 'broken gzip'],
      ['gzip', Buffer.from('{"a":1}'), 'broken gzip'],
      ['br', good, 'broken br'],
      ['gzip, gzip', gzipSync(good), 'the encoding "gzip, gzip"'],
      ['zstd', good, 'the encoding "zstd"'],
    ];
    for (const [encoding, body, words] of table) {
      [answer, headers] = [body, { 'content-encoding': encoding }];
      const fault = await faultOf();
      expect(fault, encoding).to.include({ code: 'UNUSABLE' });
      expect(fault.message).to.contain(words);
    }
  });

  it('takes a byte order mark for what it is', async () => {
    answer = '\uFEFF{"a":1}';
    expect(await fetchWith(cert, '/')).to.deep.equal({ a: 1 });
    answer = '\uFEFF\uFEFF{"a":1}';
    expect((await faultOf()).code).to.equal('UNUSABLE');
  });

  it('says what came where JSON should have', async () => {
    [answer, headers] = ['<!doctype html>', { 'content-type': 'text/html; charset=utf-8' }];
    const fault = await faultOf();
    expect(fault.message).to.equal(
      `${base}/ answers with something that is not JSON (text/html; charset=utf-8)`,
    );
    expect(fault.hint).to.contain('proxy');
  });

  it('says with which status a server refuses, and what that may mean', async () => {
    for (const [code, words] of [
      [401, 'firewall'],
      [403, 'jwks-file'],
      [404, 'issuer'],
      [406, 'application/jwk-set+json'],
    ] as const) {
      status = code;
      const fault = await faultOf();
      expect(fault.message).to.equal(`${base}/ answers with status ${code}`);
      expect(fault.hint).to.contain(words);
    }
  });

  it('stops reading a body that never ends, and hangs up', async () => {
    const fault: unknown = await failureOf(fetchWith(cert, '/endless'));
    expect(fault).to.include({ code: 'UNUSABLE' });
    expect((fault as Error).message).to.contain('more than 1000 bytes');
    await hungUp;
  });

  it('does not follow to plain HTTP', async () => {
    const fault: unknown = await failureOf(fetchWith(cert, '/down'));
    expect(fault).to.include({ code: 'UNUSABLE' });
  });

  it('does not take keys over plain HTTP for an issuer with HTTPS', async () => {
    answer = JSON.stringify({ issuer: base, jwks_uri: 'http://127.0.0.1:1/jwks' });
    const door = createAuthenticator({ issuers: [emailDefinition(base, { caCert: cert })], clock: Date.now });
    const [warning] = await door.start();
    expect(warning?.sentence).to.contain('no HTTPS "jwks_uri"');
    await door.close();
  });
});
