import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Authenticator } from '../../oidc/authenticate.ts';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { RETRY_INTERVAL } from '../../oidc/keys/issuer-keys.ts';
import { CLUSTER_ACCESS } from '../../oidc/keys/kubernetes-cluster.ts';
import { MAX_CANDIDATES } from '../../oidc/meta-issuers.ts';
import { NEW_ISSUERS_BURST, NEW_ISSUERS_PER_SECOND } from '../../oidc/keys/unknown-issuer-keys.ts';
import type { TokenError } from '../../oidc/core/token-error.ts';
import { MAX_WAITING_FOR_UNKNOWN_ISSUERS } from '../../oidc/keys/wait-limit.ts';
import { emailDefinition } from '../support/issuer-definitions.ts';
import { makeIssuerKey } from '../support/oidc-issuer.ts';
import { TenantIssuers } from '../support/tenant-issuers.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { createAuthenticator } from '../support/authenticator.ts';
import { failureOf } from '../support/failure.ts';

const PATTERN = 'https://*.tenants.example/id/*';
const issuerOf = (name: string | number): string => `https://eu.tenants.example/id/${name}`;

const meta = (url: string, changes: Partial<IssuerDefinition> = {}): IssuerDefinition =>
  emailDefinition(url, { isMeta: true, ...changes });

describe('Issuers that a pattern describes', () => {
  let tenants: TenantIssuers;
  let now: number;
  let open: Authenticator[];

  beforeEach(async () => {
    tenants = await TenantIssuers.start();
    now = Date.now();
    open = [];
  });

  afterEach(async () => {
    await Promise.all(open.map((authenticator) => authenticator.close()));
    await tenants.close();
  });

  function make(issuers: readonly IssuerDefinition[], previous?: Authenticator): Authenticator {
    const { createFetcher } = tenants;
    const made = createAuthenticator({ issuers, clock: () => now, createFetcher, previous });
    open.push(made);
    return made;
  }

  const outcome = (authenticator: Authenticator, token: string): Promise<string> =>
    authenticator.identify(token).then(
      ({ definition, token: { issuer } }) => `${definition.name} ${issuer}`,
      (error: unknown) => (error as TokenError).code,
    );

  const ask = async (authenticator: Authenticator, issuer: string, claims = {}): Promise<string> =>
    outcome(authenticator, await tenants.sign(issuer, claims));

  it('are named by their own URL, and accepted by the block of the pattern', async () => {
    const door = make([meta(PATTERN, { name: 'tenants' })]);
    const { principal, definition } = await door.identify(await tenants.sign(issuerOf(1)));
    expect(principal.issuer).to.equal(issuerOf(1));
    expect(principal.extensions.get(8)).to.equal(issuerOf(1));
    expect(definition.name).to.equal('tenants');
  });

  it('have each their own keys', async () => {
    const door = make([meta(PATTERN)]);
    await ask(door, issuerOf(1));
    await ask(door, issuerOf(2));
    await ask(door, issuerOf(1));
    expect(tenants.asked.map(({ url }) => url)).to.deep.equal(
      [1, 1, 2, 2].map(
        (n, i) => `${issuerOf(n)}${i % 2 === 0 ? '/.well-known/openid-configuration' : '/jwks'}`,
      ),
    );
  });

  it('may have public addresses only, their own host included, and short documents', async () => {
    await ask(make([meta(PATTERN)]), issuerOf(1));
    for (const asked of tenants.asked) {
      expect(asked.publicOnly).to.equal(true);
      expect(asked.size).to.equal(64 * 1024);
    }
  });

  it('are not asked ahead of a token', async () => {
    expect(await make([meta(PATTERN)]).start()).to.deep.equal([]);
    expect(tenants.asked).to.have.length(0);
  });

  it('that do not fit are unknown, and nothing is asked for them', async () => {
    const door = make([meta(PATTERN)]);
    for (const issuer of [
      ...[
        'https://eu.tenants.example/id/',
        'http://eu.tenants.example/id/1',
        'https://a.b.tenants.example/id/1',
      ],
      ...['https://eu.tenants.example:8443/id/1', 'https://u@eu.tenants.example/id/1', `${issuerOf(1)}?`],
      ...[`${issuerOf(1)}#`, `${issuerOf(1)}/../2`, `http://localhost?issuer=${issuerOf(1)}`, PATTERN],
      ...[`http://localhost/redirect/${issuerOf(1)}`, issuerOf('x'.repeat(2000)), issuerOf('é')],
    ])
      expect(await ask(door, issuer), issuer).to.equal('ISSUER_UNKNOWN');
    expect(tenants.asked).to.have.length(0);
  });

  it('that a pattern would let be a number in place of a host are unknown', async () => {
    const door = make([meta('https://*/id')]);
    for (const host of ['2130706433', '0x7f000001', 'LOCALHOST'])
      expect(await ask(door, `https://${host}/id`), host).to.equal('ISSUER_UNKNOWN');
    expect(tenants.asked).to.have.length(0);
  });

  describe('when several blocks could be meant', () => {
    const URL_OF_ALL = 'https://a.b.example/x';
    const table: readonly (readonly [what: string, patterns: readonly string[], chosen: string])[] = [
      [
        'the longest literal',
        ['https://*.*.*/x', 'https://*.b.example/x', 'https://*.*.example/x'],
        'https://*.b.example/x',
      ],
      [
        'the one that sorts first of as many',
        ['https://a.b.example/*', 'https://*.b.example/x'],
        'https://*.b.example/x',
      ],
      ['the exact one', ['https://*.b.example/x', 'https://a.b.example/*', URL_OF_ALL], URL_OF_ALL],
    ];
    for (const [what, patterns, chosen] of table) {
      it(`are ruled by ${what}, whatever the order`, async () => {
        for (const order of [patterns, patterns.toReversed(), patterns.toSorted()]) {
          const door = make(order.map((url) => (url === URL_OF_ALL ? emailDefinition(url) : meta(url))));
          expect(await ask(door, URL_OF_ALL)).to.equal(`${chosen} ${URL_OF_ALL}`);
        }
      });
    }

    it('are not handed on to another pattern because of the audience', async () => {
      const door = make([
        meta('https://*.b.example/x'),
        meta('https://*.*.example/x', { audiences: ['other'] }),
      ]);
      expect(await ask(door, URL_OF_ALL, { aud: 'other' })).to.equal('AUDIENCE_MISMATCH');
    });

    it('are chosen among the blocks of one pattern by audience', async () => {
      const door = make([meta(PATTERN, { name: 'a' }), meta(PATTERN, { name: 'b', audiences: ['b', 'c'] })]);
      expect(await ask(door, issuerOf(1), { aud: 'c' })).to.equal(`b ${issuerOf(1)}`);
      expect(await ask(door, issuerOf(1), { aud: ['c', 'sigstore'] })).to.equal('AUDIENCE_AMBIGUOUS');
    });
  });

  it('cannot be defined twice for the same audience, with static keys, hosts, or as SPIFFE', () => {
    const refused = (...issuers: IssuerDefinition[]): string | undefined => {
      try {
        make(issuers);
      } catch (error) {
        expect(error).to.be.instanceOf(DefinitionError);
        return (error as DefinitionError).message;
      }
      return undefined;
    };
    expect(refused(meta(PATTERN), meta(PATTERN, { name: 'other' }))).to.contain(
      'take the audience "sigstore"',
    );
    const jwks = { kind: 'inline', jwks: { keys: [] } } as const;
    expect(refused(meta(PATTERN, { staticKeys: jwks }))).to.contain('cannot have jwks');
    expect(refused(meta(PATTERN, { jwksHosts: ['x'] }))).to.contain('cannot have jwks-hosts');
    expect(refused(meta(PATTERN, { type: 'spiffe', spiffeTrustDomain: 'x' }))).to.equal(
      'SPIFFE meta issuers not supported',
    );
    expect(refused(meta('https://x/?*'))).to.contain('not a pattern');
    expect(refused(meta(PATTERN, { caCert: 'x' }))).to.equal(
      `failed to parse CA certificate for meta issuer ${PATTERN}`,
    );
  });

  it('that are made up in a flood cost a bounded number of fetches, and leave the live ones alone', async () => {
    const door = make([meta(PATTERN)]);
    await ask(door, issuerOf('live'));
    tenants.isAbsent = (issuer) => issuer.includes('made-up');
    const before = tenants.asked.length;
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const code = await ask(door, issuerOf(`made-up-${i}`));
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    expect([...outcomes]).to.deep.equal([['ISSUER_UNREACHABLE', 3000]]);
    expect(tenants.asked.length - before).to.equal(NEW_ISSUERS_BURST - 1);
    expect(await ask(door, issuerOf('live'))).to.contain('live');
    expect(tenants.asked.length - before).to.equal(NEW_ISSUERS_BURST - 1);
    // A new one has its turn when the flood has passed.
    now += 1000;
    expect(await ask(door, issuerOf('new'))).to.contain('new');
  }).timeout(60_000);

  it('that are candidates never push out one that has verified a token', async () => {
    const door = make([meta(PATTERN)]);
    await ask(door, issuerOf('live'));
    tenants.isAbsent = (issuer) => !issuer.endsWith('live');
    for (let i = 0; i < MAX_CANDIDATES + 50; i++) {
      now += 1000 / NEW_ISSUERS_PER_SECOND;
      expect(await ask(door, issuerOf(i))).to.equal('ISSUER_UNREACHABLE');
    }
    const before = tenants.asked.length;
    await ask(door, issuerOf('live'));
    expect(tenants.asked.length).to.equal(before);
  });

  it('are not kept for a token that their keys do not verify', async () => {
    const door = make([meta(PATTERN)]);
    const forged = await tenants.sign(issuerOf('forged'), {}, await makeIssuerKey());
    expect(await outcome(door, forged)).to.equal('KEY_UNKNOWN');
    const next = make([meta(PATTERN)], door);
    await ask(door, issuerOf('good'));
    await door.close();
    const before = tenants.asked.length;
    await outcome(next, forged);
    expect(tenants.asked.length).to.be.greaterThan(before);
  });

  it('that fail are asked again only after the interval', async () => {
    const door = make([meta(PATTERN)]);
    tenants.isAbsent = () => true;
    for (let i = 0; i < 5; i++) await ask(door, issuerOf(1));
    expect(tenants.asked).to.have.length(1);
    tenants.isAbsent = () => false;
    now += RETRY_INTERVAL;
    expect(await ask(door, issuerOf(1))).to.contain(issuerOf(1));
  });

  it('that hang hold only so many tokens and sockets, and none of the limit of the others', async () => {
    const door = make([meta(PATTERN), emailDefinition('https://named.example')]);
    let release: (value?: unknown) => void = () => undefined;
    tenants.until = new Promise((resolve) => (release = resolve));
    const many = MAX_WAITING_FOR_UNKNOWN_ISSUERS + 30;
    const tokens = await Promise.all(Array.from({ length: many }, (_, i) => tenants.sign(issuerOf(i))));
    const outcomes = tokens.map((token) => outcome(door, token));
    const refused = await Promise.all(outcomes.slice(MAX_WAITING_FOR_UNKNOWN_ISSUERS));
    expect(new Set(refused)).to.deep.equal(new Set(['ISSUER_UNREACHABLE']));
    expect(tenants.asked).to.have.length(MAX_WAITING_FOR_UNKNOWN_ISSUERS);
    const exact = ask(door, 'https://named.example');
    release();
    expect(await exact).to.contain('named');
    for (const good of await Promise.all(outcomes.slice(0, MAX_WAITING_FOR_UNKNOWN_ISSUERS)))
      expect(good).to.contain(PATTERN);
  });

  it("are the cluster's own by one URL alone, which may have a private address", async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-meta-'));
    const cluster = {
      ...CLUSTER_ACCESS,
      ca: { mounted: join(directory, 'ca.crt'), deployed: join(directory, 'fulcio.crt') },
      token: join(directory, 'token'),
    };
    await writeFile(cluster.ca.mounted, (await selfSigned()).cert);
    const kubernetes = meta('https://kubernetes.*.svc', { type: 'kubernetes' });
    const { createFetcher } = tenants;
    const door = createAuthenticator({
      issuers: [kubernetes],
      clock: () => now,
      createFetcher,
      cluster,
    });
    open.push(door);
    const claims = { 'kubernetes.io': { namespace: 'a', serviceaccount: { name: 'b' } } };
    for (const name of ['default', 'other'])
      expect(await ask(door, `https://kubernetes.${name}.svc`, claims)).to.contain(name);
    expect(tenants.asked.map(({ url, publicOnly }) => [new URL(url).hostname, publicOnly])).to.deep.equal([
      ['kubernetes.default.svc', false],
      ['kubernetes.default.svc', false],
      ['kubernetes.other.svc', true],
      ['kubernetes.other.svc', true],
    ]);
    await rm(directory, { recursive: true });
  });

  it('live on in a configuration with the same pattern, and only there', async () => {
    const old = make([meta(PATTERN)]);
    await ask(old, issuerOf(1));
    const next = make([meta(PATTERN, { name: 'next', audiences: ['mine'] })], old);
    await old.close();
    expect(await ask(next, issuerOf(1), { aud: 'mine' })).to.contain('next');
    expect(tenants.asked).to.have.length(2);
    const other = make([meta('https://eu.tenants.example/id/*')], next);
    await next.close();
    await ask(other, issuerOf(1));
    expect(tenants.asked).to.have.length(4);
  });
});

describe('An issuer that a pattern leads to the neighbourhood', () => {
  it('is not asked', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as AddressInfo;
    const hosts = ['localhost', '127.0.0.1', '[::1]', '[::ffff:7f00:1]'];
    const issuers = hosts.map((host) => meta(`http://${host}:${port}/*`));
    const door = createAuthenticator({ issuers, clock: Date.now });
    const tenants = await TenantIssuers.start();
    for (const host of hosts) {
      const token = await tenants.sign(`http://${host}:${port}/x`);
      const error = await failureOf(door.identify(token));
      expect(error, host).to.have.property('code', 'ISSUER_METADATA_INVALID');
      expect((error as TokenError).cause, host)
        .to.have.property('message')
        .that.contains('no public address');
    }
    expect(requests).to.equal(0);
    await door.close();
    await tenants.close();
    server.close();
  });
});
