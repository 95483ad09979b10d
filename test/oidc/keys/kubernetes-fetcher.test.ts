import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createDocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../../oidc/keys/fetch-document.ts';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import { clusterBearer } from '../../../oidc/keys/kubernetes-bearer.ts';
import { createClusterFetcher } from '../../../oidc/keys/kubernetes-fetcher.ts';
import type { ClusterFiles } from '../../../oidc/keys/kubernetes-fetcher.ts';
import { failureOf } from '../../support/raw-token.ts';
import { selfSigned } from '../../support/tls-identity.ts';

const LIMITS = { timeout: 2000, size: 1000 };

/** A service account's token as far as anybody looks into it. */
const tokenOf = (iss: string, note = 'x'): string =>
  ['{}', JSON.stringify({ iss, note }), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');

describe("Fetching the documents of the cluster's own issuer", () => {
  /** What came, by path: the Authorization header or nothing. */
  const seen: [path: string | undefined, authorization: string | undefined][] = [];
  const open: { close: () => unknown }[] = [];
  let directory: string;
  let files: ClusterFiles;
  let identity: { key: string; cert: string };
  let issuer: string;

  const answer: RequestListener = (request, response) => {
    seen.push([request.url, request.headers.authorization]);
    if (request.url === '/moved') response.writeHead(302, { location: '/here' });
    response.end('{}');
  };

  async function listen(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(server);
    return (server.address() as AddressInfo).port;
  }

  before(async () => (identity = await selfSigned()));
  beforeEach(async () => {
    seen.length = 0;
    directory = await mkdtemp(join(tmpdir(), 'mayfly-cluster-'));
    files = { ca: join(directory, 'ca.crt'), token: join(directory, 'token') };
    issuer = `https://127.0.0.1:${await listen(createServer(identity, answer))}`;
    await writeFile(files.ca, identity.cert);
    await writeFile(files.token, `${tokenOf(issuer)}\n`);
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
    await rm(directory, { recursive: true });
  });

  function fetcherOf(changes: { issuer?: string; caCert?: string } = {}): DocumentFetcher {
    const fetcher = createClusterFetcher({
      ...{ issuer, caCert: undefined, createFetcher: createDocumentFetcher, files },
      ...changes,
    });
    open.push(fetcher);
    return fetcher;
  }
  const get = (path: string, fetcher = fetcherOf(), base = issuer): Promise<unknown> =>
    fetcher.fetch(new URL(path, base), LIMITS);

  async function faultOf(work: () => Promise<unknown>): Promise<IssuerFault> {
    const error = await failureOf(work);
    expect(error).to.be.instanceOf(IssuerFault);
    return error as IssuerFault;
  }

  it("trusts the cluster's certificate and sends the token", async () => {
    expect(await get('/a')).to.deep.equal({});
    expect(seen).to.deep.equal([['/a', `Bearer ${tokenOf(issuer)}`]]);
  });

  it('reads the token again for each document', async () => {
    const fetcher = fetcherOf();
    await get('/a', fetcher);
    await writeFile(files.token, tokenOf(issuer, 'renewed'));
    await get('/b', fetcher);
    expect(seen.map(([, authorization]) => authorization)).to.deep.equal([
      `Bearer ${tokenOf(issuer)}`,
      `Bearer ${tokenOf(issuer, 'renewed')}`,
    ]);
  });

  it('reads the certificate again for each document', async () => {
    const fetcher = fetcherOf();
    await get('/a', fetcher);
    const renewed = await selfSigned();
    const base = `https://127.0.0.1:${await listen(createServer(renewed, answer))}`;
    expect((await faultOf(() => get('/b', fetcher, base))).code).to.equal('UNREACHABLE');
    await writeFile(files.ca, renewed.cert);
    expect(await get('/c', fetcher, base)).to.deep.equal({});
  });

  it('lets a fetch end that was under way when the certificate changed', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const server = createServer(identity, (_, response) => void held.then(() => response.end('{}')));
    const base = `https://127.0.0.1:${await listen(server)}`;
    const fetcher = fetcherOf();
    const came = new Promise((resolve) => server.once('request', resolve));
    const slow = get('/slow', fetcher, base);
    await came;
    await writeFile(files.ca, `${identity.cert}\n${(await selfSigned()).cert}`);
    await get('/a', fetcher);
    release();
    expect(await slow).to.deep.equal({});
  });

  it('does not send the token after a redirect, even to the same host', async () => {
    await get('/moved');
    expect(seen).to.deep.equal([
      ['/moved', `Bearer ${tokenOf(issuer)}`],
      ['/here', undefined],
    ]);
  });

  it('does not send the token to another host or port', async () => {
    const other = `https://127.0.0.1:${await listen(createServer(identity, answer))}`;
    await get('/keys', fetcherOf(), other);
    expect(seen).to.deep.equal([['/keys', undefined]]);
  });

  it('does not send the token over plain HTTP', async () => {
    const plain = `http://127.0.0.1:${await listen(createPlainServer(answer))}`;
    await writeFile(files.token, tokenOf(plain));
    await get('/a', fetcherOf({ issuer: plain }), plain);
    expect(seen).to.deep.equal([['/a', undefined]]);
  });

  it('does not send the token to a cluster that did not make it', async () => {
    for (const foreign of [tokenOf('https://elsewhere.example'), tokenOf(`${issuer}/`), 'a.b.c', 'opaque']) {
      seen.length = 0;
      await writeFile(files.token, foreign);
      await get('/a');
      expect(seen, foreign).to.deep.equal([['/a', undefined]]);
    }
  });

  it("sends any token to the cluster's own name, because older tokens name no URL", async () => {
    await writeFile(files.token, 'opaque');
    for (const name of ['https://kubernetes.default.svc', 'https://kubernetes.default.svc.cluster.local']) {
      expect(await clusterBearer(files.token, new URL(`${name}/openid/v1/jwks`), name)).to.equal('opaque');
    }
    for (const name of [
      'https://kubernetes.default.svc.evil.example',
      'https://kubernetes.default',
      'https://kubernetes.default.svc.',
      'http://kubernetes.default.svc',
    ]) {
      expect(await clusterBearer(files.token, new URL(name), name), name).to.equal(undefined);
    }
    const foreign = new URL('https://kubernetes.default.svc:8443/');
    expect(await clusterBearer(files.token, foreign, 'https://kubernetes.default.svc')).to.equal(undefined);
  });

  it('does without a token when there is none', async () => {
    await rm(files.token);
    await get('/a');
    expect(seen).to.deep.equal([['/a', undefined]]);
  });

  it('refuses a token file that holds no token, without repeating it', async () => {
    for (const text of ['', 'secret secret', 'secret\r\nX-Evil: 1', 'sécret', 's'.repeat(70_000)]) {
      await writeFile(files.token, text);
      const fault = await faultOf(() => get('/a'));
      expect(fault.message).to.equal(`the cluster token file ${files.token} does not hold a token`);
    }
    await rm(files.token);
    const fault = await faultOf(() =>
      clusterBearer(directory, new URL('https://kubernetes.default.svc'), 'https://kubernetes.default.svc'),
    );
    expect(fault.message).to.equal(`unable to read cluster token file: ${directory}`);
    expect(seen).to.deep.equal([]);
  });

  it('needs a certificate of the cluster, or ca-cert in its place', async () => {
    await writeFile(files.ca, 'x');
    expect((await faultOf(() => get('/a'))).message).to.equal(
      `the cluster CA file ${files.ca} holds no certificate`,
    );
    await rm(files.ca);
    expect((await faultOf(() => get('/a'))).message).to.equal(`unable to read cluster CA file: ${files.ca}`);
    expect(await get('/a', fetcherOf({ caCert: identity.cert }))).to.deep.equal({});
  });

  it('trusts ca-cert beside the certificate of the cluster', async () => {
    const other = await selfSigned();
    await writeFile(files.ca, other.cert);
    expect(await get('/a', fetcherOf({ caCert: identity.cert }))).to.deep.equal({});
  });

  it('fetches nothing more once it is closed', async () => {
    const fetcher = fetcherOf();
    await get('/a', fetcher);
    await fetcher.close();
    expect((await faultOf(() => get('/b', fetcher))).code).to.equal('UNREACHABLE');
    expect(seen.length).to.equal(1);
  });
});
