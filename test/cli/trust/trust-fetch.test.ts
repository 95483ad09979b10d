import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata, MetadataKind, Signature } from '@tufjs/models';
import { expect } from 'chai';
import { refusal } from '../../../cli/trust/fetch/fetch-refusal.ts';
import { fetchTrust } from '../../../cli/trust/fetch/trust-fetch.ts';
import { CommandError, exitCodeOf, type Speaker } from '../../../cli/program/command.ts';
import { readTrustDirectory } from '../../../cli/verify/trust-directory.ts';
import { encodeSigningConfig, parseSigningConfig } from '../../../trust/format/signing-config.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { sigstoreTargets } from '../../../trust/tuf/sigstore-targets.ts';
import type { TargetContents } from '../../../trust/tuf/target-contents.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { encodeMetadata, signMetadata } from '../../../trust/tuf/metadata.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { failureAs } from '../../support/failure.ts';
import {
  change,
  Mirror,
  removeScratch,
  testRepository,
  type TestRepository,
} from '../../trust/tuf/support/repository.ts';

const DAY = 86_400_000;
const shape = (name: string): TargetContents =>
  new Map([
    [
      'trusted_root.json',
      { text: readFileSync(`test/vectors/trust-shapes/${name}/trusted_root.json`, 'utf8') },
    ],
  ]);

describe('mayfly trust fetch', function () {
  this.timeout(20_000);
  let repository: TestRepository;
  let mirror: Mirror;
  let out: string;
  beforeEach(async () => {
    repository = await testRepository(Date.now() - DAY / 2);
    mirror = await Mirror.start();
    mirror.show(await change(repository, { contents: shape('ca-only') }, { now: Date.now() - DAY / 3 }));
    out = join(mkdtempSync(join(tmpdir(), 'mayfly-fetched-')), 'trust');
  });
  afterEach(() => {
    mirror.stop();
    removeScratch();
    rmSync(join(out, '..'), { recursive: true });
  });

  let answered: Record<string, unknown>;
  const speak: Speaker = {
    json: true,
    answer: (result) => {
      answered = result;
    },
    record: () => Promise.resolve(true),
    note: () => undefined,
    step: () => undefined,
    progress: () => undefined,
  };
  const fetch = (fingerprint?: string): Promise<undefined> =>
    fetchTrust(fingerprint === undefined ? { out } : { out, fingerprint }, speak, [mirror.url]);
  const hashOf = (file: string): string =>
    createHash('sha256')
      .update(mirror.files.get(file) ?? '')
      .digest('hex');
  /** Everything in the directory. */
  const contentsOfOut = (): Readonly<Record<string, string>> =>
    Object.fromEntries(
      readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => [
          join(parentPath, name),
          readFileSync(join(parentPath, name), 'utf8'),
        ]),
    );
  /** `SHA256SUMS` says what is there. */
  const expectSums = (): void => {
    const lines = readFileSync(join(out, 'SHA256SUMS'), 'utf8').trim().split('\n');
    for (const [sum = '', name = ''] of lines.map((line) => line.split('  ')))
      expect(
        createHash('sha256')
          .update(readFileSync(join(out, name)))
          .digest('hex'),
        name,
      ).to.equal(sum);
    const names = lines.map((line) => line.split('  ')[1]);
    expect(readdirSync(out).sort()).to.deep.equal([...names, 'SHA256SUMS', 'tuf'].sort());
  };
  const expectRefusal = async (pattern: RegExp, fingerprint?: string): Promise<void> => {
    const before = contentsOfOut();
    const error = await failureAs(CommandError, fetch(fingerprint));
    expect(error.message).to.match(pattern);
    expect(contentsOfOut()).to.deep.equal(before);
  };

  it('gets everything by one hash, and later follows changes and new roots without it', async () => {
    await fetch(hashOf('1.root.json'));
    const text = (name: string): string => shape(name).get('trusted_root.json')?.text ?? '';
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(text('ca-only'));
    expect(answered['files'])
      .to.include.members(['trusted_root.json', 'root.pem', 'log.pub.pem', 'SHA256SUMS'])
      .and.to.not.include('client_trust_config.json');
    await fetch();
    expect(answered['changes']).to.deep.equal([]);
    const next = await generateKey('p256');
    const add = [tufKey(localSigner(next).publicKey)];
    mirror.show(
      await change(
        repository,
        { contents: shape('tsa'), root: { add, remove: [] } },
        { keys: [repository.rootKey, next] },
      ),
    );
    await fetch();
    expect(answered['root']).to.include({ version: 2 });
    expect(answered['changes']).to.have.length.greaterThan(0);
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(text('tsa'));
    // The fingerprint of the first root leads to the newest one, too.
    out = join(out, '..', 'another');
    await fetch(`sha256:${hashOf('1.root.json').toUpperCase()}`);
    expect(answered['root']).to.include({ version: 2 });
  });

  it('makes a directory of it as an export is, and keeps nothing there that is not trusted any more', async () => {
    const root = parseTrustedRoot(shape('tsa').get('trusted_root.json')?.text ?? '');
    const [log] = root.certificateLogs;
    if (log === undefined) throw new Error('no log');
    const other = { ...log, logId: new Uint8Array(32).fill(7), publicKey: Buffer.from('another key') };
    const contents = (
      certificateLogs: TrustedRoot['certificateLogs'],
      over: Partial<TrustedRoot> = {},
    ): TargetContents => sigstoreTargets({ ...root, ...over, certificateLogs }, signing, Date.now());
    const signing = parseSigningConfig(
      readFileSync('test/vectors/trust-shapes/tsa/signing_config.json', 'utf8'),
    );
    mirror.show(await change(repository, { contents: contents([log, other]) }));
    await fetch(hashOf('1.root.json'));
    const files = (): string[] => readdirSync(out).sort();
    const passing = ['ctfe_2.pub', `log-${'07'.repeat(8)}.pub.pem`, 'tsa.pem', 'tsa_leaf.crt.pem'];
    expect(files())
      .to.include.members([...passing, 'root.pem', 'intermediate.pem', 'chain.pem', 'trust.p7b', 'trust.p12'])
      .and.to.include.members([
        'log.pub.pem',
        'client_trust_config.json',
        'signing_config.v0.2.json',
        'ctfe.pub',
      ]);
    expectSums();
    expect((await readTrustDirectory(out)).trustedRoot?.certificateLogs).to.have.length(2);
    const end = { window: { start: 0, end: Date.now() - 5000 } };
    const timestampAuthorities = root.timestampAuthorities.map((one) => ({ ...one, ...end }));
    mirror.show(
      await change(repository, { contents: contents([log, { ...other, ...end }], { timestampAuthorities }) }),
    );
    await fetch();
    for (const name of passing) expect(files()).not.to.include(name);
    expectSums();
  });

  it('says where clients would send their identity tokens from now on', async () => {
    const config = (url: string): TargetContents =>
      new Map([
        ...shape('ca-only'),
        [
          'signing_config.v0.2.json',
          {
            text: encodeSigningConfig({
              certificateAuthorities: [{ url, majorApiVersion: 1, operator: 'o', window: { start: 0 } }],
              openidProviders: [],
              artifactLogs: [],
              timestampAuthorities: [],
            }),
          },
        ],
      ]);
    mirror.show(await change(repository, { contents: config('https://a.test') }));
    await fetch(hashOf('1.root.json'));
    mirror.show(await change(repository, { contents: config('https://evil.test') }));
    await fetch();
    expect(String(answered['changes']))
      .to.include('new for signing: CA https://evil.test')
      .and.to.include('no longer for signing: CA https://a.test');
  });

  it('refuses another root, and one that nobody named', async () => {
    mkdirSync(out);
    await expectRefusal(/is another one: its SHA-256 is [0-9a-f]{64}, not 0{64}/, '0'.repeat(64));
    await expectRefusal(/nothing says yet which repository/);
    await expectRefusal(/64 hexadecimal digits/, 'abc');
    const fingerprint = hashOf('1.root.json');
    const other = await testRepository();
    mirror.show(await other.read());
    await expectRefusal(/is another one/, fingerprint);
  });

  it('refuses a repository of others, an older state, an end, and files that are not right', async () => {
    const fingerprint = hashOf('1.root.json');
    const old = new Map(mirror.files);
    mirror.show(await change(repository, { contents: shape('tsa') }));
    await fetch(fingerprint);
    await expectRefusal(/follows a repository already/, fingerprint);
    const good = new Map(mirror.files);
    const show = (files: ReadonlyMap<string, Uint8Array>): void => {
      mirror.show({ files: new Map(files) });
    };
    show(old);
    await expectRefusal(/older than the one that was seen before/);
    mirror.show(await (await testRepository()).read());
    await expectRefusal(/not signed by the keys that are trusted|older than/);
    show(good);
    for (const name of good.keys())
      if (name.endsWith('trusted_root.json')) mirror.files.set(name, new Uint8Array(Buffer.from('other')));
    await expectRefusal(/not the one that its metadata names|longer than its metadata|is refused/);
    show(good);
    mirror.files.set('timestamp.json', new Uint8Array(9 << 20));
    await expectRefusal(/longer than/);
    mirror.files.delete('timestamp.json');
    await expectRefusal(/is refused/);
    const before = contentsOfOut();
    const gone = await failureAs(CommandError, fetchTrust({ out }, speak, ['http://127.0.0.1:1']));
    expect([gone.code, contentsOfOut()]).to.deep.equal(['UNREACHABLE', before]);
  });

  it('counts a key once that stands in a root twice, also in a root that another follows', async () => {
    await fetch(hashOf('1.root.json'));
    const { root } = await repository.read();
    const signer = localSigner(repository.rootKey);
    const rootOf = async (version: number, threshold?: number): Promise<Uint8Array> => {
      const json = JSON.parse(JSON.stringify(root.toJSON())) as SignedRoot;
      json.signed.version = version;
      const [id = ''] = json.signed.roles['root']?.keyids ?? [];
      const point = signer.publicKey.slice(-65);
      const twin = { ...json.signed.keys[id], keyval: { public: Buffer.from(point).toString('hex') } };
      if (threshold !== undefined) {
        json.signed.keys[TWIN] = twin;
        json.signed.roles['root'] = { keyids: [id, TWIN], threshold };
      }
      const made = Metadata.fromJSON(MetadataKind.Root, json as never);
      made.signatures = {};
      await signMetadata(made, signer);
      const signature = made.signatures[id];
      if (signature !== undefined) made.signatures[TWIN] = new Signature({ keyID: TWIN, sig: signature.sig });
      return encodeMetadata(made);
    };
    mirror.files.set('2.root.json', await rootOf(2, 2));
    await expectRefusal(/signed by too few different keys/);
    mirror.files.set('3.root.json', await rootOf(3));
    await expectRefusal(/signed by too few different keys/);
    mirror.files.set('2.root.json', await rootOf(2, 1));
    await fetch();
    mirror.files.set('4.root.json', await rootOf(4, 1));
    await expectRefusal(/under an id that is not its own/);
  });

  const TWIN = 'ab'.repeat(32);
  interface SignedRoot {
    signed: {
      version: number;
      keys: Record<string, object>;
      roles: Record<string, { keyids: string[]; threshold: number }>;
    };
  }

  it('removes what an earlier version left of targets that are gone, and nothing that somebody changed', async () => {
    const key = (name: string): TargetContents => new Map([...shape('ca-only'), [name, { text: 'a key\n' }]]);
    mirror.show(await change(repository, { contents: key('ctfe_2.pub') }));
    await fetch(hashOf('1.root.json'));
    rmSync(join(out, 'SHA256SUMS'));
    mirror.show(await change(repository, { contents: shape('ca-only') }));
    await fetch();
    expect(existsSync(join(out, 'ctfe_2.pub'))).to.equal(false);
    expect(String(answered['changes'])).to.include('ctfe_2.pub is removed');
    mirror.show(await change(repository, { contents: key('ctfe_3.pub') }));
    await fetch();
    writeFileSync(join(out, 'ctfe_3.pub'), 'mine');
    mirror.show(await change(repository, { contents: shape('ca-only') }));
    await fetch();
    expect(readFileSync(join(out, 'ctfe_3.pub'), 'utf8')).to.equal('mine');
  });

  it('writes into no data directory, over no other deployment, and no target with the name of its own folder', async () => {
    const fingerprint = hashOf('1.root.json');
    mkdirSync(join(out, 'below'), { recursive: true });
    writeFileSync(join(out, 'mayfly.json'), '{}');
    await expectRefusal(/--out lies in the data directory/, fingerprint);
    const above = out;
    out = join(out, 'below');
    await expectRefusal(/--out lies in the data directory/, fingerprint);
    out = above;
    rmSync(join(out, 'mayfly.json'));
    writeFileSync(join(out, 'trusted_root.json'), shape('rekor1-tsa').get('trusted_root.json')?.text ?? '');
    await expectRefusal(/ trusts .*, which this repository does not/, fingerprint);
    await fetchTrust({ out, fingerprint, force: true }, speak, [mirror.url]);
    expect(String(answered['changes'])).to.not.equal('');

    const named: TargetContents = new Map([...shape('ca-only'), ['TUF', { text: 'x' }]]);
    mirror.show(await change(repository, { contents: named }));
    await expectRefusal(/"TUF" is a name that no file may have/);
  });

  it('reads what lies there with bounds, and replaces a trusted root that cannot be read', async () => {
    await fetch(hashOf('1.root.json'));
    writeFileSync(join(out, 'trusted_root.json'), '{"unknown": 1}');
    await fetch();
    expect(String(answered['changes'])).to.include('what was there is replaced unread');
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(
      shape('ca-only').get('trusted_root.json')?.text,
    );
    writeFileSync(join(out, 'tuf', 'snapshot.json'), Buffer.alloc(9 << 20));
    await expectRefusal(/snapshot\.json cannot be read: it is larger than 8 MiB/);
  });

  it('puts nothing over what another fetch wrote meanwhile, which is newer', async () => {
    await fetch(hashOf('1.root.json'));
    mirror.show(await change(repository, { contents: shape('ca-only'), renew: true }));
    const between = await change(repository, { contents: shape('tsa') });
    // The other one begins and ends while this one waits for its last file.
    mirror.before = async (path) => {
      if (!path.endsWith('.trusted_root.json')) return;
      mirror.before = undefined;
      const shown = new Map(mirror.files);
      mirror.show(between);
      await fetch();
      mirror.show({ files: shown });
    };
    await fetch();
    expect(answered['changes']).to.not.deep.equal([]);
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(
      shape('tsa').get('trusted_root.json')?.text,
    );
  });

  it('follows on from what another fetch wrote meanwhile, which is older', async () => {
    const fingerprint = hashOf('1.root.json');
    const older = new Map(mirror.files);
    mirror.show(await change(repository, { contents: shape('tsa') }));
    mirror.before = async (path) => {
      if (!path.endsWith('.trusted_root.json')) return;
      mirror.before = undefined;
      const shown = new Map(mirror.files);
      mirror.show({ files: older });
      await fetch(fingerprint);
      mirror.show({ files: shown });
    };
    await fetch(fingerprint);
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(
      shape('tsa').get('trusted_root.json')?.text,
    );
    expectSums();
  });

  it('is good for several jobs at once that share a directory, also of those that begin by one hash', async () => {
    const fingerprint = hashOf('1.root.json');
    await Promise.all([fetch(fingerprint), fetch(fingerprint), fetch(fingerprint), fetch(fingerprint)]);
    expectSums();
    mirror.show(await change(repository, { contents: shape('tsa') }));
    await Promise.all([fetch(), fetch(), fetch(), fetch()]);
    expectSums();
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(
      shape('tsa').get('trusted_root.json')?.text,
    );
  });

  it('takes nothing of another repository that another fetch wrote meanwhile', async () => {
    const other = await testRepository();
    const otherFiles = (await change(other, { contents: shape('tsa') })).files;
    const fingerprint = hashOf('1.root.json');
    mirror.before = async (path) => {
      if (!path.endsWith('.trusted_root.json')) return;
      mirror.before = undefined;
      const shown = new Map(mirror.files);
      mirror.show({ files: otherFiles });
      await fetch(hashOf('1.root.json'));
      mirror.show({ files: shown });
    };
    const error = await failureAs(CommandError, fetch(fingerprint));
    expect(error.message).to.match(/another fetch writes|trusts .* which this repository does not/);
    expect(readFileSync(join(out, 'trusted_root.json'), 'utf8')).to.equal(
      shape('tsa').get('trusted_root.json')?.text,
    );
  });

  it('finds the first root among as many as can be followed, and says that older ones cannot be', async () => {
    const newest = mirror.files.get('root.json') ?? new Uint8Array();
    const later = JSON.parse(Buffer.from(newest).toString()) as { signed: { version: number } };
    later.signed.version = 300;
    mirror.files.set('root.json', Buffer.from(JSON.stringify(later)));
    mkdirSync(out);
    await expectRefusal(/none of the last 257 roots at .* has this fingerprint/, hashOf('1.root.json'));
    later.signed.version = 200;
    mirror.files.set('root.json', Buffer.from(JSON.stringify(later)));
    // Beyond the sixty-fourth there was none.
    mirror.files.set('100.root.json', Buffer.from('a root'));
    await expectRefusal(/is refused: /, hashOf('100.root.json'));
  });

  it('calls a refusal by what the library says, not by words in it', () => {
    const cases = [
      ['Final timestamp.json is expired', /has ended/],
      ['New timestamp version 3 is less than current version 4', /older than the one that was seen/],
      [
        'Unable to load snapshot metadata error Error: New version 1 of x is less than current version 2',
        /older/,
      ],
      ['Expected version 3, got 5', /its roots do not follow one another/],
      ["Snapshot version doesn't match timestamp", /do not belong together/],
      ['Expected length 10 but got 12', /longer or shorter/],
      ['Expected hash abc but got def', /not the one that its metadata names/],
      ['timestamp was signed by 0/1 keys', /not signed by the keys/],
      [
        'the version of its hash has no length, and has expired',
        /it is not a repository that can be followed/,
      ],
    ] as const;
    for (const [message, cause] of cases)
      expect(refusal(new Error(message), 'https://a.test').message, message).to.match(cause);
  });

  it('asks again where the server is busy or has a fault, and calls that no refusal where it lasts', async () => {
    const fingerprint = hashOf('1.root.json');
    for (const [status, exit, file] of [
      [429, 3, 'root.json'],
      [500, 3, '2.root.json'],
      [503, 3, 'timestamp.json'],
      [401, 1, 'timestamp.json'],
    ] as const) {
      rmSync(out, { recursive: true, force: true });
      let left = exit === 3 ? 2 : 0;
      mirror.fault = (path) => (path === file && left-- > 0 ? status : undefined);
      await fetch(fingerprint);
      expect(existsSync(join(out, 'trusted_root.json')), file).to.equal(true);
      rmSync(out, { recursive: true });
      mirror.fault = (path) => (path === file ? status : undefined);
      const error = await failureAs(CommandError, fetch(fingerprint));
      expect(error.message).to.equal(`the repository answered ${status} for ${mirror.url}/${file}`);
      expect(exitCodeOf(error)).to.equal(exit);
      expect(existsSync(out), file).to.equal(false);
    }
  });

  it('needs no directory for temporary files', async () => {
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = join(out, '..', 'nowhere');
    try {
      await fetch(hashOf('1.root.json'));
      await fetch();
      expectSums();
      expect(readdirSync(join(out, '..'))).to.deep.equal(['trust']);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  });

  it('refuses metadata that has ended', async () => {
    const ended = await testRepository(Date.now() - 30 * DAY);
    mirror.show(await ended.read());
    mkdirSync(out);
    await expectRefusal(/its metadata has ended/, hashOf('1.root.json'));
    const { hint } = await failureAs(CommandError, fetch(hashOf('1.root.json')));
    expect(hint, 'it may be the clock here').to.match(/The clock of this machine says 20\d\d-/);
  });
});
