import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Authenticator } from '../../../oidc/authenticate.ts';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import type { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import type { TokenError } from '../../../oidc/core/token-error.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { makeIssuerKey, startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { selfSigned } from '../../support/tls-identity.ts';
import { createAuthenticator } from '../../support/authenticator.ts';
import { failureOf } from '../../support/failure.ts';

/** What its tokens say, and nobody here can reach. */
const ISSUER = 'https://login.example.com/realms/acme';
const PERSON = { iss: ISSUER, email: 'sue@example.com', email_verified: true };

describe('Keys of an issuer whose documents are elsewhere', () => {
  let issuer: TestIssuer;
  let open: Authenticator[];

  beforeEach(async () => {
    issuer = await startIssuer({ path: '/inside', alg: 'RS256' });
    open = [];
  });
  afterEach(async () => {
    for (const door of open) await door.close();
    await issuer.close();
  });

  function doorOf(...changes: readonly Partial<IssuerDefinition>[]): Authenticator {
    const issuers = changes.map((one, index) =>
      emailDefinition(ISSUER, {
        name: String(index),
        audiences: [index === 0 ? 'sigstore' : `a${index}`],
        ...one,
      }),
    );
    const door = createAuthenticator({ issuers, clock: Date.now });
    open.push(door);
    return door;
  }
  const discovery = (): string => `${issuer.url}/.well-known/openid-configuration`;
  const ask = async (door: Authenticator): Promise<string> => {
    const { principal } = await door.identify(await issuer.sign(PERSON));
    return principal.issuer;
  };

  it('come by discovery-url, when the document speaks for the issuer', async () => {
    issuer.discovery.patch = { issuer: ISSUER };
    expect(await ask(doorOf({ discoveryUrl: discovery() }))).to.equal(ISSUER);
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
  });

  it('do not come by a document that speaks for another, unless the operator says for whom', async () => {
    const error = (await failureOf(() => ask(doorOf({ discoveryUrl: discovery() })))) as TokenError;
    expect(error.code).to.equal('ISSUER_METADATA_INVALID');
    expect((error.cause as IssuerFault).message).to.contain(
      `speaks for "${issuer.url}", not for "${ISSUER}"`,
    );
    expect((error.cause as IssuerFault).hint).to.contain('discovery-issuer');
    const named = { discoveryUrl: discovery(), discoveryIssuer: issuer.url };
    expect(await ask(doorOf(named))).to.equal(ISSUER);
    // As for Entra's "common", whose document has a place for the tenant.
    const template = 'https://login.microsoftonline.com/{tenantid}/v2.0';
    issuer.discovery.patch = { issuer: template };
    expect(await ask(doorOf({ discoveryUrl: discovery(), discoveryIssuer: template }))).to.equal(ISSUER);
  });

  it('come by jwks-url without a document, for the algorithms of the keys', async () => {
    const door = doorOf({ jwksUrl: `${issuer.url}/jwks` });
    expect(await door.start()).to.deep.equal([]);
    expect(await ask(door)).to.equal(ISSUER);
    expect(issuer.requests).to.deep.equal({ discovery: 0, jwks: 1, other: 0 });
    const other = await makeIssuerKey('ES256', issuer.key.kid);
    const error = (await failureOf(async () =>
      door.identify(await issuer.sign(PERSON, { key: other })),
    )) as TokenError;
    expect(error.code).to.equal('ALGORITHM_REFUSED');
    expect(error.hint).to.contain('The keys of the issuer are for RS256');
    await issuer.rotate({ alg: 'ES256', keep: true });
    expect(await failureOf(async () => door.identify(await issuer.sign(PERSON)))).to.include({
      code: 'ALGORITHM_REFUSED',
    });
  });

  it('still have to sign what the issuer of the tokens says', async () => {
    const door = doorOf({ jwksUrl: `${issuer.url}/jwks` });
    const error = await failureOf(async () =>
      door.identify(await issuer.sign({ ...PERSON, iss: issuer.url })),
    );
    expect(error).to.include({ code: 'ISSUER_UNKNOWN' });
  });

  it('count for all blocks of the issuer, which may not contradict each other', async () => {
    const url = `${issuer.url}/jwks`;
    expect(await ask(doorOf({}, { jwksUrl: url }))).to.equal(ISSUER);
    expect(() => doorOf({ jwksUrl: url }, { jwksUrl: `${url}2` })).to.throw(
      DefinitionError,
      'different jwks-url',
    );
  });

  it('are at one place', () => {
    const [jwksUrl, discoveryUrl] = ['https://a.example/jwks', 'https://a.example/d'];
    const inline = { kind: 'inline', jwks: { keys: [issuer.key.publicJwk] } } as const;
    const table: readonly [Partial<IssuerDefinition>, field: string, words: string][] = [
      [{ jwksUrl, discoveryUrl }, 'discovery-url', 'has no effect'],
      [{ jwksUrl, discoveryIssuer: 'x' }, 'discovery-issuer', 'has no effect'],
      [{ jwksUrl, staticKeys: inline }, 'jwks-url', 'the issuer block holds the keys'],
      [{ discoveryUrl, staticKeys: inline }, 'discovery-url', 'the issuer block holds the keys'],
      [{ jwksUrl: 'file:///etc/jwks' }, 'jwks-url', 'is not the URL of a document'],
      [{ jwksUrl: 'https://user@a.example/jwks' }, 'jwks-url', 'is not the URL of a document'],
      [{ discoveryUrl: 'a.example/d' }, 'discovery-url', 'is not the URL of a document'],
    ];
    for (const [changes, field, words] of table) {
      expect(() => doorOf(changes), words)
        .to.throw(DefinitionError, words)
        .with.nested.property('metadata.field', field);
    }
    for (const changes of [{ jwksUrl }, { discoveryUrl }, { discoveryIssuer: 'x' }])
      expect(() => doorOf({ ...changes, isMeta: true, url: 'https://*.example.com' })).to.throw(
        DefinitionError,
        'the meta issuer',
      );
  });

  describe('behind a private authority', () => {
    let directory: string;
    let server: Server;
    let url: string;
    let cert: string;

    before(async () => {
      const identity = await selfSigned();
      ({ cert } = identity);
      server = createServer(identity, (_, response) =>
        response.end(JSON.stringify({ keys: [issuer.key.publicJwk] })),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
      directory = await mkdtemp(join(tmpdir(), 'mayfly-ca-'));
    });
    after(async () => {
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true });
    });

    it('are fetched with the certificates of a file, beside those of the text', async () => {
      const caCertFile = join(directory, 'ca.pem');
      await writeFile(caCertFile, `\uFEFF# our CA\n${cert}`);
      expect(await ask(doorOf({ jwksUrl: url, caCertFile }))).to.equal(ISSUER);
      await writeFile(caCertFile, (await selfSigned('other.example')).cert);
      expect(await ask(doorOf({ jwksUrl: url, caCertFile, caCert: cert }))).to.equal(ISSUER);
      const error = await failureOf(() => ask(doorOf({ jwksUrl: url, caCertFile })));
      expect(error).to.include({ code: 'ISSUER_UNREACHABLE' });
    });

    it('are not fetched with a file that is no such thing', async () => {
      const caCertFile = join(directory, 'text.pem');
      await writeFile(caCertFile, 'hello');
      for (const [path, words] of [
        [caCertFile, `failed to parse CA certificate for issuer ${ISSUER} in ${caCertFile}`],
        [join(directory, 'absent.pem'), 'ENOENT'],
        [directory, 'is not a file'],
      ] as const)
        expect(() => doorOf({ caCertFile: path }))
          .to.throw(DefinitionError, words)
          .with.nested.property('metadata.field', 'ca-cert-file');
    });
  });
});
