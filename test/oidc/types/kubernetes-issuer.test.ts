import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { SignJWT } from 'jose';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { ClusterAccess } from '../../../oidc/keys/kubernetes-cluster.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { startApiServer, type ApiServer } from '../../support/kubernetes-api-server.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

describe("A cluster's own issuer, behind the cluster's certificate, that wants to know who asks", () => {
  let directory: string;
  let server: ApiServer;
  let access: ClusterAccess;
  const open: Authenticator[] = [];

  beforeEach(async () => {
    server = await startApiServer();
    directory = await mkdtemp(join(tmpdir(), 'mayfly-cluster-'));
    access = {
      ca: { mounted: join(directory, 'ca.crt'), deployed: join(directory, 'fulcio.crt') },
      token: join(directory, 'token'),
      hosts: [server.host],
    };
    await writeFile(access.ca.mounted, server.ca);
    const token = await tokenOf('system:serviceaccount:mayfly:mayfly');
    server.tokens.add(token);
    await writeFile(access.token, token);
  });
  afterEach(async () => {
    for (const door of open.splice(0)) await door.close();
    await server.close();
    await rm(directory, { recursive: true });
  });

  /** As the TokenRequest API makes them. */
  function tokenOf(sub: string, iss = server.settings.issuer ?? server.url): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const { kid, privateKey } = server.key;
    return new SignJWT({
      aud: ['sigstore'],
      exp: now + 600,
      iat: now,
      nbf: now,
      iss,
      sub,
      'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'signer', uid: '4f1e' } },
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(privateKey);
  }

  const kubernetes = (of: string): IssuerDefinition => emailDefinition(of, { type: 'kubernetes' });
  function doorOf(issuers: readonly IssuerDefinition[], previous?: Authenticator): Authenticator {
    const door = createAuthenticator({ issuers, clock: Date.now, cluster: access, previous });
    open.push(door);
    return door;
  }
  const signer = (iss?: string): Promise<string> => tokenOf('system:serviceaccount:build:signer', iss);
  const paths = (): string[] => server.seen.map(({ path }) => path);

  it('is asked with the certificate and the token of the cluster, alone in a configuration', async () => {
    const { principal } = await doorOf([kubernetes(server.url)]).identify(await signer());
    expect(principal.san.value).to.equal('https://kubernetes.io/namespaces/build/serviceaccounts/signer');
    expect(paths()).to.deep.equal(['/.well-known/openid-configuration', '/openid/v1/jwks']);
    expect(server.seen.every(({ token }) => token !== undefined)).to.equal(true);
    expect(server.seen[0]?.userAgent).to.match(/^mayfly\/\d/);
  });

  it('is asked in this way for every form of cluster', async () => {
    const forms: readonly [name: string, settings: ApiServer['settings']][] = [
      ['kubeadm, kind, k3s: keys at the node', {}],
      [
        'OpenShift: another name for the control plane',
        { jwksUri: 'https://api-int.ocp.example:6443/openid/v1/jwks' },
      ],
      ['hardened: nobody may ask without a token', { anonymousAuth: false }],
      ['opened: everybody may ask', { discoveryFor: 'everybody' }],
      ['Talos: the issuer is the address of the control plane', { issuer: server.nodeUrl }],
      [
        'EKS, AKS, GKE from inside: the issuer is a public address',
        { issuer: 'https://oidc.eks.eu-west-1.amazonaws.com/id/B02C93B6A2D30341AD01E1B6D48164CB' },
      ],
    ];
    for (const [name, settings] of forms) {
      Object.assign(server.settings, { issuer: undefined, jwksUri: undefined, anonymousAuth: undefined });
      Object.assign(server.settings, { discoveryFor: undefined }, settings);
      const iss = settings.issuer ?? server.url;
      const token = await tokenOf('system:serviceaccount:mayfly:mayfly', iss);
      server.tokens.add(token);
      await writeFile(access.token, token);
      const { principal } = await doorOf([kubernetes(iss)]).identify(await signer(iss));
      expect(principal.issuer, name).to.equal(iss);
    }
  });

  it('is asked in this way only when it is of the type', async () => {
    const error = await failureOf(async () => doorOf([emailDefinition(server.url)]).identify(await signer()));
    expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
    expect(paths()).to.deep.equal([]);
  });

  it('is not asked again by a later configuration, unless that one asks in another way', async () => {
    const first = doorOf([kubernetes(server.url)]);
    await first.identify(await signer());
    const second = doorOf([kubernetes(server.url), kubernetes('https://other.example')], first);
    await first.close();
    await second.identify(await signer());
    expect(paths().length).to.equal(2);
    const third = doorOf([emailDefinition(server.url)], second);
    await second.close();
    const error = await failureOf(async () => third.identify(await signer()));
    expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
  });
});
