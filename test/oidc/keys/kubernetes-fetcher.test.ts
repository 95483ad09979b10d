import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import type { ClusterAccess } from '../../../oidc/keys/kubernetes-cluster.ts';
import { createClusterFetcher } from '../../../oidc/keys/kubernetes-fetcher.ts';
import { startApiServer, type ApiServer } from '../../support/kubernetes-api-server.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { failureOf } from '../../support/failure.ts';

const LIMITS = { timeout: 4000, size: 10_000, publicOnly: true };
const DISCOVERY = '/.well-known/openid-configuration';
const KEYS = '/openid/v1/jwks';

/** A service account's token as far as anybody looks into it. */
const tokenOf = (iss: string, note = 'x'): string =>
  ['{}', JSON.stringify({ iss, note }), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');

describe("Fetching the documents of the cluster's own issuer", () => {
  const open: { close: () => unknown }[] = [];
  let directory: string;
  let access: ClusterAccess;
  let server: ApiServer;
  /** What the pod has. */
  let token: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-cluster-'));
    server = await startApiServer();
    open.push(server);
    access = {
      ca: { mounted: join(directory, 'ca.crt'), deployed: join(directory, 'fulcio.crt') },
      token: join(directory, 'token'),
      hosts: [server.host],
    };
    await writeFile(access.ca.mounted, server.ca);
    await mount(tokenOf(server.url));
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
    await rm(directory, { recursive: true });
  });

  async function mount(text: string): Promise<void> {
    token = text;
    server.tokens.add(text);
    await writeFile(access.token, `${text}\n`);
  }

  function fetcherOf(changes: { issuer?: string; caCert?: string; location?: URL } = {}): DocumentFetcher {
    const fetcher = createClusterFetcher({
      issuer: server.url,
      caCert: undefined,
      createFetcher: createDocumentFetcher,
      access,
      ...changes,
    });
    open.push(fetcher);
    return fetcher;
  }
  const get = (url: string, fetcher = fetcherOf()): Promise<unknown> => fetcher.fetch(new URL(url), LIMITS);

  async function faultOf(work: () => Promise<unknown>): Promise<IssuerFault> {
    const error = await failureOf(work);
    expect(error).to.be.instanceOf(IssuerFault);
    return error as IssuerFault;
  }

  /** Path and token of each request that the server saw. */
  const seen = (): [string, string | undefined][] => server.seen.map((one) => [one.path, one.token]);

  it("trusts the certificate that Kubernetes mounts, and sends the pod's token", async () => {
    const document = await get(server.url + DISCOVERY);
    expect(document).to.include({ issuer: server.url, jwks_uri: server.nodeUrl + KEYS });
    expect(seen()).to.deep.equal([[DISCOVERY, token]]);
  });

  it("asks the API server itself for keys that its document puts at the control plane's own address", async () => {
    expect(await get(server.nodeUrl + KEYS)).to.have.property('keys');
    expect(server.seen.map(({ host, path }) => host + path)).to.deep.equal([server.host + KEYS]);
    expect(seen()).to.deep.equal([[KEYS, token]]);
  });

  it('reads token and certificate again for each document', async () => {
    const fetcher = fetcherOf();
    await get(server.url + KEYS, fetcher);
    const first = token;
    await mount(tokenOf(server.url, 'renewed'));
    await get(server.url + KEYS, fetcher);
    expect(seen()).to.deep.equal([
      [KEYS, first],
      [KEYS, token],
    ]);
    await writeFile(access.ca.mounted, (await selfSigned()).cert);
    expect((await faultOf(() => get(server.url + KEYS, fetcher))).code).to.equal('UNREACHABLE');
    await writeFile(access.ca.mounted, server.ca);
    expect(await get(server.url + KEYS, fetcher)).to.have.property('keys');
  });

  it('asks the API server for an issuer of another name that made the token of the pod', async () => {
    const issuer = 'https://oidc.eks.eu-west-1.amazonaws.com/id/B02C93B6A2D30341AD01E1B6D48164CB';
    server.settings.issuer = issuer;
    await mount(tokenOf(issuer));
    const fetcher = fetcherOf({ issuer });
    expect(await get(issuer + DISCOVERY, fetcher)).to.include({ issuer });
    expect(await get(`https://ip-172-16-45-221.eu-west-1.compute.internal${KEYS}`, fetcher)).to.have.property(
      'keys',
    );
    expect(seen()).to.deep.equal([
      [DISCOVERY, token],
      [KEYS, token],
    ]);
  });

  it('asks the issuer itself where the API server does not speak for it, without the token', async () => {
    const issuer = server.nodeUrl;
    server.settings.discoveryFor = 'everybody';
    await writeFile(access.ca.deployed, server.ca);
    await mount(tokenOf(issuer));
    // Its document names the issuer that the cluster has by default.
    const fetcher = fetcherOf({ issuer });
    const bounds = { ...LIMITS, publicOnly: false };
    expect(await fetcher.fetch(new URL(issuer + DISCOVERY), bounds)).to.include({ issuer: server.url });
    expect(seen()).to.deep.equal([
      [DISCOVERY, token],
      [DISCOVERY, undefined],
    ]);
  });

  it('takes the token to an address that only answers with it when the API server has another name there', async () => {
    const issuer = server.nodeUrl;
    server.settings.issuer = issuer;
    access = { ...access, hosts: ['127.0.0.1:1'] };
    await mount(tokenOf(issuer));
    const fetcher = fetcherOf({ issuer });
    expect(await get(issuer + DISCOVERY, fetcher)).to.include({ issuer });
    expect(await get(issuer + KEYS, fetcher)).to.have.property('keys');
    expect(seen().map(([, sent]) => sent)).to.deep.equal([token, token]);
  });

  describe('keeps the token from', () => {
    const got: (string | undefined)[] = [];
    const answer: RequestListener = (request, response) => {
      got.push(request.headers.authorization);
      if (request.url === '/moved') response.writeHead(302, { location: KEYS });
      response.end('{"keys":[]}');
    };
    beforeEach(() => (got.length = 0));

    async function listen(made: Server): Promise<number> {
      await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
      open.push(made);
      return (made.address() as AddressInfo).port;
    }

    it('a server for which another authority vouches, though it is trusted and asks for a token', async () => {
      const other = await selfSigned();
      const refuse: RequestListener = (request, response) => {
        got.push(request.headers.authorization);
        response.writeHead(401).end();
      };
      const url = `https://127.0.0.1:${await listen(createServer(other, refuse))}`;
      await writeFile(access.ca.deployed, other.cert);
      await mount(tokenOf(url));
      server.settings.discoveryFor = 'nobody';
      const fetcher = fetcherOf({ issuer: url, caCert: other.cert });
      const fault = await faultOf(() => fetcher.fetch(new URL(url + KEYS), { ...LIMITS, publicOnly: false }));
      expect(fault.message).to.match(/status 403; and .*status 401; and .*self.signed/i);
      expect(got).to.deep.equal([undefined]);
    });

    it('any address over plain HTTP', async () => {
      const url = `http://127.0.0.1:${await listen(createPlainServer(answer))}`;
      await mount(tokenOf(url));
      const fetcher = fetcherOf({ issuer: url });
      await fetcher.fetch(new URL(url + KEYS), { ...LIMITS, publicOnly: false });
      expect(got).to.deep.equal([undefined]);
      expect(seen()).to.deep.equal([]);
    });

    it('other documents than the two of an API server', async () => {
      for (const path of ['/keys.json', `${KEYS}/`, `${KEYS}?x`, `/x${KEYS}`, DISCOVERY]) {
        const fault = await faultOf(() => get(server.nodeUrl + path));
        expect(fault.message, path).to.contain('no public address');
      }
      expect(seen()).to.deep.equal([]);
    });

    it('its own API server when the documents of another issuer lead there', async () => {
      const fetcher = fetcherOf({ issuer: 'https://oidc.other.example' });
      for (const path of [KEYS, '/api/v1/secrets']) {
        const fault = await faultOf(() => get(server.url + path, fetcher));
        expect(fault.message, path).to.contain('no public address');
      }
      expect(seen()).to.deep.equal([]);
    });

    it('a cluster that did not make it', async () => {
      server.settings.discoveryFor = 'everybody';
      await writeFile(access.ca.deployed, server.ca);
      const fetcher = fetcherOf({ issuer: server.nodeUrl });
      for (const foreign of [
        tokenOf('https://elsewhere.example'),
        tokenOf(`${server.nodeUrl}/`),
        'a.b.c',
        'opaque',
      ]) {
        server.seen.length = 0;
        await mount(foreign);
        await fetcher.fetch(new URL(server.nodeUrl + KEYS), { ...LIMITS, publicOnly: false });
        expect(seen(), foreign).to.deep.equal([[KEYS, undefined]]);
      }
    });

    it('wherever a redirect leads, even to the same host', async () => {
      const identity = await selfSigned();
      const port = await listen(createServer(identity, answer));
      access = { ...access, hosts: [`127.0.0.1:${port}`] };
      await writeFile(access.ca.mounted, identity.cert);
      const issuer = `https://127.0.0.1:${port}`;
      await get(`${issuer}/moved`, fetcherOf({ issuer }));
      expect(got).to.deep.equal([`Bearer ${token}`, undefined]);
    });
  });

  it('asks the API server where the operator names it in the URL of the documents', async () => {
    const issuer = 'https://oidc.example.com/clusters/one';
    server.settings.issuer = issuer;
    await mount('opaque');
    const discovery = fetcherOf({ issuer, location: new URL(server.url + DISCOVERY) });
    expect(await get(server.url + DISCOVERY, discovery)).to.include({ issuer });
    expect(await get(server.nodeUrl + KEYS, discovery)).to.have.property('keys');
    const keys = fetcherOf({ issuer, location: new URL(server.url + KEYS) });
    expect(await get(server.url + KEYS, keys)).to.have.property('keys');
    expect(server.seen.map(({ host, token: sent }) => [host, sent])).to.deep.equal(
      Array(3).fill([server.host, 'opaque']),
    );
  });

  it('asks nothing but the URL that the operator names, where that is another', async () => {
    const fetcher = fetcherOf({
      issuer: server.nodeUrl,
      location: new URL('https://keys.example/openid/v1/jwks'),
    });
    await mount(tokenOf(server.nodeUrl));
    expect((await faultOf(() => get(server.nodeUrl + KEYS, fetcher))).message).to.contain(
      'no public address',
    );
    expect(seen()).to.deep.equal([]);
  });

  it("sends any token to the cluster's own name, because older tokens name no URL", async () => {
    await mount('opaque');
    await get(server.url + KEYS);
    expect(seen()).to.deep.equal([[KEYS, 'opaque']]);
  });

  it('says what a pod lacks that may not ask', async () => {
    const table = [
      ['nobody', true, 403, 'system:service-account-issuer-discovery'],
      ['accounts', false, 401, 'does not take the token'],
    ] as const;
    for (const [discoveryFor, isTaken, status, words] of table) {
      server.settings.discoveryFor = discoveryFor;
      if (!isTaken) server.tokens.clear();
      const fault = await faultOf(() => get(server.url + KEYS));
      expect(fault.message).to.equal(`${server.url}${KEYS} answers with status ${status}`);
      expect(fault.hint).to.contain(words);
    }
    await rm(access.token);
    for (const anonymousAuth of [true, false]) {
      server.settings.anonymousAuth = anonymousAuth;
      const fault = await faultOf(() => get(server.url + KEYS));
      expect(fault.message).to.contain(anonymousAuth ? 'status 403' : 'status 401');
      expect(fault.hint).to.contain('automountServiceAccountToken');
    }
  });

  it('says every way that it tried', async () => {
    server.settings.discoveryFor = 'nobody';
    const fault = await faultOf(() => get(server.nodeUrl + KEYS));
    expect(fault.message).to.equal(
      `${server.url}${KEYS} answers with status 403; and 127.0.0.2 has no public address, and the configuration does ` +
        `not name it; and ${server.nodeUrl}${KEYS} answers with status 403`,
    );
    expect(fault.hint).to.contain('system:service-account-issuer-discovery');
  });

  it('does without a token when there is none', async () => {
    await rm(access.token);
    server.settings.discoveryFor = 'everybody';
    await get(server.url + KEYS);
    expect(seen()).to.deep.equal([[KEYS, undefined]]);
  });

  it('refuses a token file that holds no token, without repeating it', async () => {
    for (const text of ['', 'secret secret', 'secret\r\nX-Evil: 1', 'sécret', 's'.repeat(70_000)]) {
      await writeFile(access.token, text);
      const fault = await faultOf(() => get(server.url + KEYS));
      expect(fault.message).to.equal(`the cluster token file ${access.token} does not hold a token`);
    }
    access = { ...access, token: directory };
    const fault = await faultOf(() => get(server.url + KEYS));
    expect(fault.message).to.equal(`unable to read cluster token file: ${directory}`);
    expect(seen()).to.deep.equal([]);
  });

  it('needs a certificate of the cluster, or ca-cert in its place', async () => {
    await writeFile(access.ca.mounted, 'x');
    expect((await faultOf(() => get(server.url + KEYS))).message).to.equal(
      `the cluster CA file ${access.ca.mounted} holds no certificate`,
    );
    await rm(access.ca.mounted);
    const fault = await faultOf(() => get(server.url + KEYS));
    expect(fault.message).to.contain(
      `unable to read cluster CA file ${access.ca.mounted} or ${access.ca.deployed}`,
    );
    expect(await get(server.url + KEYS, fetcherOf({ caCert: server.ca }))).to.have.property('keys');
    await writeFile(access.ca.deployed, server.ca);
    expect(await get(server.url + KEYS)).to.have.property('keys');
  });

  it('lets a fetch end that was under way when the certificate changed', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const identity = await selfSigned();
    const slow = createServer(identity, (_, response) => void held.then(() => response.end('{}')));
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    open.push(slow);
    const host = `127.0.0.1:${(slow.address() as AddressInfo).port}`;
    access = { ...access, hosts: [server.host, host] };
    await writeFile(access.ca.mounted, identity.cert);
    const fetcher = fetcherOf();
    const came = new Promise((resolve) => slow.once('request', resolve));
    const waiting = get(`https://${host}/slow`, fetcher);
    await came;
    await writeFile(access.ca.mounted, server.ca);
    await get(server.url + KEYS, fetcher);
    release();
    expect(await waiting).to.deep.equal({});
  });

  it('fetches nothing more once it is closed', async () => {
    const fetcher = fetcherOf();
    await get(server.url + KEYS, fetcher);
    await fetcher.close();
    expect((await faultOf(() => get(server.url + KEYS, fetcher))).code).to.equal('UNREACHABLE');
    expect(server.seen.length).to.equal(1);
  });
});
