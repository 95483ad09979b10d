import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAuthority } from '../../../ca/authority.ts';
import { readTimestampChain } from '../../../ca/timestamp-chain.ts';
import { loadKeyFile } from '../../../signers/key-file.ts';
import { certificateLog } from '../../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../../instance/data-directory.ts';
import { loadConfig } from '../../../config/load/load.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { describeName } from '../../../core/distinguished-name.ts';
import { decodePem } from '../../../core/pem.ts';
import { readIdentity } from '../../../ct-log/log-identity.ts';
import { openCtLog } from '../../../ct-log/ct-log.ts';
import { emailConfig } from '../../support/data-directory.ts';
import { giveToOrdinaryUser, needOrdinaryUser, ordinaryUser } from '../../support/ordinary-user.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';
import { vectorPath } from '../../support/vectors.ts';

const PASSPHRASE = 'correct horse battery';

describe('mayfly init', function () {
  this.timeout(60_000);
  let cwd: string;
  let data: string;
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-init-'));
    data = join(cwd, 'data');
    await writeFile(join(cwd, 'pass'), `${PASSPHRASE}\nsecond line\n`);
    await writeFile(join(cwd, 'empty'), '\n');
  });
  afterEach(() => rm(cwd, { recursive: true }));

  const init = (...args: string[]): Promise<MayflyResult> =>
    runMayfly(['init', '--data', 'data', ...args], { cwd });
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { cwd, encoding: 'utf8', stdio: 'pipe' });
  const text = (...path: string[]): Promise<string> => readFile(join(data, ...path), 'utf8');
  const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

  it('makes a CA and a log that can be opened, with the root key outside', async () => {
    const { code, stdout, stderr } = await init('--root-key-out', 'root.key.pem');
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout)
      .to.match(/mayfly serve --data \/\S+\/data$/m)
      .and.to.include('Take it offline now');

    const directory = await openDataDirectory(data, { mode: 'production', write: true });
    expect(directory.warnings).to.deep.equal([]);
    const { issuers, findings } = await loadConfig(directory.paths.config);
    expect([issuers.length, findings.length]).to.deep.equal([0, 1]);
    const signer = await loadKeyFile(await text('keys', 'intermediate.key.pem'));
    const chainPem = await text('ca', 'chain.pem');
    const authority = await loadAuthority({ chainPem, signer, clock: Date.now });
    const log = certificateLog(directory);
    const opened = await openCtLog({
      directory: log.directory,
      signers: {
        treeHead: await loadKeyFile(await readFile(log.ecdsaKey)),
        checkpoint: await loadKeyFile(await readFile(log.ed25519Key)),
      },
      chain: authority.chain,
      clock: Date.now,
    });
    expect(opened.status().size).to.equal(0);
    expect(opened.identity.origin).to.equal(`localhost/log/${new Date().getUTCFullYear()}`);
    await opened.close();

    const [, root] = decodePem(chainPem).map(({ bytes }) => parseCertificate(bytes));
    const rootSigner = await loadKeyFile(await readFile(join(cwd, 'root.key.pem')));
    expect(rootSigner.publicKey).to.deep.equal(root?.spki);
    expect(await readdir(join(data, 'keys'))).not.to.include('root.key.pem');
  });

  it('satisfies openssl, and names its fingerprints as openssl does', async () => {
    const { stdout } = await init('--root-key-out', 'root.key.pem', '--json');
    const [intermediate, root] = (await text('ca', 'chain.pem')).split(/(?<=END CERTIFICATE-----\n)/);
    await writeFile(join(cwd, 'i.pem'), intermediate ?? '');
    await writeFile(join(cwd, 'r.pem'), root ?? '');
    expect(openssl('verify', '-x509_strict', '-CAfile', 'r.pem', 'i.pem')).to.equal('i.pem: OK\n');
    const facts = JSON.parse(stdout) as { chain: { sha256: string }[]; rootKey: string };
    const fingerprints = ['i.pem', 'r.pem'].map((file) =>
      openssl('x509', '-in', file, '-noout', '-fingerprint', '-sha256')
        .trim()
        .split('=')[1]
        ?.replaceAll(':', '')
        .toLowerCase(),
    );
    expect(facts.chain.map(({ sha256 }) => sha256)).to.deep.equal(fingerprints);
    expect(facts.rootKey).to.equal(join(cwd, 'root.key.pem'));
  });

  it('certifies a key for timestamps directly below the root, encrypted as the others', async () => {
    const { stdout } = await init('--root-key-out', 'root.key.pem', '--passphrase-file', 'pass');
    expect(stdout).to.match(/^ {2}Timestamps {3}CN=Mayfly CA timestamps, O=Mayfly, until /m);
    const root = decodePem(await text('ca', 'chain.pem')).at(-1)?.bytes;
    const { publicKey: spki } = await loadKeyFile(await text('keys', 'tsa.key.pem'), PASSPHRASE);
    readTimestampChain(await text('tsa', 'chain.pem'), { now: Date.now(), spki, root });
  });

  it('keeps files from everybody else', async () => {
    await init('--root-key-out', 'root.key.pem');
    const keys = await readdir(join(data, 'keys'));
    expect(keys).to.have.length(7);
    for (const path of [
      ...keys.map((name) => join(data, 'keys', name)),
      join(cwd, 'root.key.pem'),
      join(cwd, 'tuf-root.key.pem'),
      join(data, 'config.yaml'),
    ])
      expect(await mode(path), path).to.equal('600');
    for (const path of ['.', 'keys', 'ca', 'tsa', 'tuf', 'logs', 'artifacts', 'artifacts/v1', 'artifacts/v2'])
      expect(await mode(join(data, path)), path).to.equal('700');
  });

  it('encrypts every key with the first line of the passphrase file', async () => {
    const { stdout } = await init('--root-key-out', 'root.key.pem', '--passphrase-file', 'pass');
    expect(stdout).to.include('encrypted with the passphrase').and.not.to.include(PASSPHRASE);
    const files = [
      ...(await readdir(join(data, 'keys'))).map((name) => join(data, 'keys', name)),
      join(cwd, 'root.key.pem'),
      join(cwd, 'tuf-root.key.pem'),
    ];
    expect(files).to.have.length(9);
    for (const file of files) {
      const pem = await readFile(file, 'utf8');
      expect(pem).to.match(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
      await loadKeyFile(pem, PASSPHRASE);
    }
    openssl('pkey', '-in', 'root.key.pem', '-passin', `pass:${PASSPHRASE}`, '-noout');
  });

  it('takes names, key type, origin, public URL and SCT extensions', async () => {
    const { code } = await init(
      ...[
        '--keep-root-key',
        '--organization',
        'Müller & Söhne',
        '--common-name',
        'Signing',
        '--key-type',
        'p384',
      ],
      ...[
        '--origin',
        'ca.example.org/log/main',
        '--public-url',
        'https://ca.example.org/',
        '--sct-extensions',
        'none',
      ],
    );
    expect(code).to.equal(0);
    const names = decodePem(await text('ca', 'chain.pem')).map(({ bytes }) => parseCertificate(bytes));
    expect(names.map(({ subject }) => describeName(subject))).to.deep.equal([
      'CN=Signing intermediate, O=Müller & Söhne',
      'CN=Signing, O=Müller & Söhne',
    ]);
    expect((await loadKeyFile(await text('keys', 'root.key.pem'))).algorithm).to.equal('ecdsa-p384-sha384');
    const identity = await readIdentity(join(data, 'logs', 'main'));
    expect([identity.origin, identity.sctExtensions]).to.deep.equal(['ca.example.org/log/main', 'none']);
    expect((await loadConfig(join(data, 'config.yaml'))).mayfly.publicUrl).to.equal('https://ca.example.org');
    expect((await openDataDirectory(data)).warnings[0]).to.include('the root key lies on the server');
  });

  it('warns when the service has a public URL and its log no name of that host', async () => {
    const url = ['--public-url', 'https://sign.example.org'];
    const { code, stdout } = await init('--keep-root-key', ...url);
    const year = new Date().getUTCFullYear();
    const wanted = `--origin sign.example.org/log/${year}`;
    expect([code, stdout.includes(`localhost/log/${year} for good`), stdout.includes(wanted)]).to.deep.equal([
      ...[0, true, true],
    ]);
    const json = async (...args: string[]): Promise<string[]> => {
      const answer = await runMayfly(['init', '--json', '--keep-root-key', ...args], { cwd });
      return (JSON.parse(answer.stdout) as { warnings: string[] }).warnings;
    };
    expect((await json('--data', 'a', ...url)).map((warning) => warning.includes(wanted))).to.deep.equal([
      true,
    ]);
    expect(await json('--data', 'b', ...url, '--origin', 'sign.example.org/log/one')).to.deep.equal([]);
    expect(await json('--data', 'c')).to.deep.equal([]);
  });

  const KEEP = '--keep-root-key';
  const MISTAKES: readonly (readonly [name: string, args: readonly string[], code: number, part: string])[] =
    [
      ['no word on the root key', [], 2, 'say where the root key goes'],
      ['two words on the root key', [KEEP, '--root-key-out', 'x'], 2, 'exclude each other'],
      ['a root key inside', ['--root-key-out', 'data/root.pem'], 2, 'inside the data directory'],
      [
        'a root key into nowhere',
        ['--root-key-out', 'no/where.pem'],
        1,
        'A directory on the way to it does not exist',
      ],
      ['an Ed25519 CA', [KEEP, '--key-type', 'ed25519'], 2, 'Common clients verify SCTs only'],
      ['an unknown key type', [KEEP, '--key-type', 'p255'], 2, 'Use one of p256'],
      ['an empty name', [KEEP, '--organization', ''], 2, 'with what Mayfly adds: " intermediate".'],
      ['an origin with a scheme', [KEEP, '--origin', 'https://a/log/b'], 2, 'has a scheme'],
      ['an origin in capitals', [KEEP, '--origin', 'CA.example/log/b'], 2, 'has capital letters'],
      ['an origin with a slash', [KEEP, '--origin', 'ca.example/log/b/'], 2, 'ends with a slash'],
      [
        'an origin of another form',
        [KEEP, '--origin', 'ca.example/2026'],
        2,
        'is not of the form HOST/log/NAME',
      ],
      ['an origin that climbs', [KEEP, '--origin', 'ca.example/log/..'], 1, 'cannot be the origin of a log'],
      ['unknown SCT extensions', [KEEP, '--sct-extensions', 'all'], 2, 'must be one of leaf_index, none'],
      ['a public URL without a scheme', [KEEP, '--public-url', 'ca.example'], 2, 'is not usable'],
      ['a missing passphrase file', [KEEP, '--passphrase-file', 'nix'], 1, 'cannot be read'],
      ['an empty passphrase', [KEEP, '--passphrase-file', 'empty'], 1, 'is empty'],
      [
        'a passphrase on the command line',
        [KEEP, '--passphrase', 'secret'],
        2,
        'unknown option "--passphrase"',
      ],
      ['a chain without its key', ['--ca-chain', 'x'], 2, '--ca-chain needs --ca-key'],
      ['a root key of an adopted CA', ['--ca-key', 'x', KEEP], 2, 'has no meaning when a CA is adopted'],
      ['an adopted key that is not there', ['--ca-key', 'nix'], 2, 'does not exist'],
      ['an adopted key that is none', ['--ca-key', 'pass'], 1, 'neither PEM nor PKCS#12'],
    ];
  for (const [name, args, expected, part] of MISTAKES)
    it(`says what to do about ${name}, and makes nothing`, async () => {
      const { code, stdout, stderr } = await init(...args);
      expect(stderr).to.include(part);
      expect([code, stdout]).to.deep.equal([expected, '']);
      expect((await readdir(cwd)).sort()).to.deep.equal(['empty', 'pass']);
    });

  it('never overwrites an instance or a root key, and leaves no trace of the attempt', async () => {
    await init('--root-key-out', 'root.key.pem');
    const before = await readFile(join(cwd, 'root.key.pem'), 'utf8');
    const again = await init('--root-key-out', 'other.pem', '--json');
    expect(again.code).to.equal(1);
    expect(JSON.parse(again.stdout)).to.have.nested.property('error.code', 'DIRECTORY_EXISTS');
    const elsewhere = await runMayfly(['init', '--data', 'second', '--root-key-out', 'root.key.pem'], {
      cwd,
    });
    expect(elsewhere.stderr).to.include('a root key is never overwritten');
    expect(await readFile(join(cwd, 'root.key.pem'), 'utf8')).to.equal(before);
    expect((await readdir(cwd)).sort()).to.deep.equal([
      'data',
      'empty',
      'pass',
      'root.key.pem',
      'tuf-root.key.pem',
    ]);
  });

  describe('adopting a configuration', () => {
    const FULCIO = vectorPath('fulcio-public-good.yaml');

    it('copies it as it is, and says what it opens', async () => {
      const { code, stdout, stderr } = await init(KEEP, '--config', FULCIO);
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(await text('config.yaml')).to.equal(await readFile(FULCIO, 'utf8'));
      expect(stdout)
        .to.match(/Issuers +22 issuers, 9 meta issuers, 0 rules, as .*\n +The file was copied as it is\.\n/)
        .and.to.match(/warning: oidc-issuers\."https:\/\/gitlab\.com": has no allow rule/)
        .and.to.match(/1\. See that .*config\.yaml lets in whom it should/)
        .and.to.not.include('take the "#" off');
    });

    it('puts the public URL behind it, which is the one of the TUF repository too', async () => {
      const json = await init(KEEP, '--config', FULCIO, '--public-url', 'https://ca.example.org/', '--json');
      const { configuration } = JSON.parse(json.stdout) as { configuration: Record<string, unknown> };
      expect(configuration).to.include({
        from: FULCIO,
        addedPublicUrl: true,
        issuers: 22,
        metaIssuers: 9,
        rules: 0,
      });
      expect(configuration['warnings']).to.be.an('array').with.length.greaterThan(10);
      const { mayfly, issuers } = await loadConfig(join(data, 'config.yaml'));
      expect([mayfly.publicUrl, issuers.length]).to.deep.equal(['https://ca.example.org', 31]);
    });

    it('takes what the file says of services for what clients fetch', async () => {
      const issuer = 'https://login.example.org';
      const mayfly = '{public-url: https://sign.example.org, artifact-log: {clients: [v2]}}';
      await writeFile(join(cwd, 'old.yaml'), emailConfig(issuer, mayfly));
      expect((await init(KEEP, '--config', 'old.yaml', '--json')).code).to.equal(0);
      const published = JSON.parse(await text('tuf', 'targets', 'signing_config.v0.2.json')) as SigningConfig;
      const services = ({ oidcUrls, rekorTlogUrls }: SigningConfig): unknown =>
        [oidcUrls, rekorTlogUrls].map(([one]) => [one?.url, one?.majorApiVersion]);
      expect(services(published)).to.deep.equal([
        [issuer, 1],
        ['https://sign.example.org', 2],
      ]);
    });

    it('refuses one that cannot be used, and makes nothing', async () => {
      for (const [content, part] of [
        ['oidc-issuers: {https://a.example: {type: mail}}\n', /a\.example[^]*type/],
        [
          'mayfly: {public-url: https://other.example}\n',
          /is https:\/\/other\.example, and not https:\/\/ca/,
        ],
        ['mayfly: {audit: {file: {path: audit.log}}}\n', /names the file "audit\.log"[^]*whole path/],
      ] as const) {
        await writeFile(join(cwd, 'old.yaml'), content);
        const { code, stdout, stderr } = await init(
          KEEP,
          '--config',
          'old.yaml',
          '--public-url',
          'https://ca.example.org',
        );
        expect([code, stdout]).to.deep.equal([1, '']);
        expect(stderr).to.match(part);
        expect((await readdir(cwd)).sort()).to.deep.equal(['empty', 'old.yaml', 'pass']);
      }
      const missing = await init(KEEP, '--config', 'nix.yaml');
      expect(missing.code).to.equal(2);
      expect(missing.stderr).to.match(/--config: nix\.yaml: does not exist/);
    });
  });

  it('refuses a place where it may not write', async function () {
    needOrdinaryUser(this);
    await giveToOrdinaryUser(cwd);
    await chmod(cwd, 0o500);
    const { code, stderr } = await runMayfly(['init', '--data', 'data', KEEP], { cwd, user: ordinaryUser });
    await chmod(cwd, 0o700);
    expect([code, stderr.includes('cannot be written')]).to.deep.equal([1, true]);
  });

  describe('adopting a CA that openssl made', () => {
    /** root.crt, int.crt, int.key, chain.pem. */
    async function makeChain(): Promise<void> {
      const subject = (cn: string): string[] => ['-subj', `/O=Old Ltd/CN=${cn}`];
      const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      const ca = [
        '-addext',
        'basicConstraints=critical,CA:TRUE',
        '-addext',
        'keyUsage=critical,keyCertSign,cRLSign',
      ];
      openssl(
        'req',
        '-x509',
        ...ec,
        ...subject('Old root'),
        '-days',
        '30',
        '-keyout',
        'root.key',
        '-out',
        'root.crt',
        ...ca,
      );
      openssl('req', ...ec, ...subject('Old intermediate'), '-keyout', 'int.key', '-out', 'int.csr');
      await writeFile(
        join(cwd, 'ext'),
        'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=codeSigning\n',
      );
      openssl(
        ...['x509', '-req', '-in', 'int.csr', '-CA', 'root.crt', '-CAkey', 'root.key', '-days', '20'],
        ...['-extfile', 'ext', '-out', 'int.crt'],
      );
      const pems = await Promise.all(
        ['int.crt', 'root.crt'].map((name) => readFile(join(cwd, name), 'utf8')),
      );
      await writeFile(join(cwd, 'chain.pem'), pems.join(''));
    }
    beforeEach(makeChain);

    async function expectAdopted(result: MayflyResult, passphrase?: string): Promise<void> {
      expect([result.code, result.stderr]).to.deep.equal([0, '']);
      expect(result.stdout).to.include('CN=Old intermediate').and.not.to.include('Root key');
      expect(result.stdout).to.match(
        /Timestamps +none: only the root can certify a key.*\n.*mayfly tsa init --data /,
      );
      const signer = await loadKeyFile(await text('keys', 'intermediate.key.pem'), passphrase);
      const authority = await loadAuthority({
        chainPem: await text('ca', 'chain.pem'),
        signer,
        clock: Date.now,
      });
      expect(authority.chain.map((der) => describeName(parseCertificate(der).subject))).to.deep.equal([
        'CN=Old intermediate, O=Old Ltd',
        'CN=Old root, O=Old Ltd',
      ]);
      expect(await readdir(join(data, 'keys'))).to.have.length(5);
    }

    it('takes chain and PKCS#8 key', async () => {
      await expectAdopted(await init('--ca-chain', 'chain.pem', '--ca-key', 'int.key'));
    });

    it('takes an encrypted SEC1 key, and encrypts what it writes', async () => {
      openssl('ec', '-in', 'int.key', '-aes256', '-passout', `pass:${PASSPHRASE}`, '-out', 'old.key');
      await expectAdopted(
        await init('--ca-chain', 'chain.pem', '--ca-key', 'old.key', '--passphrase-file', 'pass'),
        PASSPHRASE,
      );
      expect(await text('keys', 'intermediate.key.pem')).to.include('ENCRYPTED');
    });

    it('takes PKCS#12, which holds both', async () => {
      openssl(
        ...[
          'pkcs12',
          '-export',
          '-inkey',
          'int.key',
          '-in',
          'int.crt',
          '-certfile',
          'root.crt',
          '-passout',
          `pass:${PASSPHRASE}`,
          '-out',
          'ca.p12',
        ],
      );
      await expectAdopted(
        await init('--ca-key', 'ca.p12', '--ca-chain', 'ca.p12', '--passphrase-file', 'pass'),
        PASSPHRASE,
      );
    });

    const REFUSED: readonly (readonly [name: string, args: readonly string[], part: string])[] = [
      [
        'a key of another CA',
        ['--ca-chain', 'chain.pem', '--ca-key', 'root.key'],
        'public keys are not equal',
      ],
      [
        'a chain in the wrong order',
        ['--ca-chain', 'wrong.pem', '--ca-key', 'root.key'],
        'is not its issuer',
      ],
      ['a chain without its root', ['--ca-chain', 'int.crt', '--ca-key', 'int.key'], 'up to the root'],
      [
        'a wrong passphrase',
        ['--ca-chain', 'chain.pem', '--ca-key', 'locked.key', '--passphrase-file', 'pass'],
        'passphrase',
      ],
      [
        'no passphrase',
        ['--ca-chain', 'chain.pem', '--ca-key', 'locked.key'],
        'the private key is encrypted',
      ],
    ];
    for (const [name, args, part] of REFUSED)
      it(`refuses ${name}`, async () => {
        const [intermediate, root] = await Promise.all(
          ['int.crt', 'root.crt'].map((file) => readFile(join(cwd, file), 'utf8')),
        );
        await writeFile(join(cwd, 'wrong.pem'), `${root ?? ''}${intermediate ?? ''}`);
        openssl('pkcs8', '-topk8', '-in', 'int.key', '-passout', 'pass:other', '-out', 'locked.key');
        const { code, stderr } = await init(...args);
        expect(stderr).to.include(part);
        expect(code).to.equal(1);
        expect(await readdir(cwd)).not.to.include('data');
      });
  });
});

/** The places of services in a signing config. */
type SigningConfig = Readonly<
  Record<'oidcUrls' | 'rekorTlogUrls', readonly { readonly url: string; readonly majorApiVersion: number }[]>
>;
