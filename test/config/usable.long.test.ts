import { expect } from 'chai';
import fc from 'fast-check';
import { ConfigError } from '../../config/findings/config-error.ts';
import { parseConfig, type LoadedConfig } from '../../config/load/load.ts';
import { IssuerPool } from '../../oidc/issuer-pool.ts';
import { compileRules } from '../../policy/rules/rules.ts';

type Values = readonly [right: readonly unknown[], wrong: readonly unknown[]];

/** Mostly what is right, so that most files have one fault or none. */
const mostly = ([right, wrong]: Values): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );

/** Members that may be absent. */
const some = (members: Readonly<Record<string, Values>>): fc.Arbitrary<object> =>
  fc.record(Object.fromEntries(Object.entries(members).map(([name, values]) => [name, mostly(values)])), {
    requiredKeys: [],
  });

const JWK = { kty: 'OKP', crv: 'Ed25519', kid: 'one', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };

const block = some({
  name: [
    ['a', 'b', 'c', 'd', 7],
    ['https://a.example', ''],
  ],
  lifetime: [
    [1, 60, null],
    [61, '5'],
  ],
  'key-algorithms': [[['ed25519']], [[], ['none']]],
  leeway: [
    [0, 300],
    [-1, 0.5],
  ],
  jwks: [[{ keys: [JWK] }], [{ keys: [] }, { keys: [{ ...JWK, kty: 'oct', k: 'AAAA' }] }, []]],
  'jwks-hosts': [
    [['b.example'], ['[::1]']],
    [['b.example/x'], ['a b']],
  ],
  'rate-limit': [['off', { issuer: { 'per-minute': 1 } }, { principal: 'off' }], [1]],
  rules: [
    [[], [{ name: 'a', allow: 'true' }], [{ name: 'a', deny: 'claims.sub.matches("(a+)+$")' }]],
    [[{ name: 'a', allow: 'claims.' }], [{ name: 'a' }]],
  ],
});

/** What each type needs. */
const fields = mostly([
  [
    { type: 'email' },
    { type: 'email', 'issuer-claim': '$.a' },
    { type: 'email', 'issuer-claim': '$.a', mayfly: { 'issuer-claim-values': ['a'] } },
    { type: 'uri', 'subject-domain': 'https://a.example' },
    { type: 'username', 'subject-domain': 'a.example' },
    { type: 'spiffe', 'spiffe-trust-domain': 'a.example' },
    { type: 'kubernetes' },
    { type: 'ci-provider', 'ci-provider': 'p' },
    { type: 'github-workflow' },
  ],
  [
    ...[{ type: 'saml' }, { type: 'spiffe' }, { type: 'uri', 'subject-domain': 'b.test' }],
    ...[
      { type: 'ci-provider' },
      { type: 'email', 'issuer-claim': '$..' },
      { type: 'email', 'ca-cert': 'nonsense' },
    ],
    { type: 'email', mayfly: { 'any-issuer-claim': true } },
  ],
]) as fc.Arbitrary<object>;

const audience = mostly([
  ['x', 'y', 'z', ['u', 'v'], ['w', 'w']],
  ['', []],
]);

const entry = fc
  .tuple(audience, fc.option(block, { freq: 2 }), fields)
  .map(([aud, ours, rest]) => ({ 'client-id': aud, ...(ours === null ? {} : { mayfly: ours }), ...rest }));

const issuersAt = (urls: Values): fc.Arbitrary<unknown> =>
  fc.dictionary(
    mostly(urls) as fc.Arbitrary<string>,
    fc.oneof({ weight: 3, arbitrary: entry }, { weight: 1, arbitrary: fc.array(entry, { maxLength: 2 }) }),
    { maxKeys: 2 },
  );

const config = fc.record({
  'oidc-issuers': issuersAt([
    ['https://a.example', 'https://b.a.example/x', 'https://[::1]:8443', 'https://kubernetes.default.svc'],
    ['a.example', 'https://a.example?', 'https://u:p@a.example', 'https://:p@a.example', 'https:/a', ''],
  ]),
  'meta-issuers': issuersAt([
    ['https://*.a.example', 'https://a.example/*/x', 'https://kubernetes.*.svc'],
    ['*', 'https://a.example:*', 'https://A.example/%2e*', 'https://a.example?*', 'https://*/#', ''],
  ]),
  'ci-issuer-metadata': fc.constant({ p: { 'subject-alternative-name-template': '{{ .sub }}' } }),
  mayfly: some({ 'require-rules': [[true, false], ['perhaps']], 'rate-limit': [['off'], ['on']] }),
});

describe('config: a file that loads', () => {
  it('can be used: nothing that follows finds fault with it', async () => {
    let usable = 0;
    const load = (text: string): LoadedConfig | undefined => {
      try {
        return parseConfig(text);
      } catch (error) {
        expect(error).to.be.instanceOf(ConfigError);
        expect((error as ConfigError).problems).to.not.have.length(0);
        return undefined;
      }
    };
    await fc.assert(
      fc.asyncProperty(config, async (value) => {
        const loaded = load(JSON.stringify(value));
        if (loaded === undefined) return;
        if (loaded.issuers.length > 0) usable++;
        const definitions = loaded.issuers.map(({ definition }) => definition);
        for (const { policy } of loaded.issuers) compileRules(policy.rules);
        expect(new Set(definitions.map(({ name }) => name))).to.have.property('size', definitions.length);
        await IssuerPool.of(definitions, { clock: Date.now }).close();
        // It is sent from the thread that reads it.
        expect(structuredClone(loaded.issuers)).to.have.length(loaded.issuers.length);
      }),
      { numRuns: 1500 },
    );
    expect(usable).to.be.above(100);
  });
});
