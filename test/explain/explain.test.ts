import { expect } from 'chai';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { parseConfig } from '../../config/load/load.ts';
import { MayflyError } from '../../core/errors.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import { Explainer } from '../../explain/explain.ts';
import type { Evidence } from '../../explain/explain-claims.ts';
import { CHECKS, type CheckName, type Explanation } from '../../explain/explanation.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { KEY_TYPES, TrialKeys } from '../../explain/trial-key.ts';
import { AUDIENCE, filledPreset } from '../support/filled-preset.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { PROVIDER_CASES } from '../support/provider-claims/all.ts';
import { standingIn } from '../support/standing-in.ts';
import { createAuthenticator } from '../support/authenticator.ts';
import { failureOf } from '../support/failure.ts';

const AT = Date.UTC(2026, 10, 22, 12);

const outcomeOf = ({ checks }: Explanation, name: CheckName): string | undefined =>
  checks.find((check) => check.name === name)?.outcome;

/** What the service decides of a token. */
async function decisionOf(
  issuers: readonly ConfiguredIssuer[],
  compact: string,
  createFetcher: ReturnType<typeof standingIn>,
): Promise<object> {
  const permittedAlgorithms = DEFAULT_SIGNING_ALGORITHMS;
  const policy = await compilePolicy(issuers, { clock: Date.now, permittedAlgorithms, createFetcher });
  try {
    const identity = await policy.identify(compact);
    const key = new TrialKeys().prove('P-256', identity.principal, policy.keyDemands(identity));
    const { rule } = await policy.authorize(identity, key, compact);
    return { rule, san: identity.principal.san };
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return { reason: error.code as string, sentence: error.message, hint: error.hint };
  } finally {
    await policy.close();
  }
}

describe('policy/explain/explain', () => {
  let issuer: TestIssuer;
  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());

  const question = (evidence: Evidence, keyType: (typeof KEY_TYPES)[number] = 'P-256', at = Date.now()) => ({
    evidence,
    keyType,
    at,
  });

  async function explain(
    issuers: readonly ConfiguredIssuer[],
    evidence: Evidence,
    options: Partial<ConstructorParameters<typeof Explainer>[0]> = {},
    keyType: (typeof KEY_TYPES)[number] = 'P-256',
    at?: number,
  ): Promise<Explanation> {
    const explainer = new Explainer({
      issuers,
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
      createFetcher: undefined,
      ...options,
    });
    try {
      const explanation = await explainer.explain(question(evidence, keyType, at));
      expect(explanation.checks.map(({ name }) => name)).to.deep.equal([...CHECKS]);
      expect(explanation.issued).to.equal(explanation.refusal === undefined);
      return explanation;
    } finally {
      await explainer.close();
    }
  }

  const claimsOf = (value: unknown): Evidence => ({ kind: 'claims', json: JSON.stringify(value) });

  describe('with the issuer block and a token of a provider', () => {
    let other: TestIssuer;
    before(async () => (other = await startIssuer()));
    after(() => other.close());

    PROVIDER_CASES.forEach(({ preset, claims, san, extensions, others }, index) => {
      const { issuers } = parseConfig(filledPreset(preset));
      const definition = issuers[0]?.definition ?? expect.fail();
      const token = async (changes: object = {}): Promise<{ readonly compact: string }> => {
        const aud = definition.audiences.at(-1);
        const compact = await other.sign({ iss: definition.url, aud, ...claims, ...changes });
        return { compact };
      };
      /** Explains a token, and holds that against what the service itself decides. */
      const ask = async (changes?: object): Promise<Explanation> => {
        const createFetcher = standingIn(other, definition.url);
        const { compact } = await token(changes);
        const explanation = await explain(issuers, { kind: 'token', compact }, { createFetcher });
        const decided = await decisionOf(issuers, compact, createFetcher);
        const { refusal, rule, certificate } = explanation;
        expect(decided).to.deep.equal(
          refusal === undefined
            ? { rule, san: certificate?.san }
            : { reason: refusal.reason, sentence: refusal.sentence, hint: refusal.hint },
        );
        return explanation;
      };

      it(`admits whom the rule names: ${preset} (${index})`, async () => {
        const { issued, refusal, rule, certificate, checks } = await ask();
        expect(refusal).to.equal(undefined);
        expect(issued).to.equal(true);
        const allowing = issuers[0]?.policy.rules.filter(({ effect }) => effect === 'allow');
        expect(rule).to.be.oneOf(allowing?.map(({ name }) => name) ?? []);
        expect(certificate?.san.value).to.equal(san);
        const values = Object.fromEntries(
          (certificate?.extensions ?? []).map(({ number, value }) => [number, value]),
        );
        expect(values).to.deep.include(extensions);
        expect(
          checks.filter(({ outcome }) => outcome === 'not checked').map(({ name }) => name),
        ).to.deep.equal(['rate-limit', 'replay']);
      });

      for (const [who, changes] of Object.entries(others)) {
        it(`refuses somebody else by a rule: ${preset} (${index}), ${who}`, async () => {
          const explanation = await ask(changes);
          expect(explanation.refusal?.reason).to.be.oneOf(['RULE_DENIED', 'NO_RULE_ALLOWS']);
          expect(outcomeOf(explanation, 'rules')).to.equal('failed');
        });
      }
    });
  });

  describe('with an issuer block for e-mail addresses', () => {
    const yaml = (lines: readonly string[] = []): string =>
      [
        'oidc-issuers:',
        `  ${issuer.url}:`,
        '    client-id: ca.acme.example',
        '    type: email',
        ...(lines.length === 0 ? [] : ['    mayfly:', ...lines.map((line) => `      ${line}`)]),
      ].join('\n');
    const issuersOf = (lines?: readonly string[]): readonly ConfiguredIssuer[] =>
      parseConfig(yaml(lines)).issuers;
    const sue = (): Record<string, unknown> => ({
      iss: issuer.url,
      aud: AUDIENCE,
      sub: 'sue',
      email: 'sue@acme.example',
      email_verified: true,
    });

    const badTokens: readonly (readonly [what: string, make: () => Promise<string>, at: CheckName])[] = [
      ['no token', () => Promise.resolve(''), 'token'],
      ['a token with two parts', () => Promise.resolve('a.b'), 'token'],
      [
        'an algorithm that is never accepted',
        () => Promise.resolve(`${part({ alg: 'none' })}.${part({})}.AA`),
        'algorithm',
      ],
      ['another issuer', () => issuer.sign({ ...sue(), iss: 'https://evil.example' }), 'issuer'],
      ['no issuer', () => issuer.sign(sue(), { without: ['iss'] }), 'token'],
      ['another audience', () => issuer.sign({ ...sue(), aud: 'sigstore' }), 'audience'],
      ['an old token', () => issuer.sign({ ...sue(), exp: 1 }), 'expiry'],
      ['a token of tomorrow', () => issuer.sign({ ...sue(), nbf: 4e9 }), 'not-before'],
      [
        'an address that nobody vouches for',
        () => issuer.sign({ ...sue(), email_verified: false }),
        'identity',
      ],
      ['a subject that is no text', () => issuer.sign({ ...sue(), sub: 7 }), 'identity'],
      [
        'a broken signature',
        async () => `${(await issuer.sign(sue())).replace(/\.[^.]*$/, '')}.${'A'.repeat(86)}`,
        'signature',
      ],
    ];
    for (const [what, make, at] of badTokens) {
      it(`refuses as the service does, and says where: ${what}`, async () => {
        const compact = await make();
        const issuers = issuersOf();
        const explanation = await explain(issuers, { kind: 'token', compact });
        const door = createAuthenticator({
          issuers: issuers.map(({ definition }) => definition),
          clock: Date.now,
        });
        const error = (await failureOf(() => door.identify(compact))) as MayflyError;
        await door.close();
        expect(explanation.refusal).to.deep.include({
          reason: error.code,
          sentence: error.message,
          hint: error.hint,
        });
        expect(outcomeOf(explanation, at)).to.equal('failed');
        if (compact !== '') expect(JSON.stringify(explanation)).not.to.include(compact);
      });
    }

    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

    it('goes on after a failure, so that one look shows everything', async () => {
      const compact = await issuer.sign({ ...sue(), exp: 1 });
      const lines = ['rules:', '  - name: nobody', '    allow: "false"'];
      const explanation = await explain(issuersOf(lines), { kind: 'token', compact });
      expect(explanation.refusal?.reason).to.equal('TOKEN_EXPIRED');
      expect(explanation.rules).to.deep.equal([
        { rule: 'nobody', effect: 'allow', outcome: 'does not hold' },
      ]);
      expect(explanation.certificate?.san).to.deep.equal({ type: 'email', value: 'sue@acme.example' });
      expect(outcomeOf(explanation, 'signature')).to.equal('ok');
      expect(outcomeOf(explanation, 'rules')).to.equal('failed');
    });

    it('says what it cannot check of claims, and asks no issuer', async () => {
      const before = { ...issuer.requests };
      const explanation = await explain(issuersOf(), claimsOf(sue()));
      expect(explanation.issued).to.equal(true);
      for (const name of ['algorithm', 'signature', 'expiry'] as const)
        expect(outcomeOf(explanation, name)).to.equal('not checked');
      expect(issuer.requests).to.deep.equal(before);
    });

    it('judges the times of claims that have them, as of the time it is given', async () => {
      const claims = claimsOf({ ...sue(), exp: AT / 1000, nbf: AT / 1000 - 60 });
      const asOf = (at: number) => explain(issuersOf(), claims, {}, 'P-256', at);
      expect((await asOf(AT - 1000)).issued).to.equal(true);
      expect((await asOf(AT)).refusal?.reason).to.equal('TOKEN_EXPIRED');
      expect((await asOf(AT - 600_000)).refusal?.reason).to.equal('TOKEN_NOT_YET_VALID');
    });

    it('holds claims to the limits of tokens', async () => {
      const deep = JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) as unknown;
      const nested = await explain(issuersOf(), claimsOf({ ...sue(), deep }));
      expect(nested.refusal?.reason).to.equal('TOKEN_MALFORMED');
      const long = await explain(issuersOf(), claimsOf({ ...sue(), long: 'x'.repeat(40_000) }));
      expect(long.refusal?.reason).to.equal('TOKEN_TOO_LARGE');
    });

    it('does not call a token refused because its issuer is out of reach from here', async () => {
      const compact = await issuer.sign(sue());
      const createFetcher = () => ({
        fetch: () => Promise.reject(new TypeError('not in this test')),
        close: () => Promise.resolve(),
      });
      const gone = await startIssuer();
      const elsewhere = parseConfig(yaml().replaceAll(issuer.url, gone.url)).issuers;
      const token = await gone.sign({ ...sue(), iss: gone.url });
      await gone.close();
      const explanation = await explain(elsewhere, { kind: 'token', compact: token });
      expect(explanation.issued).to.equal(true);
      expect(outcomeOf(explanation, 'signature')).to.equal('not checked');
      const failure = await failureOf(() =>
        explain(issuersOf(), { kind: 'token', compact }, { createFetcher }),
      );
      expect(failure).to.be.instanceOf(TypeError);
    });

    it('refuses a key that the issuer block does not permit, and still asks the rules', async () => {
      const lines = [
        'key-algorithms: [ed25519]',
        'rules:',
        '  - name: curve',
        '    allow: key.type == "P-256"',
      ];
      const explanation = await explain(issuersOf(lines), claimsOf(sue()));
      expect(explanation.refusal?.reason).to.equal('ALGORITHM_NOT_PERMITTED');
      expect(explanation.rules[0]?.outcome).to.equal('holds');
      const other = await explain(issuersOf(lines), claimsOf(sue()), {}, 'Ed25519');
      expect(other.refusal).to.deep.include({ reason: 'NO_RULE_ALLOWS', rule: 'curve' });
    });

    it('knows every key type', async () => {
      for (const keyType of KEY_TYPES.filter((type) => type !== 'RSA-3072' && type !== 'RSA-4096'))
        expect((await explain(issuersOf(), claimsOf(sue()), {}, keyType)).refusal, keyType).to.equal(
          undefined,
        );
    });

    it('names the rule that fails, and why', async () => {
      const lines = ['rules:', '  - name: team', '    allow: claims.team == "a"'];
      const { refusal, rules } = await explain(issuersOf(lines), claimsOf(sue()));
      expect(refusal).to.deep.include({ reason: 'RULE_FAILED', rule: 'team' });
      expect(rules[0]).to.deep.include({ outcome: 'failed', detail: 'claims.team is not there' });
    });

    it('refuses where rules are required and there is none', async () => {
      const { issuers } = parseConfig(`${yaml()}\nmayfly:\n  require-rules: true\n`);
      expect((await explain(issuers, claimsOf(sue()))).refusal?.reason).to.equal('RULES_REQUIRED');
    });

    it('shows the lifetime of the issuer block, never past the CA', async () => {
      const lines = ['lifetime: 5'];
      const span = async (notAfter: number): Promise<number | undefined> => {
        const authority = { notBefore: 0, notAfter };
        const { certificate } = await explain(issuersOf(lines), claimsOf(sue()), { authority }, 'P-256', AT);
        return certificate && (certificate.notAfter - certificate.notBefore) / 1000;
      };
      expect(await span(AT + 3_600_000)).to.equal(300);
      expect(await span(AT + 60_000)).to.equal(60);
      const { refusal } = await explain(
        issuersOf(lines),
        claimsOf(sue()),
        { authority: { notBefore: 0, notAfter: AT } },
        'P-256',
        AT,
      );
      expect(refusal?.reason).to.equal('AUTHORITY_EXPIRED');
    });

    it('refuses a name that cannot stand in a certificate', async () => {
      const explanation = await explain(issuersOf(), claimsOf({ ...sue(), email: 'süe@acme.example' }));
      expect(explanation.refusal?.reason).to.be.oneOf(['IDENTITY_UNENCODABLE', 'IDENTITY_REFUSED']);
    });

    it('says of each issuer block why it is not the one', async () => {
      const text = [
        'oidc-issuers:',
        `  ${issuer.url}:`,
        '    - {client-id: ca.acme.example, type: email, mayfly: {name: people}}',
        '    - {client-id: other, type: email, mayfly: {name: others}}',
        `  ${issuer.url}/:`,
        '    {client-id: ca.acme.example, type: email, mayfly: {name: slash}}',
        '  https://login.example.com: {client-id: ca.acme.example, type: email}',
      ].join('\n');
      const { issuers } = await explain(parseConfig(text).issuers, claimsOf(sue()));
      expect(issuers.map(({ name, chosen }) => [name, chosen])).to.deep.equal([
        ['people', true],
        ['others', false],
        ['slash', false],
        ['https://login.example.com', false],
      ]);
      expect(issuers[1]?.why).to.include('takes the audience "other"');
      expect(issuers[2]?.why).to.include('nearly the same URL');
      expect(issuers[3]?.why).to.equal('another issuer');
    });

    it('says which pattern counts, and why another that fits does not', async () => {
      const text = [
        'meta-issuers:',
        '  https://*.clusters.example/*: {client-id: ca.acme.example, type: email, mayfly: {name: wide}}',
        '  https://eu.clusters.example/*: {client-id: ca.acme.example, type: email, mayfly: {name: eu}}',
        '  https://*.other.example: {client-id: ca.acme.example, type: email, mayfly: {name: other}}',
      ].join('\n');
      const claims = claimsOf({ ...sue(), iss: 'https://eu.clusters.example/7' });
      const { issued, issuers } = await explain(parseConfig(text).issuers, claims);
      expect(issued).to.equal(true);
      expect(issuers.map(({ name }) => name)).to.deep.equal(['eu', 'wide', 'other']);
      expect(issuers[1]?.why).to.include('the pattern fits too');
      expect(issuers[2]?.why).to.equal('another issuer');
    });
  });
});
