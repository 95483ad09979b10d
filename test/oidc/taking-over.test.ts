import { expect } from 'chai';
import type { Authenticator } from '../../oidc/authenticate.ts';
import type { ServerTrust } from '../../oidc/keys/connections.ts';
import { createDocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import type { DocumentFetcher } from '../../oidc/keys/fetch-document.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { MAX_AGE } from '../../oidc/keys/issuer-keys.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { startIssuer } from '../support/oidc-issuer.ts';
import type { TestIssuer } from '../support/oidc-issuer.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { createAuthenticator } from '../support/authenticator.ts';

describe('A configuration that takes over from another', () => {
  let issuer: TestIssuer;
  let now: number;
  /** Fetchers by what they trust, and whether they were closed. */
  let fetchers: { readonly caCert: string | undefined; closed: boolean }[];
  let open: Authenticator[];

  beforeEach(async () => {
    issuer = await startIssuer();
    now = Date.UTC(2026, 10, 22, 10);
    fetchers = [];
    open = [];
  });

  afterEach(async () => {
    await Promise.all(open.map((authenticator) => authenticator.close()));
    await issuer.close();
  });

  const createFetcher = ({ caCert }: ServerTrust): DocumentFetcher => {
    const real = createDocumentFetcher({ caCert });
    const record = { caCert, closed: false };
    fetchers.push(record);
    const close = async (): Promise<void> => {
      expect(record.closed).to.equal(false);
      record.closed = true;
      await real.close();
    };
    return { fetch: real.fetch, close };
  };

  const make = (issuers: readonly IssuerDefinition[], previous?: Authenticator): Authenticator => {
    const made = createAuthenticator({ issuers, clock: () => now, createFetcher, previous });
    open.push(made);
    return made;
  };

  const person = (changes: Partial<IssuerDefinition> = {}): IssuerDefinition =>
    emailDefinition(issuer.url, changes);

  const ask = async (authenticator: Authenticator, aud = 'sigstore'): Promise<string> => {
    const token = await issuer.sign({ aud, email: 'sue@example.com', email_verified: true }, { now });
    return (await authenticator.identify(token)).definition.name;
  };

  it('asks no issuer again that is fetched in the same way', async () => {
    const old = make([person()]);
    await ask(old);
    const changed = person({
      name: 'renamed',
      audiences: ['mine'],
      leewaySeconds: 3,
      skipEmailVerification: true,
    });
    const next = make([changed, person({ name: 'second', audiences: ['more'] })], old);
    await old.close();
    expect(await next.start()).to.deep.equal([]);
    expect(await ask(next, 'mine')).to.equal('renamed');
    expect(await ask(next, 'more')).to.equal('second');
    expect(issuer.requests).to.deep.equal({ discovery: 1, jwks: 1, other: 0 });
    expect(fetchers).to.have.length(1);
  });

  it('can still fetch when the other one is closed', async () => {
    const old = make([person()]);
    await ask(old);
    const next = make([person()], old);
    await old.close();
    now += MAX_AGE;
    await ask(next);
    expect(issuer.requests.discovery).to.equal(2);
  });

  it('leaves the other one working until that is closed', async () => {
    const old = make([person()]);
    const next = make([person({ name: 'next' })], old);
    expect(await ask(old)).to.equal(issuer.url);
    expect(await ask(next)).to.equal('next');
    expect(issuer.requests.discovery).to.equal(1);
    await next.close();
    now += MAX_AGE;
    expect(await ask(old)).to.equal(issuer.url);
    expect(fetchers).to.deep.equal([{ caCert: undefined, closed: false }]);
    await old.close();
    await old.close();
    expect(fetchers).to.deep.equal([{ caCert: undefined, closed: true }]);
  });

  it('has the other one close what nobody uses any more', async () => {
    const { cert } = await selfSigned();
    const old = make([person(), emailDefinition('http://127.0.0.1:9', { caCert: cert })]);
    const next = make([person()], old);
    await old.close();
    expect(fetchers.map(({ caCert, closed }) => [caCert, closed])).to.deep.equal([
      [undefined, false],
      [cert, true],
    ]);
    await next.close();
    expect(fetchers.every(({ closed }) => closed)).to.equal(true);
  });

  it('asks again where the way to the keys has changed', async () => {
    const { cert } = await selfSigned();
    const first = make([person()]);
    await ask(first);
    const second = make([person({ caCert: cert })], first);
    await ask(second);
    const third = make([person({ caCert: cert, jwksHosts: ['keys.example'] })], second);
    await ask(third);
    expect(issuer.requests.discovery).to.equal(3);
  });

  it('that cannot be used changes nothing', async () => {
    const old = make([person()]);
    await ask(old);
    expect(() => make([person(), person()], old)).to.throw('two issuer blocks');
    await ask(old);
    const next = make([person()], old);
    await old.close();
    now += MAX_AGE;
    await ask(next);
    expect(fetchers).to.have.length(1);
  });

  it('takes nothing from one that is closed already', async () => {
    const old = make([person()]);
    await old.close();
    await ask(make([person()], old));
    expect(fetchers).to.have.length(2);
  });
});
