import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { createAuthenticator } from '../../../oidc/authenticate.ts';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { selfSigned } from '../../support/tls-identity.ts';

const LIMITS = { timeout: 2000, size: 1000 };

describe('Fetching a document over HTTPS', () => {
  let server: Server;
  let fetcher: DocumentFetcher | undefined;
  let cert: string;
  let base: string;
  let answer: string;

  before(async () => {
    const identity = await selfSigned();
    cert = identity.cert;
    server = createServer(identity, (request, response) => {
      if (request.url === '/down') response.writeHead(302, { location: base.replace('https', 'http') });
      if (request.url === '/endless') endless(response);
      else response.end(answer);
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

  beforeEach(() => (answer = '{"a":1}'));

  afterEach(async () => {
    await fetcher?.close();
    fetcher = undefined;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const fetchWith = (caCert: string | undefined, path: string): Promise<unknown> => {
    fetcher = createDocumentFetcher(caCert);
    return fetcher.fetch(new URL(path, base), LIMITS);
  };

  it('refuses a certificate that nobody vouches for', async () => {
    const fault: unknown = await fetchWith(undefined, '/').catch((error: unknown) => error);
    expect(fault).to.include({ code: 'UNREACHABLE' });
    expect((fault as Error).message).to.match(/SELF_SIGNED|self.signed/);
  });

  it('trusts the certificates of ca-cert', async () => {
    expect(await fetchWith(cert, '/')).to.deep.equal({ a: 1 });
  });

  it('stops reading a body that never ends, and hangs up', async () => {
    const fault: unknown = await fetchWith(cert, '/endless').catch((error: unknown) => error);
    expect(fault).to.include({ code: 'UNUSABLE' });
    expect((fault as Error).message).to.contain('more than 1000 bytes');
    await hungUp;
  });

  it('does not follow to plain HTTP', async () => {
    const fault: unknown = await fetchWith(cert, '/down').catch((error: unknown) => error);
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
