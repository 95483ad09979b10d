import { expect } from 'chai';
import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, describe as textOf } from '../../../config/findings/config-error.ts';
import { MAX_LENGTH } from '../../../config/yaml/document.ts';
import { productionConfig } from '../../../config/presets/template.ts';
import { loadConfig, parseConfig, type LoadedConfig } from '../../../config/load/load.ts';
import { failureOf } from '../../support/failure.ts';
import { runs } from '../../support/runs.ts';

/** Somebody is named, so that nothing is to be warned of. */
const RULES = 'mayfly: {rules: [{name: ada, allow: claims.email == "ada@a.example"}]}';

const email = (rest = ''): string =>
  `oidc-issuers:\n  https://a.example:\n    client-id: mine\n    type: email\n    ${RULES}\n${rest}`;

describe('config: what a file means', () => {
  it("reads scalars as Go's decoder does", () => {
    const text = email('    contact: 0x10\n    skip-email-verification: Yes\n    description:\n');
    const issuer = parseConfig(text).issuers[0]?.definition;
    expect(issuer?.contact).to.equal('0x10');
    expect(issuer?.skipEmailVerification).to.equal(true);
    expect(issuer?.description).to.equal(undefined);
  });

  it('merges maps, the written key first', () => {
    const text = `define:\n  - &base {client-id: one, type: email}\noidc-issuers:\n  https://a.example: {client-id: two, <<: *base}\n  https://b.example: {<<: [*base]}`;
    expect(parseConfig(text).issuers.map(({ definition }) => definition.audiences[0])).to.deep.equal([
      'two',
      'one',
    ]);
  });

  it('leaves a star at the start of text alone', () => {
    const text = `define:\n  - &note x\n${email('    description: |\n      *note:\n      *note: y\n')}`;
    expect(parseConfig(text).issuers[0]?.definition.description).to.equal('*note:\n*note: y\n');
  });

  it('fills in our defaults, and takes what is set', () => {
    const { mayfly } = parseConfig('');
    expect(mayfly.logAccess).to.equal('public');
    expect(mayfly.limits).to.deep.equal({ maxInFlight: 512, readConcurrency: 4, idleTimeoutMs: 620_000 });
    expect(mayfly.shutdownDelay).to.equal(0);
    expect(mayfly.workers).to.equal(1);
    expect(mayfly.clientSigningAlgorithms).to.have.length(7);
    const text =
      'mayfly: {public-url: "https://ca.example/", log-access: token, log-access-token-file: secret/token, log-level: debug, limits: {idle-timeout: 90, read-concurrency: 2}, workers: auto, shutdown-delay: 15, trusted-proxies: [10.0.0.1, "fd00::/8"], client-signing-algorithms: [ed25519, ed25519]}';
    expect(parseConfig(text, { directory: '/etc/mayfly' }).mayfly).to.deep.equal({
      publicUrl: 'https://ca.example',
      logAccess: 'token',
      logAccessTokenFile: '/etc/mayfly/secret/token',
      trustedProxies: ['10.0.0.1', 'fd00::/8'],
      clientSigningAlgorithms: ['ed25519'],
      requireRules: false,
      rateLimits: { issuer: undefined, principal: { perMinute: 600, burst: 600 } },
      limits: { maxInFlight: 512, readConcurrency: 2, idleTimeoutMs: 90_000 },
      workers: 'auto',
      shutdownDelay: 15,
      log: { scrubIntervalMs: 604_800_000 },
      artifactLog: {
        v1: true,
        v2: true,
        admission: 'own-certificates',
        keyFiles: [],
        duplicates: 'return',
        rateLimit: { perMinute: 6000, burst: 1000 },
        readRateLimit: { perMinute: 6000, burst: 1000 },
      },
      timestamps: {
        enabled: true,
        policy: '1.3.6.1.4.1.57264.2',
        accuracySeconds: 1,
        rateLimit: { perMinute: 6000, burst: 1000 },
        logsGrants: false,
        timeServers: undefined,
      },
      grpc: { withTls: true, listen: undefined, reflection: false },
      keys: {
        ca: undefined,
        caNext: undefined,
        timestamps: undefined,
        timestampsNext: undefined,
        logs: {},
        artifactLogs: {},
        timeoutMs: 2000,
        maxInFlight: 16,
      },
      logLevel: 'debug',
    });
    const accuracy = (rest: string): number =>
      parseConfig(`mayfly: {timestamps: {${rest}}}`).mayfly.timestamps.accuracySeconds;
    // Whole seconds are cut off, and the clock may be off by the other part.
    const wide = 'time-servers: {servers: [a.example], max-offset: 300}';
    expect([accuracy('time-servers: {servers: [a.example]}'), accuracy(wide)]).to.deep.equal([2, 301]);
    expect(accuracy(`accuracy: 302, ${wide}`)).to.equal(302);
    expect(() => accuracy(`accuracy: 300, ${wide}`)).to.throw(
      /accuracy.*must be at least 1 s more than max-offset/,
    );
    const servers = '{servers: [time.example, "[::1]:7"], on-difference: warn}';
    expect(
      parseConfig(`mayfly: {timestamps: {rate-limit: off, time-servers: ${servers}}}`).mayfly.timestamps,
    ).to.deep.include({
      rateLimit: undefined,
      timeServers: {
        servers: [
          { host: 'time.example', port: 123 },
          { host: '::1', port: 7 },
        ],
        intervalMs: 300_000,
        maxOffsetMs: 1000,
        stops: false,
      },
    });
  });

  it('says of the logs of artifacts which are served, for whom, and what is switched off beside it', () => {
    const of = (text: string, directory = '/etc/mayfly') =>
      parseConfig(`mayfly: {artifact-log: {${text}}}`, { directory });
    const { artifactLog } = of(
      'clients: [v2, v1], admission: any, duplicates: refuse, rate-limit: off, read-rate-limit: {per-minute: 7}',
    ).mayfly;
    expect(artifactLog).to.deep.equal({
      v1: true,
      v2: true,
      clients: [1, 2],
      admission: 'any',
      keyFiles: [],
      duplicates: 'refuse',
      rateLimit: undefined,
      readRateLimit: { perMinute: 7, burst: 7 },
    });
    expect(of('keys: [ci.pem, /x/y.pem]').mayfly.artifactLog.keyFiles).to.deep.equal([
      '/etc/mayfly/ci.pem',
      '/x/y.pem',
    ]);
    const codes = (text: string): string[] => of(text).findings.map(({ code }) => code);
    expect(codes('keys: [none.pem]')).to.include('FILE_UNUSABLE');
    expect(codes('admission: any, keys: [none.pem]')).to.include('NO_EFFECT');
    expect(() => of('v1: false, clients: [v1]')).to.throw(/clients.*names v1, which is switched off/s);
    const untimed = (text: string) =>
      parseConfig(`mayfly: {artifact-log: {${text}}, timestamps: {enabled: false}}`);
    for (const text of ['clients: [v2]', 'clients: [v1, v2]'])
      expect(() => untimed(text), text).to.throw(/clients.*names v2, whose entries have no time/s);
    const isWithout = (found: ReturnType<typeof of>): boolean =>
      found.findings.some(({ code }) => code === 'NO_ARTIFACT_LOG');
    expect(
      [of('v2: false'), of('v1: false'), untimed(''), untimed('clients: [v1]')].some(isWithout),
    ).to.equal(false);
    expect([of('v1: false, v2: false'), untimed('v1: false')].every(isWithout)).to.equal(true);
    for (const bad of ['clients: []', 'clients: [v3]', 'admission: none', 'v3: true'])
      expect(() => of(bad), bad).to.throw(/artifact-log/);
  });

  it('takes no policy for timestamps that is too long to be read in one', () => {
    const policyOf = (text: string): unknown =>
      parseConfig(`mayfly: {timestamps: {policy: "${text}"}}`).mayfly.timestamps.policy;
    // Eight octets for each of the long numbers, one for the first two numbers.
    const longest = `1.2${'.999999999999999'.repeat(7)}`;
    for (const good of ['1.2.3', longest, `${longest}.9999999`]) expect(policyOf(good)).to.equal(good);
    for (const bad of [`${longest}.9999999.9999999`, `1.2${'.999999999999999'.repeat(14)}`])
      expect(() => policyOf(bad)).to.throw('must have at most 64 octets');
    for (const bad of ['1', '1.2', '1.2.03', `1.2.${'9'.repeat(400)}`, 'x'])
      expect(() => policyOf(bad)).to.throw('must be an object identifier');
  });

  const WARNINGS: readonly (readonly [name: string, text: string, part: string])[] = [
    [
      'no issuer',
      'mayfly: {}',
      'config.yaml:1:1: oidc-issuers: no issuer is configured, so no certificate can be issued',
    ],
    [
      'plain HTTP',
      `oidc-issuers: {"http://a.example": {client-id: x, type: email, ${RULES}}}`,
      'is reached over plain HTTP',
    ],
    ['unverified addresses', email('    skip-email-verification: true'), 'does not call verified'],
    [
      'the shared audience',
      `oidc-issuers: {"https://a.example": {client-id: sigstore, type: email, ${RULES}}}`,
      'the audience "sigstore" is shared',
    ],
    [
      'a key that Fulcio would ignore',
      email('    client_id: y'),
      'config.yaml:6:5: oidc-issuers."https://a.example": unknown key "client_id" is ignored. Did you mean "client-id"?',
    ],
    [
      'a proxy network of everything',
      `${email()}mayfly: {trusted-proxies: [0.0.0.0/0]}`,
      '"0.0.0.0/0" trusts every address',
    ],
    ['a file that nobody reads', `${email()}mayfly: {log-access-token-file: x}`, 'has no effect'],
    ['a public URL with a path', `${email()}mayfly: {public-url: "https://a.example/ca"}`, 'has a path'],
  ];
  for (const [name, text, part] of WARNINGS)
    it(`warns of ${name}, and of nothing else`, () => {
      const { findings } = parseConfig(text);
      expect(findings).to.have.length(1);
      const finding = findings[0] ?? expect.fail();
      expect(`${textOf('config.yaml', finding)}. ${finding.hint ?? ''}`).to.include(part);
    });

  it('does not warn of plain HTTP on this machine', () => {
    for (const host of ['127.0.0.1:5556', 'localhost', '[::1]:80'])
      expect(
        parseConfig(`oidc-issuers: {"http://${host}": {client-id: x, type: email, ${RULES}}}`).findings,
      ).to.deep.equal([]);
  });
});

/** A file whose only entry has this block of ours. */
const ours = (block: unknown): unknown => ({
  'oidc-issuers': { 'https://a.example': { 'client-id': 'x', type: 'email', mayfly: block } },
});

describe('config: hostile and unreadable files', () => {
  const outcome = (text: string): LoadedConfig | ConfigError => {
    try {
      return parseConfig(text);
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError);
      return error as ConfigError;
    }
  };

  it('never throws anything but ConfigError on any text', () => {
    const piece = fc.constantFrom(
      ...[
        'oidc-issuers',
        'mayfly',
        'limits',
        'type',
        ':',
        ': ',
        '\n',
        '\n  ',
        '\n    ',
        '- ',
        '{',
        '}',
        '[',
        ']',
      ],
      ...[
        '&a',
        '*a',
        '*a:',
        '<<',
        '"',
        "'",
        '|',
        '>',
        '?',
        '!!binary',
        '!x',
        '%',
        '#',
        ',',
        '~',
        '1e9',
        '---',
        '\t',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (input) => void outcome(input)),
      { numRuns: runs(1000) },
    );
  });

  it('never throws anything but ConfigError on any JSON value in any place', () => {
    const place = fc.constantFrom(
      (value: unknown) => value,
      (value: unknown) => ({ 'oidc-issuers': value, mayfly: value, 'ci-issuer-metadata': value }),
      (value: unknown) => ({ 'oidc-issuers': { 'https://a.example': value }, mayfly: { limits: value } }),
      (value: unknown) => ({ OIDCIssuers: { a: { Type: value, ClientID: value, CACert: value } } }),
      (value: unknown) => ({
        CIIssuerMetadata: { a: { ExtensionTemplates: value, DefaultTemplateValues: value } },
      }),
      (value: unknown) => ({
        'oidc-issuers': { 'https://a.example': [value] },
        'meta-issuers': { '*': [value] },
      }),
      (value: unknown) => ({ mayfly: { 'rate-limit': value, audit: value, 'require-rules': value } }),
      (value: unknown) => ours(value),
      (value: unknown) => ours({ name: value, lifetime: value, 'rate-limit': value, 'jwks-hosts': value }),
      (value: unknown) => ours({ jwks: value, rules: value }),
      (value: unknown) => ours({ jwks: { keys: [value] }, rules: [{ name: 'a', allow: value }] }),
      (value: unknown) => ({ mayfly: { 'trusted-proxies': value, 'public-url': value, 'log-level': value } }),
    );
    fc.assert(
      fc.property(place, fc.jsonValue(), (wrap, value) => void outcome(JSON.stringify(wrap(value)))),
      { numRuns: runs(1000) },
    );
  });

  it('never throws anything but ConfigError on a good file that was damaged anywhere', () => {
    const good = productionConfig().replace(/^( *)#(?=[^ #])/gm, '$1');
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(...'\n \n  :-[]{}"\'|>&*#?,!%@`\t\0'.split(' ')),
    );
    fc.assert(
      fc.property(fc.nat(good.length), fc.nat(20), piece, (at, length, text) => {
        outcome(good.slice(0, at) + text + good.slice(at + length));
      }),
      { numRuns: runs(150) },
    );
  });

  it('refuses alias bombs and endless nesting', () => {
    const bomb = Array.from({ length: 8 }, (_, i) => {
      const value = i === 0 ? '1' : `*a${String(i - 1)}`;
      return `k${String(i)}: &a${String(i)} [${`${value}, `.repeat(10)}]`;
    });
    expect(outcome(bomb.join('\n')))
      .to.have.property('message')
      .that.includes('expand to too many values');
    expect(outcome(`a: &a "${'x'.repeat(MAX_LENGTH / 4)}"\nb: [${'*a, '.repeat(100)}]`))
      .to.have.property('message')
      .that.includes('expand to too much text');
    expect(outcome(`? &a "${'x'.repeat(MAX_LENGTH / 4)}"\n: 1\nb: [${'{*a : 1}, '.repeat(100)}]`))
      .to.have.property('message')
      .that.includes('expand to too much text');
    const long = MAX_LENGTH / 2 - 100;
    for (const deep of ['[', '- ', '? ', '{a: ', `a: ${'['.repeat(40)}`])
      expect(outcome(deep.repeat(long / deep.length)))
        .to.have.property('message')
        .that.includes('more than 32 levels');
    expect(outcome(' '.repeat(MAX_LENGTH + 1)))
      .to.have.property('message')
      .that.includes('is larger than');
  });

  it('reads many issuers with many rules', () => {
    const lines = Array.from(
      { length: 1000 },
      (_, i) =>
        `  https://i${String(i)}.example: {client-id: x, type: email, mayfly: {rules: [{name: a, allow: claims.id == "${String(i)}"}]}}`,
    );
    expect(parseConfig(`oidc-issuers:\n${lines.join('\n')}`).issuers).to.have.length(1000);
  });

  describe('on disk', () => {
    let directory: string;
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'mayfly-config-'));
    });
    after(() => rm(directory, { recursive: true }));

    const FAULTS: readonly (readonly [
      name: string,
      prepare: (path: string) => Promise<unknown>,
      part: string,
    ])[] = [
      ['a missing file', () => Promise.resolve(), 'does not exist'],
      [
        'a file of nothing but blanks, as a full disk leaves it',
        (path) => writeFile(path, ' \n'),
        'is empty',
      ],
      ['a file that is not UTF-8', (path) => writeFile(path, Buffer.from([0x61, 0xff])), 'is not UTF-8 text'],
      ['a huge file', (path) => writeFile(path, ' '.repeat(MAX_LENGTH * 4 + 1)), 'is larger than'],
    ];
    for (const [name, prepare, part] of FAULTS)
      it(`says what is the matter with ${name}`, async () => {
        const path = join(directory, name.replaceAll(' ', '-'));
        await prepare(path);
        const error: unknown = await failureOf(loadConfig(path));
        expect(error).to.be.instanceOf(ConfigError).with.property('code', 'CONFIG_UNREADABLE');
        expect(error).to.have.property('message').that.includes(`${path}: ${part}`);
      });

    it('says that a directory is one', async () => {
      const error: unknown = await failureOf(loadConfig(directory));
      expect(error).to.have.property('message', `${directory}: is a directory`);
    });

    it('resolves paths against the file', async () => {
      const path = join(directory, 'config.yaml');
      await writeFile(path, `${email()}mayfly: {log-access: token, log-access-token-file: t}`);
      expect((await loadConfig(path)).mayfly.logAccessTokenFile).to.equal(join(directory, 't'));
    });
  });
});
