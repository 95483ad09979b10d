import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fetchTrust } from '../../../cli/trust/fetch/trust-fetch.ts';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { readTrustDirectory } from '../../../cli/verify/trust-directory.ts';
import { parseSigningConfig } from '../../../trust/format/signing-config.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { sigstoreTargets } from '../../../trust/tuf/sigstore-targets.ts';
import type { TargetContents } from '../../../trust/tuf/target-contents.ts';
import { generateKey } from '../../../signers/key-types.ts';
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

  it('refuses metadata that has ended', async () => {
    const ended = await testRepository(Date.now() - 30 * DAY);
    mirror.show(await ended.read());
    mkdirSync(out);
    await expectRefusal(/its metadata has ended/, hashOf('1.root.json'));
  });
});
