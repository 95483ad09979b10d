import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAuthenticator } from '../../../oidc/authenticate.ts';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import type { IssuerDefinition } from '../../../oidc/issuer-definition.ts';
import type { ClusterFiles } from '../../../oidc/keys/kubernetes-fetcher.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startIssuer } from '../../support/oidc-issuer.ts';
import type { TestIssuer } from '../../support/oidc-issuer.ts';
import { failureOf } from '../../support/raw-token.ts';
import { selfSigned } from '../../support/tls-identity.ts';

const CLAIMS = {
  sub: 'system:serviceaccount:build:signer',
  'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'signer' } },
};

describe("A cluster's own issuer, behind the cluster's certificate, that wants to know who asks", () => {
  let directory: string;
  let files: ClusterFiles;
  let server: Server;
  let url: string;
  let signer: TestIssuer;
  let clusterToken: string;
  const open: Authenticator[] = [];
  /** The paths that were answered. */
  const seen: string[] = [];

  before(async () => {
    signer = await startIssuer();
    const identity = await selfSigned();
    server = createServer(identity, (request, response) => {
      const path = request.url ?? '';
      if (request.headers.authorization !== `Bearer ${clusterToken}`) {
        response.writeHead(401).end();
        return;
      }
      seen.push(path);
      const discovery = {
        issuer: url,
        jwks_uri: `${url}/openid/v1/jwks`,
        id_token_signing_alg_values_supported: ['ES256'],
      };
      const keys = signer.published.map(({ publicJwk }) => publicJwk);
      response.end(JSON.stringify(path === '/openid/v1/jwks' ? { keys } : discovery));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    clusterToken = await signer.sign({ iss: url, sub: 'system:serviceaccount:mayfly:mayfly' });
    directory = await mkdtemp(join(tmpdir(), 'mayfly-cluster-'));
    files = { ca: join(directory, 'ca.crt'), token: join(directory, 'token') };
    await writeFile(files.ca, identity.cert);
    await writeFile(files.token, clusterToken);
  });
  afterEach(async () => {
    seen.length = 0;
    for (const door of open.splice(0)) await door.close();
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await signer.close();
    await rm(directory, { recursive: true });
  });

  const kubernetes = (of: string): IssuerDefinition => emailDefinition(of, { type: 'kubernetes' });
  function doorOf(issuers: readonly IssuerDefinition[], previous?: Authenticator): Authenticator {
    const door = createAuthenticator({ issuers, clock: Date.now, clusterFiles: files, previous });
    open.push(door);
    return door;
  }
  const tokenOf = (): Promise<string> => signer.sign({ ...CLAIMS, iss: url });

  it('is asked with the certificate and the token of the cluster', async () => {
    const door = doorOf([kubernetes(url), kubernetes('https://kubernetes.default.svc')]);
    const { principal } = await door.identify(await tokenOf());
    expect(principal.san.value).to.equal('https://kubernetes.io/namespaces/build/serviceaccounts/signer');
    expect(seen).to.deep.equal(['/.well-known/openid-configuration', '/openid/v1/jwks']);
  });

  it('is asked in this way only where the configuration speaks of a cluster', async () => {
    const error = await failureOf(async () => doorOf([kubernetes(url)]).identify(await tokenOf()));
    expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
    expect(seen).to.deep.equal([]);
  });

  it('is asked in this way only when it is of the type', async () => {
    const issuers = [emailDefinition(url), kubernetes('https://kubernetes.default.svc')];
    const error = await failureOf(async () => doorOf(issuers).identify(await tokenOf()));
    expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
    expect(seen).to.deep.equal([]);
  });

  it('is not asked again by a later configuration, unless that one asks in another way', async () => {
    const issuers = [kubernetes(url), kubernetes('https://kubernetes.default.svc')];
    const first = doorOf(issuers);
    await first.identify(await tokenOf());
    const second = doorOf(issuers, first);
    await first.close();
    await second.identify(await tokenOf());
    expect(seen.length).to.equal(2);
    const third = doorOf([kubernetes(url)], second);
    await second.close();
    const error = await failureOf(async () => third.identify(await tokenOf()));
    expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
  });
});
