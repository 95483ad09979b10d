import { expect } from 'chai';
import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePem } from '../../../core/pem.ts';
import { logV3Json } from '../../../ct-log/format/log-v3-json.ts';
import { encodeClientTrustConfig } from '../../../trust/format/signing-config.ts';
import {
  EMPTY_TRUSTED_ROOT,
  encodeTrustedRoot,
  type TrustedRoot,
} from '../../../trust/format/trusted-root.ts';
import { encodeVkey, makeVkey } from '../../../tlog/format/vkey.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';
import { sha256 } from '../../support/parsers.ts';
import {
  altName,
  flipped,
  IDENTITY,
  ISSUER,
  KEYS,
  makeWorld,
  ORIGIN,
  T0,
  withExtensions,
  type World,
} from '../../support/verify-world.ts';

const WHO = ['--identity', IDENTITY, '--issuer', ISSUER];

interface JsonAnswer {
  readonly ok: boolean;
  readonly at: string | null;
  readonly identity: string | null;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly notChecked: readonly string[];
  readonly steps: readonly { readonly name: string }[];
  readonly error?: { readonly code: string; readonly message: string };
}

describe('mayfly verify certificate', () => {
  let directory = '';
  const world = makeWorld();
  const path = (name: string): string => join(directory, name);
  const write = (name: string, content: string | Uint8Array): Promise<void> => writeFile(path(name), content);
  const verify = (...words: string[]): Promise<MayflyResult> =>
    runMayfly(['verify', 'certificate', ...words], { cwd: directory });
  const good = (...more: string[]): Promise<MayflyResult> => verify('cert.pem', '--trust', '.', ...more);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-verify-'));
    await writeTrust(world);
    await write('cert.pem', encodePem('CERTIFICATE', world.certificate));
    await write('cert.tlog-proof', world.proof);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function writeTrust({ trust }: World): Promise<void> {
    const [root, intermediate, log] = [trust.roots[0], trust.intermediates[0], trust.logs[0]];
    if (!root || !intermediate || !log?.ed25519PublicKey) throw new Error('the world lacks a part');
    await write('root.pem', encodePem('CERTIFICATE', root));
    await write('intermediate.pem', encodePem('CERTIFICATE', intermediate));
    await write('log.pub.pem', encodePem('PUBLIC KEY', log.publicKey));
    const keys = [
      makeVkey(sha256, ORIGIN, 'static-ct', log.publicKey),
      makeVkey(sha256, ORIGIN, 'ed25519', log.ed25519PublicKey),
    ];
    await write('log.vkey', `${keys.map(encodeVkey).join('\n')}\n`);
    await write('log.v3.json', JSON.stringify(description(log.publicKey)));
  }

  const description = (publicKey: Uint8Array): Record<string, unknown> =>
    logV3Json({
      origin: ORIGIN,
      logId: sha256(publicKey),
      publicKey,
      url: `https://${ORIGIN}`,
      createdAt: T0,
      intendedUse: 'production',
      software: { name: 'mayfly', version: 'test' },
    });

  it('prints every step, whose certificate it is, and exits 0', async () => {
    const { code, stdout, stderr } = await good(...WHO, '--proof', 'cert.tlog-proof', '--require-inclusion');
    expect(stderr).to.match(/^Not checked: any signature, and when it was made\.[^\n]*timestamp[^\n]*\n$/);
    expect(stdout.split('\n').map((line) => line.split(/ +/).slice(0, 2).join(' '))).to.deep.equal([
      ...[
        'ok certificate',
        'ok sct',
        'ok chain',
        'ok sct-signature',
        'ok sct-time',
        'ok identity',
        'ok issuer',
      ],
      ...['ok inclusion', '', `Verified: ${IDENTITY},`, ''],
    ]);
    expect(code).to.equal(0);
  });

  it('answers one JSON object and nothing else with --json', async () => {
    const { code, stdout, stderr } = await good('--any-identity', '--json');
    expect([code, stderr]).to.deep.equal([0, '']);
    const { ok, at, identity, failed } = JSON.parse(stdout) as JsonAnswer;
    expect({ ok, at, identity, failed }).to.deep.equal({
      ok: true,
      at: '2026-11-22T10:00:00Z',
      identity: IDENTITY,
      failed: [],
    });
  });

  it('says of every step what became of it', async () => {
    const steps = (text: string): string[] => text.split('\n\n')[0]?.split('\n').slice(1) ?? [];
    await write('cert.pem', encodePem('CERTIFICATE', makeWorld({ sctKey: KEYS.other }).certificate));
    const unknown = await good(...WHO, '--proof', 'cert.tlog-proof');
    expect(steps(unknown.stdout).map((line) => line.replace(/^((?:FAILED|ok) +\S+).*/, '$1'))).to.deep.equal([
      'FAILED  sct',
      'skipped chain          needs sct',
      'skipped sct-signature  needs sct',
      'skipped sct-time       needs sct',
      'skipped identity       needs sct',
      'skipped issuer         needs sct',
      'skipped inclusion      needs sct',
    ]);
    expect(unknown.stdout).to.include(`; trusted: ${ORIGIN} (`);
    const { skipped, notChecked } = JSON.parse((await good(...WHO, '--json')).stdout) as JsonAnswer;
    expect({ skipped, notChecked }).to.deep.equal({
      skipped: ['chain', 'sct-signature', 'sct-time', 'identity', 'issuer'],
      notChecked: ['inclusion'],
    });
    await write('cert.pem', encodePem('CERTIFICATE', world.certificate.subarray(0, 100)));
    expect(steps((await good('--any-identity')).stdout)).to.have.length(6);
  });

  it('calls nothing "ok" that it did not check', async () => {
    const { stdout } = await good('--any-identity', '--json');
    const { steps, notChecked } = JSON.parse(stdout) as JsonAnswer;
    expect(notChecked).to.deep.equal(['identity', 'issuer', 'inclusion']);
    expect(steps.map(({ name }) => name)).not.to.include.members(['identity']);
    expect((await good('--any-identity')).stdout).not.to.match(/ identity | issuer /);
  });

  it('reads the certificate or the proof from stdin', async () => {
    const run = (words: string[], stdin: string): Promise<MayflyResult> =>
      runMayfly(['verify', 'certificate', '--trust', '.', ...WHO, ...words], { cwd: directory, stdin });
    expect((await run(['-'], encodePem('CERTIFICATE', world.certificate))).code).to.equal(0);
    const proven = await run(['cert.pem', '--proof', '-'], Buffer.from(world.proof).toString());
    expect([proven.code, /ok +inclusion/.test(proven.stdout)]).to.deep.equal([0, true]);
    const both = await run(['-', '--proof', '-'], '');
    expect([both.code, both.stderr.includes('only one of')]).to.deep.equal([2, true]);
    expect((await run(['-'], 'hello')).stderr).to.include('stdin holds no certificate');
    expect((await run(['-'], 'x'.repeat(2 ** 20 + 1))).stderr).to.include('stdin is larger than 1 MiB');
  });

  it('leads to the subcommand when it was left out', async () => {
    const { code, stdout, stderr } = await runMayfly(['verify', 'cert.pem', '--trust', '.'], {
      cwd: directory,
    });
    expect([code, stdout]).to.deep.equal([2, '']);
    expect(stderr).to.include('mayfly verify certificate CERT');
  });

  it('says what it did not check', async () => {
    const { stderr } = await good('--any-identity');
    expect(stderr).to.include('whom the certificate is for').and.to.include('that the log still has it');
    expect(stderr).to.include('any signature, and when it was made');
  });

  describe('with a list of what is not believed', () => {
    const FUTURE = '2126-01-01T00:00:00Z';
    const list = (deny: unknown, expires = FUTURE): string => JSON.stringify({ version: 1, expires, deny });
    const alice = [{ reason: 'a stolen laptop', identity: IDENTITY }];
    const sha256Of = (text: string): string => hash('sha256', text, 'hex');

    async function verifyPinned(text: string, ...more: string[]): Promise<MayflyResult> {
      await write('deny.json', text);
      return good(...WHO, '--deny', 'deny.json', '--deny-sha256', sha256Of(text), ...more);
    }

    it('refuses whom it names, with the reason, and nobody else', async () => {
      const denied = await verifyPinned(list(alice));
      expect(denied.code).to.equal(1);
      expect(denied.stdout).to.match(/^FAILED +deny +rule 1 of the deny list denies it: a stolen laptop$/m);
      const json = await verifyPinned(list(alice), '--json');
      expect((JSON.parse(json.stdout) as JsonAnswer).failed).to.deep.equal(['deny']);
      const others = await verifyPinned(list([{ reason: 'x', identity: 'bob@example.com' }]));
      expect(others.code, others.stderr).to.equal(0);
      expect(others.stdout).to.match(/^ok +deny +none of 1 rules, good until 2126-/m);
      expect((await verifyPinned(list([]))).stdout).to.match(/^ok +deny +none of 0 rules/m);
    });

    it('takes YAML', async () => {
      const text = `version: 1\nexpires: ${FUTURE}\ndeny:\n  - reason: gone\n    serial: 2A # 42\n`;
      expect((await verifyPinned(text)).stdout).to.match(/^FAILED +deny .* gone$/m);
    });

    it('names the list even where the certificate fails for another reason', async () => {
      await write('cert.pem', encodePem('CERTIFICATE', makeWorld({ sct: flipped }).certificate));
      const { stdout } = await verifyPinned(list(alice), '--json');
      expect((JSON.parse(stdout) as JsonAnswer).skipped).to.deep.equal(['identity', 'issuer', 'deny']);
    });

    for (const [kind, key, algorithm] of [
      ['ECDSA', generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'sha256'],
      ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256'],
      ['Ed25519', generateKeyPairSync('ed25519'), null],
    ] as const)
      it(`takes one that the team signed with ${kind}, and no other`, async () => {
        const text = list(alice);
        const words = ['--deny', 'deny.json', '--deny-key', 'team.pem'];
        await write('deny.json', text);
        await write('team.pem', key.publicKey.export({ format: 'pem', type: 'spki' }));
        const signature = sign(algorithm, Buffer.from(text), key.privateKey);
        for (const written of [signature, `${signature.toString('base64')}\n`]) {
          await write('deny.json.sig', written);
          expect((await good(...WHO, ...words)).code).to.equal(1);
        }
        await write('deny.json', list([]));
        const altered = await good(...WHO, ...words);
        expect([altered.code, altered.stdout]).to.deep.equal([2, '']);
        expect(altered.stderr).to.include('signature over the deny list does not hold');
        await rm(path('deny.json.sig'));
        const unsigned = await good(...WHO, ...words);
        expect([unsigned.code, unsigned.stderr]).to.satisfy(
          ([code, said]: [number, string]) => code === 2 && said.includes('deny.json.sig does not exist'),
        );
        await write('elsewhere', sign(algorithm, Buffer.from(list([])), key.privateKey));
        expect((await good(...WHO, ...words, '--deny-signature', 'elsewhere')).code).to.equal(0);
      });

    /** A list that cannot be used is an error, and never one that denies nothing. */
    const useless: [what: string, words: string[], says: RegExp, text?: string][] = [
      ['a missing list', ['--deny', 'none', '--deny-sha256', sha256Of('')], /--deny: none does not exist/],
      ['a list that nothing vouches for', ['--deny', 'deny.json'], /known to be your own: --deny-sha256/],
      [
        'a list that is not the pinned one',
        ['--deny', 'deny.json', '--deny-sha256', sha256Of('another')],
        /not the pinned one: its SHA-256 is [0-9a-f]{64}/,
      ],
      ['a pin that is none', ['--deny', 'deny.json', '--deny-sha256', 'abc'], /64 digits/],
      ['a pin without a list', ['--deny-sha256', sha256Of('')], /--deny, which is missing/],
      ['a key without a list', ['--deny-key', 'team.pem'], /--deny, which is missing/],
      [
        'a signature without a key',
        ['--deny', 'deny.json', '--deny-sha256', sha256Of(''), '--deny-signature', 'x'],
        /needs --deny-key/,
      ],
      ['a key that is none', ['--deny', 'deny.json', '--deny-key', 'cert.pem'], /no public key in PEM/],
    ];
    for (const [what, words, says] of useless)
      it(`is an error for ${what}`, async () => {
        await write('deny.json', list([]));
        const { code, stdout, stderr } = await good(...WHO, ...words);
        expect(stderr).to.match(says);
        expect([code, stdout]).to.deep.equal([2, '']);
      });

    const wrong: [what: string, text: string, says: RegExp][] = [
      ['has expired', list([], '2026-01-01T00:00:00Z'), /was good until 2026-01-01T00:00:00Z[^]*newest/],
      ['is empty', '', /version/],
      ['is no list', '[]', /deny\.json/],
      ['is cut off', list(alice).slice(0, -5), /deny\.json/],
      ['is of another version', list(alice).replace('"version":1', '"version":2'), /version/],
      ['says nothing of what it denies', '{"version":1,"expires":"2126-01-01T00:00:00Z"}', /deny/],
      ['says until when in no time', list([], 'soon'), /expires: is no RFC 3339 time/],
      ['has a rule for every certificate', list([{ reason: 'all' }]), /denies every certificate/],
      ['has a rule without a reason', list([{ serial: '2a' }]), /reason/],
      ['has a word that nobody knows', list([{ reason: 'x', identiy: 'a' }]), /unknown key "identiy"/],
      ['has a serial that is none', list([{ reason: 'x', serial: 'forty-two' }]), /serial/],
      ['has a rule without a value', list([{ reason: 'x', issuer: 'y', serial: null }]), /has no value/],
      [
        'has a rule that says a thing twice',
        list(alice).replace('"identity"', '"identity":"b","identity"'),
        /identity/,
      ],
    ];
    for (const [what, text, says] of wrong)
      it(`is an error for a list that ${what}`, async () => {
        const { code, stdout, stderr } = await verifyPinned(text);
        expect(stderr)
          .to.match(/^mayfly: --deny: /)
          .and.match(says);
        expect([code, stdout]).to.deep.equal([2, '']);
      });
  });

  it('names the step that failed and exits 1', async () => {
    await write('cert.pem', encodePem('CERTIFICATE', makeWorld({ sct: flipped }).certificate));
    const { code, stdout } = await good(...WHO);
    expect(code).to.equal(1);
    expect(stdout)
      .to.match(/FAILED +sct-signature/)
      .and.to.include('Not verified: sct-signature failed.');
    const json = await good(...WHO, '--json');
    expect((JSON.parse(json.stdout) as JsonAnswer).failed).to.deep.equal(['sct-signature']);
    expect(json.code).to.equal(1);
    await write('cert.pem', encodePem('CERTIFICATE', world.certificate.subarray(0, 100)));
    expect((await good(...WHO)).code, 'half a certificate').to.equal(1);
  });

  it('takes DER, a chain with the leaf first, a time and expressions', async () => {
    await write('cert.der', world.certificate);
    expect((await verify('cert.der', '--trust', '.', ...WHO)).code).to.equal(0);
    await write(
      'chain.pem',
      encodePem('CERTIFICATE', world.certificate) + encodePem('CERTIFICATE', world.certificate),
    );
    const patterns = ['--identity-regexp', '.*@example\\.com', '--issuer-regexp', 'https://issuer\\.example'];
    expect((await verify('chain.pem', '--trust', '.', ...patterns)).code).to.equal(0);
    expect((await good('--identity-regexp', 'alice', '--issuer', ISSUER)).code, 'not anchored').to.equal(1);
    expect((await good(...WHO, '--at', '2026-11-22T11:05:00+01:00')).code).to.equal(0);
    const late = await good(...WHO, '--at', '2026-11-22T12:00:00Z');
    expect([late.code, late.stdout]).to.satisfy(
      ([code, text]: [number, string]) =>
        code === 1 && /FAILED +chain[^]*skipped sct-time +needs chain/.test(text),
    );
  });

  describe('with a trusted root', () => {
    const T1 = T0 - 1000;
    const rootOf = ({ trust }: World, end?: number): TrustedRoot => ({
      ...EMPTY_TRUSTED_ROOT,
      certificateAuthorities: [
        {
          organization: 'O',
          commonName: 'Root',
          uri: 'https://ca.example',
          chain: [...trust.intermediates, ...trust.roots],
          window: { start: T1, end },
        },
      ],
      certificateLogs: trust.logs.map(({ publicKey }) => ({
        baseUrl: 'https://ca.example/log/2026',
        publicKey,
        keyDetails: 'PKIX_ECDSA_P256_SHA_256' as const,
        window: { start: T1 },
        logId: sha256(publicKey),
      })),
    });
    const config = (trustedRoot: TrustedRoot): string =>
      encodeClientTrustConfig({
        trustedRoot,
        signingConfig: {
          certificateAuthorities: [],
          openidProviders: [],
          artifactLogs: [],
          timestampAuthorities: [],
        },
      });

    it('takes one file of Sigstore, or a directory that has one, with the chain of the certificate', async () => {
      await write('root.json', encodeTrustedRoot(rootOf(world)));
      await write('config.json', config(rootOf(world)));
      await mkdir(path('trust'));
      await write('trust/trusted_root.json', encodeTrustedRoot(rootOf(world)));
      for (const trust of ['root.json', 'config.json', 'trust'])
        expect((await verify('cert.pem', '--trust', trust, ...WHO)).code, trust).to.equal(0);
      await write('trusted_root.json', encodeTrustedRoot(rootOf(world)));
      const proven = await good(...WHO, '--proof', 'cert.tlog-proof', '--require-inclusion', '--json');
      expect(proven.code, proven.stdout).to.equal(0);
      expect(proven.stdout, 'named by log.vkey').to.include(`the log ${ORIGIN}`);

      const renewed = makeWorld({
        intermediate: (plan) => ({ ...plan, key: KEYS.other }),
        leaf: (plan) => ({ ...plan, signer: KEYS.other }),
      });
      const chain = [renewed.certificate, ...renewed.trust.intermediates];
      await write('chain.pem', chain.map((one) => encodePem('CERTIFICATE', one)).join(''));
      expect((await verify('chain.pem', '--trust', 'root.json', ...WHO)).code, 'a later CA').to.equal(0);
    });

    it('says when the fault may be that of the trust', async () => {
      await write('root.json', encodeTrustedRoot(rootOf(world, T0 - 500)));
      const { code, stdout } = await verify('cert.pem', '--trust', 'root.json', ...WHO);
      expect([code, stdout]).to.satisfy(
        ([status, text]: [number, string]) =>
          status === 1 &&
          /FAILED +chain +the CA "CN=Issuing" is trusted from[^]*Get the newest files/.test(text),
      );
      const json = await verify('cert.pem', '--trust', 'root.json', ...WHO, '--json');
      expect(JSON.parse(json.stdout)).to.include({ ok: false, fault: 'trust' });
    });

    it('names what is wrong with it, or with what lies beside it', async () => {
      await write('root.json', '{"mediaType":"x"}');
      const { code, stderr } = await verify('cert.pem', '--trust', 'root.json', ...WHO);
      expect([code, stderr]).to.satisfy(
        ([status, text]: [number, string]) => status === 2 && /--trust: root\.json cannot be used/.test(text),
      );
      const foreign = makeWorld({ root: (plan) => ({ ...plan, key: KEYS.p521, signer: KEYS.p521 }) });
      await write('trusted_root.json', encodeTrustedRoot(rootOf(foreign)));
      expect((await good(...WHO)).stderr).to.match(
        /root\.pem cannot be used: it holds a root that trusted_root/,
      );
      await write('trusted_root.json', encodeTrustedRoot({ ...rootOf(world), certificateLogs: [] }));
      expect((await good(...WHO)).stderr).to.match(
        /log\.vkey cannot be used: it names a log that trusted_root/,
      );
    });
  });

  it('takes every log that log.vkey names', async () => {
    const other = makeWorld({ sctKey: KEYS.other });
    const line = encodeVkey(makeVkey(sha256, 'log.example/next', 'static-ct', KEYS.other.spki));
    const own = encodeVkey(makeVkey(sha256, ORIGIN, 'static-ct', KEYS.log.spki));
    await write('log.vkey', `${own}\n${line}\n`);
    await write('other.pem', encodePem('CERTIFICATE', other.certificate));
    for (const name of ['cert.pem', 'other.pem'])
      expect((await verify(name, '--trust', '.', ...WHO)).code, name).to.equal(0);
  });

  it('takes time in proportion to a name, whatever the expression', async () => {
    const san = altName({ type: 'uri', value: `https://a/${'/'.repeat(4000)}` });
    const { certificate } = makeWorld({ leaf: (plan) => withExtensions(plan, { san }) });
    await write('slashes.pem', encodePem('CERTIFICATE', certificate));
    for (const expression of ['(.*/)*x', '((.*)*/)*x', '(.*/.*)*\\.x', '(/|//)*x']) {
      const words = ['--identity-regexp', expression, '--issuer', ISSUER, '--json'];
      const { code, stdout } = await verify('slashes.pem', '--trust', '.', ...words);
      expect([code, (JSON.parse(stdout) as JsonAnswer).failed], expression).to.deep.equal([1, ['identity']]);
    }
  });

  it('wants no log.v3.json, but one of another log shows that files were mixed up', async () => {
    await rm(path('log.v3.json'));
    expect((await good(...WHO)).code).to.equal(0);
    await write('log.v3.json', JSON.stringify(description(KEYS.other.spki)));
    const { code, stderr } = await good(...WHO);
    expect(code).to.equal(2);
    expect(stderr).to.include('another log');
  });

  /** What goes wrong before anything can be judged: exit status 2, a sentence, and what to do. */
  const mistakes: [what: string, words: string[], says: RegExp, prepare?: () => Promise<unknown>][] = [
    [
      'a missing certificate',
      ['none.pem', '--trust', '.', ...WHO],
      /CERT: none\.pem does not exist[^]*cert\.pem/,
    ],
    [
      'a key in the place of the certificate',
      ['key.pem', '--trust', '.', ...WHO],
      /begins with a private key[^]*certificate itself/,
      () =>
        write(
          'key.pem',
          `${encodePem('PRIVATE KEY', new Uint8Array(9))}${encodePem('CERTIFICATE', world.certificate)}`,
        ),
    ],
    [
      'some other file',
      ['note.txt', '--trust', '.', ...WHO],
      /neither PEM nor DER/,
      () => write('note.txt', 'hello'),
    ],
    [
      'a damaged PEM file',
      ['bad.pem', '--trust', '.', ...WHO],
      /no PEM file/,
      () => write('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n'),
    ],
    ['no trust', ['cert.pem', ...WHO], /give --trust[^]*trust export/],
    [
      'a trust directory that is not there',
      ['cert.pem', '--trust', 'nowhere', ...WHO],
      /root\.pem[^]*does not exist[^]*trust export/,
    ],
    ['an address', ['cert.pem', '--trust', 'http://127.0.0.1:5555', ...WHO], /an address[^]*trust fetch URL/],
    [
      'a data directory',
      ['cert.pem', '--trust', 'data', ...WHO],
      /is a data directory[^]*trust export --data/,
      async () => {
        await mkdir(path('data'), { recursive: true });
        await write('data/mayfly.json', '{}');
      },
    ],
    [
      'a trust directory without the log',
      ['cert.pem', '--trust', '.', ...WHO],
      /log\.vkey does not exist/,
      () => rm(path('log.vkey')),
    ],
    [
      'a key file in the place of a root',
      ['cert.pem', '--trust', '.', ...WHO],
      /root\.pem[^]*"PUBLIC KEY"/,
      () => write('root.pem', encodePem('PUBLIC KEY', KEYS.log.spki)),
    ],
    [
      'a log key that log.vkey does not know',
      ['cert.pem', '--trust', '.', ...WHO],
      /does not name the key/,
      () => write('log.pub.pem', encodePem('PUBLIC KEY', KEYS.other.spki)),
    ],
    [
      'a damaged log.vkey',
      ['cert.pem', '--trust', '.', ...WHO],
      /log\.vkey cannot be used/,
      () => write('log.vkey', 'x+y+z'),
    ],
    [
      'a root that is no certificate',
      ['cert.pem', '--trust', '.', ...WHO],
      /root certificate to be trusted cannot be read/,
      () => write('root.pem', encodePem('CERTIFICATE', new Uint8Array(4))),
    ],
    [
      'an intermediate in the place of the root',
      ['cert.pem', '--trust', '.', ...WHO],
      /"CN=Issuing" is trusted as a root and is none[^]*"CN=Root" issued it/,
      () => write('root.pem', encodePem('CERTIFICATE', world.trust.intermediates[0] ?? new Uint8Array())),
    ],
    ['nobody to expect', ['cert.pem', '--trust', '.'], /say whom[^]*--any-identity/],
    [
      'an identity without an issuer',
      ['cert.pem', '--trust', '.', '--identity', IDENTITY],
      /--issuer or --issuer-regexp is missing/,
    ],
    ['an identity twice', ['cert.pem', '--trust', '.', ...WHO, '--identity-regexp', '.*'], /not both/],
    ['anybody and somebody', ['cert.pem', '--trust', '.', ...WHO, '--any-identity'], /contradicts/],
    [
      'a time that is none',
      ['cert.pem', '--trust', '.', ...WHO, '--at', 'yesterday'],
      /"yesterday" is no RFC 3339 time[^]*2026-/,
    ],
    [
      'an expression that is none',
      ['cert.pem', '--trust', '.', '--identity-regexp', '(', '--issuer', ISSUER],
      /--identity-regexp: the regular expression cannot be compiled[^]*RE2/,
    ],
    [
      'a missing proof',
      ['cert.pem', '--trust', '.', ...WHO, '--proof', 'none'],
      /--proof: none does not exist[^]*log proof/,
    ],
    ['no certificate', ['--trust', '.'], /missing required argument/],
  ];
  for (const [what, words, says, prepare] of mistakes) {
    it(`says what to do about ${what}, and exits 2`, async () => {
      await prepare?.();
      const { code, stdout, stderr } = await verify(...words);
      expect(stderr).to.match(says);
      expect([code, stdout]).to.deep.equal([2, '']);
    });
  }

  it('reports a mistake as JSON too', async () => {
    const { code, stdout } = await good('--json');
    expect(code).to.equal(2);
    expect((JSON.parse(stdout) as JsonAnswer).error?.code).to.equal('USAGE');
  });

  it('is a subcommand with help and examples', async () => {
    const help = await verify('--help');
    expect([help.code, help.stdout]).to.satisfy(
      ([code, text]: [number, string]) => code === 0 && text.includes('Examples:'),
    );
    expect((await runMayfly(['verify'])).code).to.equal(2);
    expect((await runMayfly(['verify', 'nothing'])).code).to.equal(2);
  });
});
