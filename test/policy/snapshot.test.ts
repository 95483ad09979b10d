import { expect } from 'chai';
import { proveKey, type ProvenKey } from '../../ca/possession.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import type { Identity } from '../../oidc/identity.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import type { ReplayCheck } from '../../policy/issuer-policy.ts';
import type { Grant } from '../../ca/issuance-policy.ts';
import type { ConfiguredIssuer, IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import type { RuleDefinition } from '../../policy/rules/rule-definition.ts';
import { LivePolicy } from '../../policy/live-policy.ts';
import { compilePolicy, type PolicyContext, type PolicySnapshot } from '../../policy/snapshot.ts';
import { pemOf } from '../ca/support/authority.ts';
import { proofOf, testKey } from '../ca/support/keys.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { OPEN_POLICY } from '../support/test-service.ts';
import { failureOf } from '../support/failure.ts';

const EMAIL = 'alice@example.com';
const DENY: RuleDefinition = {
  name: 'no-alice',
  effect: 'deny',
  expression: `claims.email == "${EMAIL}"`,
  message: 'Ask us.',
};
const ALLOW: RuleDefinition = {
  name: 'example',
  effect: 'allow',
  expression: 'claims.email.endsWith("@example.com")',
};

describe('policy/snapshot', () => {
  let issuer: TestIssuer;
  const open: PolicySnapshot[] = [];
  const time = { skew: 0 };
  before(async () => {
    issuer = await startIssuer();
  });
  afterEach(async () => {
    time.skew = 0;
    for (const snapshot of open.splice(0)) await snapshot.close();
  });
  after(() => issuer.close());

  function block(
    policy: Partial<IssuerPolicyDefinition> = {},
    definition: Partial<IssuerDefinition> = {},
  ): ConfiguredIssuer {
    return {
      definition: {
        name: 'people',
        url: issuer.url,
        isMeta: false,
        audiences: ['sigstore'],
        type: 'email',
        skipEmailVerification: false,
        ...definition,
      },
      policy: { ...OPEN_POLICY, ...policy },
    };
  }

  async function compile(
    issuers: readonly ConfiguredIssuer[],
    context: Partial<PolicyContext> = {},
  ): Promise<PolicySnapshot> {
    const clock = (): number => Date.now() + time.skew;
    const snapshot = await compilePolicy(issuers, {
      clock,
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
      ...context,
    });
    open.push(snapshot);
    return snapshot;
  }

  const tokenFor = (claims: Readonly<Record<string, unknown>> = {}): Promise<string> =>
    issuer.sign({ email: EMAIL, email_verified: true, ...claims });

  function provenKey(policy: PolicySnapshot, identity: Identity): ProvenKey {
    const key = testKey('P-256');
    const proof = proofOf(key, identity.principal.challenge);
    const request = { kind: 'publicKey', content: pemOf(key.publicKey), proof } as const;
    return proveKey(request, identity.principal, policy.keyDemands(identity));
  }

  /** Asks for leave as issuing does; the code of the refusal where there is one. */
  async function ask(policy: PolicySnapshot, token?: string): Promise<unknown> {
    try {
      const compact = token ?? (await tokenFor());
      const identity = await policy.identify(compact);
      return await policy.authorize(identity, provenKey(policy, identity), compact);
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
  }

  it('answers at once and with the lifetime of the issuer block where nothing has to be looked at', async () => {
    const policy = await compile([block({ lifetimeSeconds: 300 })]);
    const token = await tokenFor();
    const identity = await policy.identify(token);
    const grant = policy.authorize(identity, provenKey(policy, identity), token);
    expect(grant).to.deep.equal({ lifetimeSeconds: 300 });
  });

  it('names the rule that allows, and refuses by rules with the names of rule and issuer block', async () => {
    expect(await ask(await compile([block({ rules: [ALLOW] })]))).to.deep.equal({
      lifetimeSeconds: 600,
      rule: 'example',
    });
    const policy = await compile([block({ rules: [ALLOW, DENY] })]);
    const identity = await policy.identify(await tokenFor());
    const key = provenKey(policy, identity);
    const refusal = {
      code: 'RULE_DENIED',
      message: 'Ask us.',
      metadata: { entry: 'people', rule: 'no-alice' },
    };
    expect(() => policy.authorize(identity, key, ''))
      .to.throw()
      .that.deep.includes(refusal);
    expect(() => {
      policy.requireStillAllowed(identity, key);
    })
      .to.throw()
      .that.deep.includes(refusal);
    expect(await ask(policy, await tokenFor({ email: 'bob@example.org' }))).to.equal('NO_RULE_ALLOWS');
  });

  it('refuses everybody where rules are required and none allows', async () => {
    expect(await ask(await compile([block({ requireRules: true })]))).to.equal('RULES_REQUIRED');
    expect(await ask(await compile([block({ requireRules: true, rules: [DENY] })]))).to.equal(
      'RULES_REQUIRED',
    );
    expect(await ask(await compile([block({ requireRules: true, rules: [ALLOW] })]))).to.have.property(
      'rule',
    );
  });

  it('takes keys and requests as the issuer block of the token says, not as another issuer block', async () => {
    const policy = await compile([
      block({ csr: false, keyAlgorithms: ['ed25519'] }),
      block({}, { name: 'others', audiences: ['other'] }),
    ]);
    const strict = policy.keyDemands(await policy.identify(await tokenFor()));
    expect(strict.csr).to.equal(false);
    expect(() => {
      strict.permit('P-256', 'sha256');
    }).to.throw('not permitted');
    const lax = policy.keyDemands(await policy.identify(await tokenFor({ aud: 'other' })));
    expect(lax.csr).to.equal(true);
    lax.permit('P-256', 'sha256');
  });

  it('refuses two issuer blocks of one name, of which one would decide by the rules of the other', async () => {
    const twins = [block({ rules: [DENY] }), block({}, { audiences: ['other'] })];
    const failure = await failureOf(compile(twins));
    expect(failure).to.include({
      code: 'ISSUER_DUPLICATE',
      message: 'two issuer blocks have the name "people"',
    });
  });

  it('refuses a configuration whose rule cannot be compiled', async () => {
    const broken = { ...DENY, expression: 'claims.email ==' };
    const failure = await failureOf(compile([block({ rules: [broken] })]));
    expect(failure).to.have.property('code', 'RULE_INVALID');
  });

  it('takes over no rule that changed, though name, effect and number of the rules did not', async () => {
    const before = await compile([block({ rules: [ALLOW] })]);
    expect(await ask(before)).to.be.an('object');
    const narrowed = { ...ALLOW, expression: 'claims.email == "bob@example.com"' };
    const now = await compile([block({ rules: [narrowed] })], { previous: before });
    expect(await ask(now)).to.equal('NO_RULE_ALLOWS');
  });

  describe('rate limits', () => {
    const small = { perMinute: 1, burst: 2 };

    it('refuse a principal that asks too often, then nobody else, and say when to come back', async () => {
      const policy = await compile([block({ principalRateLimit: small })]);
      const asked = [await ask(policy), await ask(policy), await ask(policy)];
      expect(asked.map((answer) => typeof answer)).to.deep.equal(['object', 'object', 'string']);
      expect(asked[2]).to.equal('PRINCIPAL_RATE_LIMITED');
      expect(await ask(policy, await tokenFor({ email: 'bob@example.com' }))).to.be.an('object');
      const identity = await policy.identify(await tokenFor());
      expect(() => policy.authorize(identity, provenKey(policy, identity), ''))
        .to.throw()
        .with.nested.property('metadata.retryAfter')
        .that.matches(/^(5\d|60)$/);
      time.skew = 61_000;
      expect(await ask(policy)).to.be.an('object');
    });

    it('know principals of one name apart by the issuer that the certificate names', async () => {
      const federated = { issuerClaim: '$.federated' };
      const policy = await compile([block({ principalRateLimit: { perMinute: 1, burst: 1 } }, federated)]);
      const from = async (issuer: string): Promise<unknown> =>
        ask(policy, await tokenFor({ federated: `https://${issuer}.example` }));
      expect(await from('github')).to.be.an('object');
      expect(await from('github')).to.equal('PRINCIPAL_RATE_LIMITED');
      expect(await from('google')).to.be.an('object');
    });

    it('of an issuer block are for all together, and whom a rule refuses does not count', async () => {
      const policy = await compile([block({ issuerRateLimit: small, rules: [DENY] })]);
      for (let i = 0; i < 5; i++) expect(await ask(policy)).to.equal('RULE_DENIED');
      const askAs = async (email: string): Promise<unknown> => ask(policy, await tokenFor({ email }));
      expect(await askAs('b@example.com')).to.be.an('object');
      expect(await askAs('c@example.com')).to.be.an('object');
      expect(await askAs('d@example.com')).to.equal('ISSUER_RATE_LIMITED');
    });

    it('count a request against its principal only when the limit of all lets it through', async () => {
      const own = { perMinute: 1, burst: 2 };
      const all = { perMinute: 60, burst: 1 };
      const policy = await compile([block({ issuerRateLimit: all, principalRateLimit: own })]);
      expect(await ask(policy)).to.be.an('object');
      for (let i = 0; i < 5; i++) expect(await ask(policy)).to.equal('ISSUER_RATE_LIMITED');
      time.skew = 1_500;
      expect(await ask(policy)).to.be.an('object');
      time.skew = 3_000;
      expect(await ask(policy)).to.equal('PRINCIPAL_RATE_LIMITED');
    });

    it('take a request out again that came to nothing', async () => {
      const policy = await compile([block({ principalRateLimit: small, issuerRateLimit: small })]);
      const grant = async () => (await ask(policy)) as Grant;
      (await grant()).refund?.();
      await grant();
      await grant();
      expect(await ask(policy)).to.equal('PRINCIPAL_RATE_LIMITED');
    });

    it('go on counting in the next configuration when they did not change', async () => {
      const first = await compile([block({ principalRateLimit: small })]);
      expect(await ask(first)).to.be.an('object');
      expect(await ask(first)).to.be.an('object');
      const second = await compile([block({ principalRateLimit: small, rules: [ALLOW] })], {
        previous: first,
      });
      expect(await ask(second)).to.equal('PRINCIPAL_RATE_LIMITED');
      const third = await compile([block({ principalRateLimit: { ...small, burst: 3 } })], {
        previous: second,
      });
      expect(await ask(third)).to.be.an('object');
    });
  });

  describe('a replay guard', () => {
    interface Marked {
      readonly key: string;
      readonly expiresAt: number;
    }
    function memory(): {
      marked: Marked[];
      openReplayGuard: () => Promise<Extract<ReplayCheck, { readonly markUsed: unknown }>>;
      opened: number;
    } {
      const used = new Set<string>();
      const made = {
        marked: [] as Marked[],
        opened: 0,
        openReplayGuard: () => {
          made.opened++;
          return Promise.resolve({
            markUsed: (bytes: Uint8Array, expiresAt: number) => {
              const key = Buffer.from(bytes).toString('hex');
              made.marked.push({ key, expiresAt });
              return Promise.resolve(!used.has(key) && used.add(key).size > 0);
            },
            wasUsed: () => false,
          });
        },
      };
      return made;
    }

    it('lets a token work once, as long as it could be used', async () => {
      const { marked, openReplayGuard } = memory();
      const policy = await compile([block({ replayGuard: 'token' }, { leewaySeconds: 30 })], {
        openReplayGuard,
      });
      const exp = Math.floor(Date.now() / 1000) + 200;
      const token = await tokenFor({ exp, jti: 'one' });
      expect(await ask(policy, token)).to.be.an('object');
      expect(await ask(policy, token)).to.equal('TOKEN_REPLAYED');
      expect(marked[0]?.expiresAt).to.equal((exp + 30) * 1000);
      expect(Buffer.from(marked[0]?.key ?? '', 'hex')).to.have.length(32);
      expect(await ask(policy, await tokenFor({ exp, jti: 'one', nonce: 'another token' }))).to.be.an(
        'object',
      );
    });

    it('knows a token by its jti, or by its hash when it has none', async () => {
      const policy = await compile([block({ replayGuard: 'jti' })], memory());
      expect(await ask(policy, await tokenFor({ jti: 'one' }))).to.be.an('object');
      expect(await ask(policy, await tokenFor({ jti: 'one', nonce: 'signed anew' }))).to.equal(
        'TOKEN_REPLAYED',
      );
      for (const jti of [undefined, 7, '', ['one']]) {
        const token = await tokenFor({ jti, nonce: String(jti) });
        expect(await ask(policy, token), String(jti)).to.be.an('object');
        expect(await ask(policy, token), String(jti)).to.equal('TOKEN_REPLAYED');
      }
    });

    it('does not take a jti of one issuer for the same one of another', async () => {
      const other = await startIssuer();
      try {
        const policy = await compile(
          [block({ replayGuard: 'jti' }), block({ replayGuard: 'jti' }, { name: 'others', url: other.url })],
          memory(),
        );
        const claims = { email: EMAIL, email_verified: true, jti: 'one' };
        expect(await ask(policy, await issuer.sign(claims))).to.be.an('object');
        expect(await ask(policy, await other.sign(claims))).to.be.an('object');
        expect(await ask(policy, await other.sign({ ...claims, nonce: 'anew' }))).to.equal('TOKEN_REPLAYED');
      } finally {
        await other.close();
      }
    });

    it('remembers a token of one issuer block for the next one that takes its audience', async () => {
      const guard = memory();
      const token = await tokenFor({ jti: 'one' });
      const before = await compile([block({ replayGuard: 'jti' })], guard);
      expect(await ask(before, token)).to.be.an('object');
      const now = await compile([block({ replayGuard: 'jti' }, { name: 'new' })], {
        ...guard,
        previous: before,
      });
      expect(await ask(now, token)).to.equal('TOKEN_REPLAYED');
    });

    it('knows a token whatever signature it carries', async () => {
      const policy = await compile([block({ replayGuard: 'token' })], memory());
      const iat = Math.floor(Date.now() / 1000);
      // ECDSA signs anew each time.
      const [first, second] = [
        await tokenFor({ iat, exp: iat + 99 }),
        await tokenFor({ iat, exp: iat + 99 }),
      ];
      expect(first).to.not.equal(second);
      expect(await ask(policy, first)).to.be.an('object');
      expect(await ask(policy, second)).to.equal('TOKEN_REPLAYED');
    });

    it('is not asked for a token that another thread counts for a block that has none any more', async () => {
      const snapshot = await compile([block({ replayGuard: 'off' })]);
      const token = { key: new Uint8Array(32), expires: Date.now() + 60_000 };
      expect(snapshot.issuerPolicies.get('people')?.count({ who: EMAIL, token })).to.equal(undefined);
    });

    it('uses up no token that rules or limits refuse, and asks for no memory where no issuer block wants one', async () => {
      const made = memory();
      await compile([block()], made);
      expect(made.opened).to.equal(0);
      const denying = await compile([block({ replayGuard: 'jti', rules: [DENY] })], made);
      expect(await ask(denying)).to.equal('RULE_DENIED');
      expect(made.marked).to.deep.equal([]);
    });

    it('lets nobody spend the limits of others by sending their used tokens', async () => {
      const limit = { perMinute: 1, burst: 3 };
      const guarded = block({ replayGuard: 'jti', principalRateLimit: limit, issuerRateLimit: limit });
      const policy = await compile([guarded], memory());
      const used = await tokenFor({ jti: 'one' });
      expect(await ask(policy, used)).to.be.an('object');
      for (let i = 0; i < 50; i++) expect(await ask(policy, used)).to.equal('TOKEN_REPLAYED');
      expect(await ask(policy, await tokenFor({ jti: 'two' }))).to.be.an('object');
      expect(await ask(policy, await tokenFor({ jti: 'three' }))).to.be.an('object');
      expect(await ask(policy, await tokenFor({ jti: 'four' }))).to.equal('PRINCIPAL_RATE_LIMITED');
    });

    it('is not even asked for a token that is known to be used, and such a token takes nothing for a moment', async () => {
      const limit = { perMinute: 1, burst: 1 };
      const guard = memory();
      const known = new Set<string>();
      const openReplayGuard = async (): Promise<ReplayCheck> => ({
        ...(await guard.openReplayGuard()),
        wasUsed: (key) => known.has(Buffer.from(key).toString('hex')),
      });
      const policy = await compile([block({ replayGuard: 'jti', principalRateLimit: limit })], {
        openReplayGuard,
      });
      time.skew = 0;
      const used = await tokenFor({ jti: 'one' });
      expect(await ask(policy, used)).to.be.an('object');
      known.add(guard.marked[0]?.key ?? '');
      time.skew = 61_000;
      const replays = Array.from({ length: 20 }, () => ask(policy, used));
      expect(await ask(policy, await tokenFor({ jti: 'two', exp: 4_000_000_000 }))).to.be.an('object');
      expect(new Set(await Promise.all(replays))).to.deep.equal(new Set(['TOKEN_REPLAYED']));
      expect(guard.marked).to.have.length(2);
    });

    it('counts nothing when it is not known whether a token was used', async () => {
      let isBroken = true;
      const good = memory();
      const openReplayGuard = async (): Promise<ReplayCheck> => {
        const { markUsed } = await good.openReplayGuard();
        const broken = (): Promise<boolean> =>
          Promise.reject(new PolicyError('REPLAY_GUARD_UNAVAILABLE', 'who knows'));
        return { markUsed: (...words) => (isBroken ? broken() : markUsed(...words)), wasUsed: () => false };
      };
      const limit = { perMinute: 1, burst: 1 };
      const policy = await compile([block({ replayGuard: 'jti', principalRateLimit: limit })], {
        openReplayGuard,
      });
      for (let i = 0; i < 5; i++) {
        expect(await ask(policy, await tokenFor({ jti: `broken ${i}` }))).to.equal(
          'REPLAY_GUARD_UNAVAILABLE',
        );
      }
      isBroken = false;
      expect(await ask(policy, await tokenFor({ jti: 'good' }))).to.be.an('object');
    });

    it('refuses when it is not known whether a token was used', async () => {
      const openReplayGuard = (): Promise<ReplayCheck> =>
        Promise.resolve({
          markUsed: () => Promise.reject(new PolicyError('REPLAY_GUARD_UNAVAILABLE', 'who knows')),
          wasUsed: () => false,
        });
      const policy = await compile([block({ replayGuard: 'jti' })], { openReplayGuard });
      expect(await ask(policy)).to.equal('REPLAY_GUARD_UNAVAILABLE');
    });
  });

  describe('confirming an identity of an older configuration', () => {
    async function confirmation(
      older: readonly ConfiguredIssuer[],
      newer: readonly ConfiguredIssuer[],
      token: string,
    ): Promise<unknown> {
      const before = await compile(older);
      const identity = await before.identify(token);
      const key = provenKey(before, identity);
      const now = await compile(newer, { previous: before });
      try {
        now.requireStillAllowed(identity, key);
        return 'confirmed';
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    }

    it('asks the rules of the issuer block that the token falls to now, whatever its name', async () => {
      const token = await tokenFor({ aud: 'second' });
      const of = (audience: string, name: string, rules: readonly RuleDefinition[]): ConfiguredIssuer =>
        block({ rules }, { name, audiences: [audience] });
      const older = [of('first', 'a', []), of('second', 'b', [])];
      expect(await confirmation(older, [of('second', 'a', []), of('first', 'b', [DENY])], token)).to.equal(
        'confirmed',
      );
      expect(await confirmation(older, [of('second', 'a', [DENY]), of('first', 'b', [])], token)).to.equal(
        'RULE_DENIED',
      );
    });

    it('asks the issuer block of the very issuer, not that of a pattern that fits it too', async () => {
      const pattern = issuer.url.replace('127.0.0.1', '127.0.0.*');
      const meta = (rules: readonly RuleDefinition[]): ConfiguredIssuer =>
        block({ rules }, { name: 'pattern', url: pattern, isMeta: true });
      const token = await tokenFor();
      expect(await confirmation([block()], [meta([]), block({ rules: [DENY] })], token)).to.equal(
        'RULE_DENIED',
      );
      expect(await confirmation([block()], [meta([DENY]), block()], token)).to.equal('confirmed');
      expect(await confirmation([block()], [meta([DENY])], token)).to.equal('RULE_DENIED');
    });

    it('refuses when issuer or audience are no longer there', async () => {
      const token = await tokenFor();
      const elsewhere = block({}, { url: 'https://elsewhere.example' });
      expect(await confirmation([block()], [elsewhere], token)).to.equal('ISSUER_UNKNOWN');
      expect(await confirmation([block()], [], token)).to.equal('ISSUER_UNKNOWN');
      const other = block({}, { audiences: ['other'] });
      expect(await confirmation([block()], [other], token)).to.equal('AUDIENCE_MISMATCH');
    });

    it('counts nothing', async () => {
      const limited = block({ principalRateLimit: { perMinute: 1, burst: 1 } });
      const before = await compile([limited]);
      const identity = await before.identify(await tokenFor());
      const now = await compile([limited], { previous: before });
      for (let i = 0; i < 5; i++) now.requireStillAllowed(identity, provenKey(before, identity));
      expect(await ask(now)).to.be.an('object');
    });
  });

  it('closes the connections of an older one only when the last token is read', async () => {
    const closed: string[] = [];
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const fetcher = (name: string): Partial<PolicyContext> => ({
      createFetcher: () => ({
        fetch: async (url: unknown) => {
          asked();
          await answered;
          const path = String(url).endsWith('/jwks') ? '/jwks' : '/.well-known/openid-configuration';
          return (await (await fetch(issuer.url + path)).json()) as Record<string, unknown>;
        },
        close: () => Promise.resolve(void closed.push(name)),
      }),
    });
    const live = new LivePolicy(await compile([block()], fetcher('old')));
    const token = await tokenFor();
    const pending = live.current.identify(token);
    await isAsked;
    live.replace(await compile([], { ...fetcher('new') }));
    await new Promise(setImmediate);
    expect(closed).to.deep.equal([]);
    answer();
    expect((await pending).principal.san.value).to.equal(EMAIL);
    await new Promise(setImmediate);
    expect(closed).to.deep.equal(['old']);
  });
});
