import { createServer, request } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { proxiesOf, type EnvironmentVariables } from '../../../oidc/keys/proxy-environment.ts';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { failureOf } from '../../support/failure.ts';

const LIMITS = { timeout: 5000, size: 1000 };
const HOST = 'issuer.example';

describe('Fetching a document through a proxy', () => {
  const open: { close: () => unknown; closeAllConnections: () => void }[] = [];
  let identity: { key: string; cert: string };
  let proxy: string;
  let plain: string;
  let secure: string;
  /** What the proxy was asked for: a line and the Proxy-Authorization. */
  let seen: [line: string, authorization: string | undefined][];
  let status: number;

  async function listen(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(server);
    return (server.address() as AddressInfo).port;
  }

  before(async () => {
    identity = await selfSigned(HOST);
    const answer: RequestListener = (request, response) => response.end(JSON.stringify(request.headers.host));
    plain = `http://${HOST}:${await listen(createServer(answer))}`;
    secure = `https://${HOST}:${await listen(createTlsServer(identity, answer))}`;
    proxy = `http://127.0.0.1:${await listen(proxyServer())}`;
  });

  /** Leads every name to this machine. */
  function proxyServer(): Server {
    const server = createServer((incoming, response) => {
      seen.push([`${incoming.method} ${incoming.url}`, incoming.headers['proxy-authorization']]);
      const { port, pathname } = new URL(incoming.url ?? '');
      const { host } = incoming.headers;
      request({ host: '127.0.0.1', port, path: pathname, headers: { host } }, (answer) =>
        answer.pipe(response),
      ).end();
    });
    return server.on('connect', ({ url, headers }: IncomingMessage, client: Duplex) => {
      seen.push([`CONNECT ${url}`, headers['proxy-authorization']]);
      if (status !== 200) {
        client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
        return;
      }
      const port = Number(/:(\d+)$/.exec(url ?? '')?.[1]);
      const upstream = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
  }

  beforeEach(() => {
    seen = [];
    status = 200;
  });

  after(() => {
    for (const server of open) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function get(url: string, environment: EnvironmentVariables, publicOnly = false): Promise<unknown> {
    const fetcher = createDocumentFetcher({ caCert: identity.cert }, environment);
    try {
      return await fetcher.fetch(new URL(url), { ...LIMITS, publicOnly });
    } finally {
      await fetcher.close();
    }
  }

  async function faultOf(work: Promise<unknown>): Promise<IssuerFault> {
    const fault: unknown = await failureOf(work);
    expect(fault).to.be.instanceOf(IssuerFault);
    return fault as IssuerFault;
  }

  it('takes HTTPS_PROXY for https, with the certificates of ca-cert', async () => {
    expect(await get(`${secure}/x`, { HTTPS_PROXY: proxy })).to.equal(new URL(secure).host);
    expect(seen).to.deep.equal([[`CONNECT ${new URL(secure).host}`, undefined]]);
  });

  it('still demands a certificate that is trusted, for the name that was asked for', async () => {
    const fetcher = createDocumentFetcher({}, { HTTPS_PROXY: proxy });
    expect((await faultOf(fetcher.fetch(new URL(secure), LIMITS))).code).to.equal('UNREACHABLE');
    await fetcher.close();
    const other = await faultOf(get(secure.replace(HOST, 'other.example'), { HTTPS_PROXY: proxy }));
    expect(other.message).to.contain('CERT');
  });

  it('takes HTTP_PROXY for http, and names in small letters first', async () => {
    expect(await get(plain, { HTTP_PROXY: proxy })).to.equal(new URL(plain).host);
    expect(await get(plain, { http_proxy: proxy, HTTP_PROXY: 'http://127.0.0.1:1' })).to.equal(
      new URL(plain).host,
    );
    // As people write it for curl and for Go.
    expect(await get(secure, { https_proxy: new URL(proxy).host })).to.equal(new URL(secure).host);
    expect(seen.map(([line]) => line.replace(/ .*/, ''))).to.deep.equal(['GET', 'GET', 'CONNECT']);
    expect(seen[0]?.[0]).to.equal(`GET ${plain}/`);
  });

  it('shows the proxy who is there', async () => {
    await get(secure, { HTTPS_PROXY: proxy.replace('//', '//sue:pass%20word@') });
    expect(seen[0]?.[1]).to.equal(`Basic ${Buffer.from('sue:pass word').toString('base64')}`);
  });

  it('leaves out the proxy for names in NO_PROXY, and for this machine', async () => {
    const port = new URL(plain).port;
    for (const NO_PROXY of [HOST, '.example', '*.EXAMPLE', 'x, example', '*', `${HOST}:${port}`]) {
      const fault = await faultOf(get(plain, { HTTP_PROXY: proxy, NO_PROXY }));
      expect(fault.message, NO_PROXY).to.match(/ENOTFOUND|EAI_AGAIN/);
    }
    expect(await get(plain.replace(HOST, '127.0.0.1'), { HTTP_PROXY: proxy })).to.equal(`127.0.0.1:${port}`);
    expect(seen).to.deep.equal([]);
    for (const NO_PROXY of ['ample', `x.${HOST}`, `${HOST}:1`, ' , '])
      expect(await get(plain, { HTTP_PROXY: proxy, NO_PROXY }), NO_PROXY).to.equal(new URL(plain).host);
  });

  describe('leaves out what NO_PROXY names, as Go and curl read it:', () => {
    // Beyond example.com, from golang.org/x/net/http/httpproxy and curl's lib/noproxy.c.
    const TABLE: readonly [noProxy: string, url: string, isSpared: boolean][] = [
      ['fd00::1', 'https://[fd00::1]/', true],
      ['FD00:0:0::1', 'https://[fd00::1]:8443/', true],
      ['fd00::1', 'https://[fd00::11]/', false],
      ['[fd00::1]', 'https://[fd00::1]/', true],
      ['[fd00::1]:8443', 'https://[fd00::1]:8443/', true],
      ['[fd00::1]:8443', 'https://[fd00::1]/', false],
      ['fd00::/8', 'https://[fd12:3456::1]/', true],
      ['fd00::/8', 'https://[fe80::1]/', false],
      ['10.0.0.0/8', 'https://10.255.1.2/', true],
      ['10.0.0.0/8', 'https://11.0.0.1/', false],
      ['10.0.0.0/8', 'https://[::ffff:10.1.2.3]/', true],
      ['10.0.0.0/8', 'https://10.0.0.1.example.com/', false],
      ['192.168.0.0/16,example.com', 'https://192.168.7.7/', true],
      ['172.18.0.2', 'https://172.18.0.2:6443/', true],
      ['172.18.0.2:6443', 'https://172.18.0.2:6443/', true],
      ['172.18.0.2:443', 'https://172.18.0.2/', true],
      ['172.18.0.2:443', 'https://172.18.0.2:6443/', false],
      ['18.0.2', 'https://172.18.0.2/', false],
      ['10.0.0.0/33', 'https://10.0.0.1/', false],
      ['10.0.0.0/', 'https://10.0.0.1/', false],
      ['example.com', 'https://example.com/', true],
      ['example.com.', 'https://www.example.com/', true],
      ['example.com', 'https://example.com./', true],
      ['example.com', 'https://badexample.com/', false],
      ['bücher.example', 'https://xn--bcher-kva.example/', true],
      ['.svc,.cluster.local', 'https://kubernetes.default.svc/', true],
      [':443', 'https://example.com/', false],
      ['a,,b example.com', 'https://example.com/', true],
      ['*', 'https://example.com/', true],
    ];
    for (const [noProxy, url, isSpared] of TABLE)
      it(`"${noProxy}" and ${url}: ${isSpared ? 'straight' : 'through the proxy'}`, () => {
        const proxies = proxiesOf({ HTTPS_PROXY: 'http://proxy.example:3128', NO_PROXY: noProxy });
        expect(proxies.for(new URL(url)) === undefined).to.equal(isSpared);
      });

    it('takes the name in capitals where that in small letters is empty', () => {
      const proxies = proxiesOf({ HTTPS_PROXY: 'http://p:1', no_proxy: '', NO_PROXY: 'example.com' });
      expect(proxies.for(new URL('https://example.com'))).to.equal(undefined);
    });
  });

  it('says what the proxy answers when it does not want to', async () => {
    status = 407;
    const fault = await faultOf(get(secure, { HTTPS_PROXY: proxy.replace('//', '//sue:secret@') }));
    expect(fault.code).to.equal('UNREACHABLE');
    expect(fault.message).to.contain('407').and.not.to.contain('secret');
    expect(fault.message).to.contain(`through the proxy ${new URL(proxy).host}: `);
  });

  it('names the proxy, and neither user nor password, when the proxy does not answer', async () => {
    const dead = 'http://sue:secret@127.0.0.1:1/';
    for (const [url, name] of [
      [secure, 'HTTPS_PROXY'],
      [plain, 'HTTP_PROXY'],
    ] as const) {
      const fault = await faultOf(get(`${url}/x`, { [name]: dead }));
      expect(fault.code).to.equal('UNREACHABLE');
      expect(fault.message).to.equal(`${url}/x does not answer through the proxy 127.0.0.1:1: ECONNREFUSED`);
      expect(fault.hint)
        .to.contain('proxy')
        .and.not.to.match(/sue:|secret/);
    }
    const straight = await faultOf(get('http://127.0.0.1:1/', { HTTP_PROXY: dead }));
    expect(straight.message).to.equal('http://127.0.0.1:1/ does not answer: ECONNREFUSED');
  });

  describe('to a host that must be public', () => {
    const NEAR = [
      '127.0.0.1',
      '[::1]',
      '10.0.0.1',
      '169.254.169.254',
      '[fd00::1]',
      '[::ffff:10.0.0.1]',
      '2130706433',
    ];
    const NAMES = [
      'localhost',
      'a.localhost',
      'metadata.google.internal',
      'kubernetes.default.svc',
      'intranet',
    ];
    for (const host of [...NEAR, ...NAMES, 'x.cluster.local', 'x.cluster.local.', 'router.home.arpa']) {
      it(`does not ask the proxy for ${host}`, async () => {
        for (const scheme of ['http', 'https']) {
          const environment = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
          const fault = await faultOf(get(`${scheme}://${host}:1/`, environment, true));
          expect(fault.code).to.equal('UNUSABLE');
        }
        expect(seen).to.deep.equal([]);
      });
    }

    it('lets the proxy find any other name', async () => {
      expect(await get(secure, { HTTPS_PROXY: proxy }, true)).to.equal(new URL(secure).host);
    });

    it('still looks at the address where the proxy is left out', async () => {
      // A name of the public Internet for 127.0.0.1 is not at hand without a network: the connector has its own tests.
      const environment = { HTTP_PROXY: proxy, NO_PROXY: '127.0.0.1' };
      expect((await faultOf(get('http://127.0.0.1:1/', environment, true))).code).to.equal('UNUSABLE');
    });
  });

  it('does not begin with a proxy that cannot be one, and does not repeat it', () => {
    for (const text of ['socks5://p:1', 'http://', 'ftp://secret@x', 'http://a b', 'notaurl', 'a b:3128'])
      for (const name of ['HTTP_PROXY', 'https_proxy'])
        expect(() => createDocumentFetcher({}, { [name]: text }))
          .to.throw(DefinitionError, /variable HTTPS?_PROXY is not/)
          .with.property('message')
          .that.does.not.contain('secret');
  });
});
