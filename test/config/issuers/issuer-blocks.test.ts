import { expect } from 'chai';
import { selfSigned } from '../../support/tls-identity.ts';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseConfig, type LoadedConfig } from '../../../config/load/load.ts';
import { ConfigError } from '../../../config/findings/config-error.ts';
import type { FindingCode } from '../../../config/findings/findings.ts';
import type { IssuerPolicyDefinition } from '../../../policy/issuer-policy-definition.ts';

const DEFAULTS: IssuerPolicyDefinition = {
  rules: [],
  requireRules: false,
  lifetimeSeconds: 600,
  keyAlgorithms: undefined,
  csr: true,
  issuerRateLimit: undefined,
  principalRateLimit: { perMinute: 600, burst: 600 },
  replayGuard: 'off',
};

const JWKS = {
  keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'one', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
};

const SEVERAL = `
oidc-issuers:
  https://a.example:
    - client-id: [one, two, one]
      type: email
      issuer-claim: $.via
      mayfly:
        name: people
        lifetime: 60m
        key-algorithms: [ed25519, ed25519]
        csr: off
        leeway: 5m
        issuer-claim-values: [https://b.example]
        jwks-file: keys/a.json
        replay-guard: token
        rate-limit: {issuer: {per-minute: 60, burst: 5}, principal: {per-minute: 6}}
        rules:
          - {name: ours, allow: claims.email.endsWith("@a.example")}
          - {name: not-him, deny: claims.sub == "7", message: You know why.}
    - {client-id: three, type: uri, subject-domain: https://a.example}
    - {client-id: four, type: email}
meta-issuers:
  https://*.b.example/*:
    - {client-id: one, type: kubernetes}
    - {client-id: two, type: kubernetes, mayfly: {name: clusters}}
`;

const issuersOf = (text: string, directory?: string): LoadedConfig['issuers'] =>
  parseConfig(text, { directory }).issuers;

const policyOf = (block: string, top = ''): IssuerPolicyDefinition | undefined =>
  issuersOf(`${top}\noidc-issuers: {"https://a.example": {client-id: x, type: email, mayfly: ${block}}}`)[0]
    ?.policy;

describe('config: issuer blocks', () => {
  let directory: string;
  let issuers: LoadedConfig['issuers'];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-entries-'));
    await mkdir(join(directory, 'keys'));
    await writeFile(join(directory, 'keys/a.json'), JSON.stringify(JWKS));
    issuers = issuersOf(SEVERAL, directory);
  });
  after(() => rm(directory, { recursive: true }));

  it('reads what an issuer block may say', () => {
    expect(issuers[0]?.policy).to.deep.equal({
      rules: [
        {
          name: 'ours',
          effect: 'allow',
          expression: 'claims.email.endsWith("@a.example")',
          message: undefined,
        },
        { name: 'not-him', effect: 'deny', expression: 'claims.sub == "7"', message: 'You know why.' },
      ],
      requireRules: false,
      lifetimeSeconds: 3600,
      keyAlgorithms: ['ed25519'],
      csr: false,
      issuerRateLimit: { perMinute: 60, burst: 5 },
      principalRateLimit: { perMinute: 6, burst: 6 },
      replayGuard: 'token',
    });
    expect(issuers[0]?.definition).to.deep.include({
      name: 'people',
      url: 'https://a.example',
      isMeta: false,
      audiences: ['one', 'two'],
      issuerClaim: '$.via',
      issuerClaimValues: ['https://b.example'],
      leewaySeconds: 300,
      staticKeys: { kind: 'file', path: join(directory, 'keys/a.json') },
    });
  });

  it('fills in what an issuer block does not say', () => {
    expect(issuers[1]?.policy).to.deep.equal(DEFAULTS);
    expect(issuers[1]?.definition).to.deep.include({ leewaySeconds: 0, staticKeys: undefined });
  });

  it('names issuer blocks by their place in the list where they have no name', () => {
    expect(issuers.map(({ definition: { name, isMeta } }) => [name, isMeta])).to.deep.equal([
      ['people', false],
      ['https://a.example#2', false],
      ['https://a.example#3', false],
      ['https://*.b.example/*', true],
      ['clusters', true],
    ]);
  });

  it('keeps the order of the file, whichever part comes first', () => {
    const text = 'meta-issuers: {"https://*.a": {client-id: x, type: email}}\n';
    const other = 'oidc-issuers: {"https://b": {client-id: x, type: email}}\n';
    const urls = (config: string): string[] => issuersOf(config).map(({ definition }) => definition.url);
    expect(urls(text + other)).to.deep.equal(['https://*.a', 'https://b']);
    expect(urls(other + text)).to.deep.equal(['https://b', 'https://*.a']);
  });

  it('names every file that decides', () => {
    const top =
      'mayfly: {log-access: token, log-access-token-file: t, audit: {syslog: {address: "tls://a:1", ca-file: c}}}';
    const { files } = parseConfig(`${SEVERAL}${top}`, { directory });
    expect(files).to.deep.equal(['keys/a.json', 't', 'c'].map((file) => join(directory, file)));
    expect(parseConfig('mayfly: {log-access: token, log-access-token-file: t}').files).to.deep.equal([
      resolve('t'),
    ]);
  });

  it('takes the general limits where an issuer block has none of its own', () => {
    const top = 'mayfly: {rate-limit: {issuer: {per-minute: 9, burst: 1}, principal: {per-minute: 2}}}';
    const general = { issuer: { perMinute: 9, burst: 1 }, principal: { perMinute: 2, burst: 2 } };
    const limits = (block: string, head = top): unknown => {
      const policy = policyOf(block, head);
      return { issuer: policy?.issuerRateLimit, principal: policy?.principalRateLimit };
    };
    expect(limits('{}')).to.deep.equal(general);
    expect(limits('{rate-limit: {issuer: off}}')).to.deep.equal({ ...general, issuer: undefined });
    expect(limits('{rate-limit: off}')).to.deep.equal({ issuer: undefined, principal: undefined });
    expect(limits('{}', 'mayfly: {rate-limit: off}')).to.deep.equal({
      issuer: undefined,
      principal: undefined,
    });
    // Who sets one limit has not turned the other off.
    expect(limits('{}', 'mayfly: {rate-limit: {issuer: {per-minute: 1}}}')).to.deep.equal({
      issuer: { perMinute: 1, burst: 1 },
      principal: { perMinute: 600, burst: 600 },
    });
  });

  it('reads `off` also where a tool has made a truth value of it', () => {
    const policy = policyOf('{csr: false, replay-guard: false, rate-limit: {principal: false}}');
    expect(policy).to.deep.equal({ ...DEFAULTS, csr: false, principalRateLimit: undefined });
  });

  it('hands require-rules to every entry', () => {
    expect(policyOf('{}', 'mayfly: {require-rules: true}')?.requireRules).to.equal(true);
  });

  it('pins values of a CI provider', () => {
    const text = `oidc-issuers: {"https://a.example": {client-id: x, type: ci-provider, ci-provider: p}}
ci-issuer-metadata: {p: {subject-alternative-name-template: "{{ .url }}/x", mayfly: {pinned: {url: https://a.example}}}}`;
    const provider = issuersOf(text)[0]?.definition.ciProvider;
    expect(provider?.pinned).to.deep.equal(new Map([['url', 'https://a.example']]));
  });
});

describe('config: what is wrong with the keys of an issuer', () => {
  const PUBLIC = JSON.stringify(JWKS);
  const SECRET = JSON.stringify({
    keys: [{ ...JWKS.keys[0], d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' }],
  });
  const one = (block: string): string =>
    `oidc-issuers: {"https://a.example": {client-id: x, type: email, mayfly: ${block}}}`;
  const two = (first: string, second: string): string =>
    `oidc-issuers: {"https://a.example": [{client-id: x, type: email, mayfly: ${first}}, {client-id: y, type: email, mayfly: ${second}}]}`;

  const MISTAKES: readonly (readonly [name: string, text: string, path: string, part: string])[] = [
    [
      'a file that is not there',
      one('{jwks-file: /nowhere/keys.json}'),
      'jwks-file',
      'cannot read /nowhere/keys.json: ENOENT',
    ],
    [
      'a file that is a directory',
      one(`{jwks-file: ${JSON.stringify(tmpdir())}}`),
      'jwks-file',
      'is not a file',
    ],
    [
      'a file of certificates that is not there',
      one('{ca-cert-file: /nowhere/ca.pem}'),
      'ca-cert-file',
      'cannot read /nowhere/ca.pem: ENOENT',
    ],
    [
      'keys at two places',
      one('{jwks-url: "https://b.example/jwks", discovery-url: "https://b.example/d"}'),
      'discovery-url',
      'has no effect: with jwks-url no discovery document is asked for',
    ],
    [
      'keys at a place and in the file',
      one(`{jwks-url: "https://b.example/jwks", jwks: ${PUBLIC}}`),
      'jwks-url',
      'has no effect: the issuer block holds the keys',
    ],
    ['keys at no URL', one('{jwks-url: /etc/keys.json}'), 'jwks-url', 'must be an http(s) URL'],
    [
      'keys at a user',
      one('{jwks-url: "https://me@b.example/jwks"}'),
      'jwks-url',
      'is not the URL of a document',
    ],
    [
      'other places in another entry',
      two('{jwks-url: "https://b.example/1"}', '{jwks-url: "https://b.example/2"}'),
      'jwks-url',
      'different jwks-url',
    ],
    [
      'a place for the keys of a pattern',
      `meta-issuers: {"https://*.a.example": {client-id: x, type: email, mayfly: {jwks-url: "https://b.example/jwks"}}}`,
      'jwks-url',
      'cannot have jwks-url',
    ],
    ['keys that are none', one('{jwks: {keys: []}}'), 'jwks', 'has no key that can verify a token'],
    ['a private key', one(`{jwks: ${SECRET}}`), 'jwks', 'is a private key'],
    [
      'a host with a scheme',
      one('{jwks-hosts: ["https://b.example"]}'),
      'jwks-hosts',
      'is not the name of a host',
    ],
    [
      'other keys in another entry',
      two(`{jwks: ${PUBLIC}}`, '{jwks: {keys: [{kty: OKP, crv: Ed25519, x: AAAA}, {kty: RSA}]}}'),
      '',
      '',
    ],
    [
      'keys of a pattern',
      `meta-issuers: {"https://*.a.example": {client-id: x, type: email, mayfly: {jwks: ${PUBLIC}}}}`,
      'jwks',
      'cannot have jwks',
    ],
  ];
  for (const [name, text, field, part] of MISTAKES)
    it(`says so: ${name}`, () => {
      try {
        parseConfig(text);
      } catch (error) {
        expect(error).to.be.instanceOf(ConfigError);
        const [problem, ...others] = (error as ConfigError).problems;
        expect(others).to.deep.equal([]);
        expect(problem?.message).to.include(part);
        expect(problem?.path.endsWith(field)).to.equal(true);
        expect(problem?.line).to.equal(1);
        expect(String(error)).to.not.include('nWGxne');
        return;
      }
      expect.fail('nothing was said');
    });

  it('hands over where the documents of an issuer are, and follows the file of certificates', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mayfly-entries-'));
    try {
      await writeFile(join(directory, 'ca.pem'), (await selfSigned()).cert);
      const block =
        '{discovery-url: "https://b.example/d?p=x", discovery-issuer: "https://{tenantid}", ca-cert-file: ca.pem}';
      const { issuers, files } = parseConfig(one(block), { directory });
      expect(issuers[0]?.definition).to.include({
        discoveryUrl: 'https://b.example/d?p=x',
        discoveryIssuer: 'https://{tenantid}',
        caCertFile: join(directory, 'ca.pem'),
      });
      expect(files).to.deep.equal([join(directory, 'ca.pem')]);
      expect(
        parseConfig(one('{jwks-url: "https://b.example/jwks"}')).issuers[0]?.definition.jwksUrl,
      ).to.equal('https://b.example/jwks');
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('warns of documents that come over plain HTTP, wherever the issuer is', () => {
    const codes = (url: string, block: string): string[] =>
      parseConfig(`oidc-issuers: {"${url}": {client-id: x, type: email, mayfly: ${block}}}`).findings.flatMap(
        ({ code, path }) => (code === 'PLAIN_HTTP' ? [path] : []),
      );
    const entry = (url: string): string => `oidc-issuers."${url}"`;
    expect(codes('https://a.example', '{jwks-url: "http://b.example/k"}')).to.deep.equal([
      `${entry('https://a.example')}.mayfly.jwks-url`,
    ]);
    expect(codes('http://a.example', '{discovery-url: "https://b.example/d"}')).to.deep.equal([]);
    expect(codes('https://a.example', '{jwks-url: "http://127.0.0.1:1/k"}')).to.deep.equal([]);
    expect(codes('http://a.example', '{}')).to.deep.equal([entry('http://a.example')]);
  });

  it('takes the keys of one entry for the whole issuer', () => {
    expect(parseConfig(two(`{jwks: ${PUBLIC}}`, '{}')).issuers).to.have.length(2);
  });
});

describe('config: what should be known of an issuer block', () => {
  const ALLOW = 'rules: [{name: a, allow: claims.sub == "1"}]';
  const entry = (rest: string, url = 'https://a.example'): string =>
    `oidc-issuers: {"${url}": {client-id: x, type: email, ${rest}}}`;
  /** By a claim that the tokens of every provider have. */
  const BY_ID = 'rules: [{name: a, allow: claims.jti == "1"}]';
  const meta = (pattern: string, rest = `mayfly: {${BY_ID}}`): string =>
    `meta-issuers: {"${pattern}": {client-id: x, type: kubernetes, ${rest}}}`;

  const FINDINGS: readonly (readonly [name: string, text: string, codes: readonly FindingCode[]])[] = [
    ['an issuer block that names somebody', entry(`mayfly: {${ALLOW}}`), []],
    ['an issuer block without rules', entry(''), ['NO_RULES']],
    [
      'an issuer block that only denies',
      entry('mayfly: {rules: [{name: a, deny: claims.sub == "1"}]}'),
      ['NO_RULES'],
    ],
    [
      'an issuer where everybody has an account',
      entry('', 'https://accounts.google.com'),
      ['OPEN_TO_THE_WORLD'],
    ],
    [
      'such an issuer by its path',
      entry('', 'https://login.microsoftonline.com/common/v2.0'),
      ['OPEN_TO_THE_WORLD'],
    ],
    ['a tenant of its own there', entry('', 'https://login.microsoftonline.com/3aa4a235/v2.0'), ['NO_RULES']],
    ['a pattern without rules', meta('https://*.a.example', ''), ['OPEN_TO_THE_WORLD']],
    [
      'an issuer block that required rules close',
      `${entry('')}\nmayfly: {require-rules: true}`,
      ['NOTHING_ALLOWED'],
    ],
    [
      'no limit for a principal',
      entry(`mayfly: {${ALLOW}, rate-limit: {principal: off}}`),
      ['RATE_LIMIT_OFF'],
    ],
    ['no limit for a whole issuer, as usual', entry(`mayfly: {${ALLOW}, rate-limit: {issuer: off}}`), []],
    ['an open issuer claim', entry(`issuer-claim: $.a, mayfly: {${ALLOW}}`), ['ISSUER_CLAIM_OPEN']],
    ['one that is meant to be', entry(`issuer-claim: $.a, mayfly: {${ALLOW}, any-issuer-claim: true}`), []],
    ['one with values', entry(`issuer-claim: $.a, mayfly: {${ALLOW}, issuer-claim-values: [b]}`), []],
    [
      'a pattern in the wrong part',
      entry(`mayfly: {${ALLOW}}`, 'https://*.a.example'),
      ['PATTERN_MISPLACED'],
    ],
    ['a pattern for hosts of one owner', meta('https://oidc.eks.*.amazonaws.com/id/*'), []],
    ['a pattern for a path', meta('https://a.example/*'), []],
    ['a pattern that any domain fits', meta('https://*.example'), ['PATTERN_BROAD']],
    ['a pattern with a part of a domain', meta('https://acme*.com/x'), ['PATTERN_BROAD']],
    ['a pattern for sites that anybody can have', meta('https://*.github.io'), ['PATTERN_BROAD']],
    ['a pattern for part of such a name', meta('https://acme-*.pages.dev:8443/x'), ['PATTERN_BROAD']],
    ['a pattern below one such site', meta('https://*.acme.github.io'), []],
  ];
  for (const [name, text, codes] of FINDINGS)
    it(`says of ${name}: ${codes.length === 0 ? 'nothing' : codes.join(', ')}`, () => {
      expect(parseConfig(text).findings.map(({ code }) => code)).to.deep.equal(codes);
    });

  const DEPRECATED = ['github-workflow', 'gitlab-pipeline', 'codefresh-workflow', 'buildkite-job'];
  for (const type of DEPRECATED)
    it(`shows what to write for the deprecated type ${type}, and that works`, () => {
      const url = 'https://ci.example';
      const text = `oidc-issuers: {"${url}": {client-id: x, type: ${type}, mayfly: {${BY_ID}}}}`;
      const [finding, ...others] = parseConfig(text).findings;
      expect(others).to.deep.equal([]);
      expect(finding).to.include({ code: 'DEPRECATED_TYPE', line: 1 });
      const replacement = finding?.replacement ?? '';
      const replaced = replacement.replace(
        '    type:',
        `    client-id: x\n    mayfly: {${BY_ID}}\n    type:`,
      );
      const { issuers, findings } = parseConfig(replaced);
      expect(findings).to.deep.equal([]);
      expect(issuers.map(({ definition }) => [definition.url, definition.ciProvider?.name])).to.deep.equal([
        [url, type],
      ]);
    });

  it('says nothing of an issuer block that cannot be used but what is wrong with it', () => {
    const text = entry('mayfly: {ruls: []}');
    expect(() => parseConfig(text)).to.throw('unknown key "ruls"');
  });
});
