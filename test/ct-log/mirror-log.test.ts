import { expect } from 'chai';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat, fromBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { vector } from '../../core/tls.ts';
import { checkLog } from '../../ct-log/check.ts';
import { httpSource } from '../../ct-log/http-source.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { checkMirror, mirrorLog } from '../../ct-log/mirror-log.ts';
import type { MirrorRecord } from '../../ct-log/mirror-record.ts';
import { staticSource, type StaticSource } from '../../ct-log/static-source.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { verifyConsistency } from '../../tlog/format/merkle-verify.ts';
import { tilesOf, tilePath } from '../../tlog/format/tile.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { failureAs } from '../support/failure.ts';
import { copiesAfterSteps } from '../support/file-steps.ts';
import { issuingLog, type IssuingLog } from './support/issuing-log.ts';
import { lyingServer, madeLog, madeLogKey, type LyingServer } from './support/made-log.ts';
import { serveReader } from './support/serve-reader.ts';
import { testLog } from './support/test-log.ts';

type Round = Awaited<ReturnType<typeof mirrorLog>>;

const sourceAt = (url: string): StaticSource => {
  const http = httpSource(url);
  return { ...http, description: () => http.get('log.v3.json') };
};

const filesIn = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name).slice(directory.length + 1))
    .sort();

describe('ct-log/mirror-log', function () {
  this.timeout(60_000);
  const owner = madeLogKey();
  const record: MirrorRecord = { origin: owner.origin, bundle: 'entries', keys: [owner.key] };
  let root: string;
  let out: string;
  let server: LyingServer;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-mirror-'));
    out = join(root, 'copy');
    server = await lyingServer(madeLog(owner, 300));
  });
  afterEach(async () => {
    await server.close();
    rmSync(root, { recursive: true, force: true });
  });

  const run = (directory = out): Promise<Round> =>
    mirrorLog({ source: sourceAt(server.url), record, out: directory, parallel: 4 });
  const failure = (): Promise<LogError> => failureAs(LogError, run());
  const sizeOf = (directory = out): number =>
    verifyCheckpoint(readFileSync(join(directory, 'checkpoint')), record.keys).size;
  const contradictions = (): Record<string, unknown>[] =>
    filesIn(out)
      .filter((path) => path.startsWith('contradictions/') && path.endsWith('.json'))
      .map((path) => JSON.parse(readFileSync(join(out, path), 'utf8')) as Record<string, unknown>);

  for (const size of [0, 1, 255, 256, 300, 512, 700])
    it(`copies a log of ${size} entries as its files, and nothing else`, async () => {
      server.files = madeLog(owner, size);
      const { head, added, isFinal } = await run();
      expect([head.size, added, isFinal]).to.deep.equal([size, size, false]);
      expect(filesIn(out)).to.deep.equal([...server.files.keys(), '.lock', 'mirror.json'].sort());
      for (const [path, bytes] of server.files)
        expect(readFileSync(join(out, path)), path).to.deep.equal(Buffer.from(bytes));
      expect((await checkMirror(out, record)).head.size).to.equal(size);
    });

  it('copies a log with full tiles of two levels, and brings the copy up to date', async () => {
    server.files = madeLog(owner, 66_000);
    await run();
    server.files = madeLog(owner, 131_072 + 1);
    server.asked.length = 0;
    const { added } = await run();
    expect(added).to.equal(131_073 - 66_000);
    expect(server.asked, 'what is there is not asked for again').not.to.include('tile/entries/000');
    // Of partial tiles, those of the head before are left for its readers, and no others of it: they are full now.
    const last = [...tilesOf(131_073, 'entries')].map(tilePath);
    const there = filesIn(out).filter((path) => path.startsWith('tile/'));
    expect(there).to.include.members(last);
    expect(there.filter((path) => !last.includes(path))).to.deep.equal(['tile/2/000.p/1']);
    expect((await checkMirror(out, record)).tiles).to.equal(last.length);
  });

  it('writes nothing again where the log did not grow, but the newer checkpoint', async () => {
    await run();
    const before = filesIn(out).map((path) => [path, statSync(join(out, path)).ino]);
    expect((await run()).written).to.equal(0);
    expect(filesIn(out).map((path) => [path, statSync(join(out, path)).ino])).to.deep.equal(before);
    const more = concat([
      server.files.get('checkpoint') ?? new Uint8Array(),
      utf8('— witness.example/w AAAAAQID\n'),
    ]);
    server.files = new Map(server.files).set('checkpoint', more);
    expect((await run()).written).to.equal(1);
    expect(readFileSync(join(out, 'checkpoint')).equals(more)).to.equal(true);
  });

  it('is a right copy after each step at which it may be killed, and the next run completes it', async () => {
    server.files = madeLog(owner, 200);
    await run();
    server.files = madeLog(owner, 600);
    const copies = await copiesAfterSteps(
      out,
      (count) => join(root, `killed-${count}`),
      () => run(),
    );
    for (const [step, copy] of copies) {
      const size = sizeOf(copy);
      expect([200, 600], step).to.include(size);
      expect((await checkMirror(copy, record)).head.size, step).to.equal(size);
      await run(copy);
      expect((await checkMirror(copy, record)).head.size, step).to.equal(600);
      expect(existsSync(join(copy, '.pending')), step).to.equal(false);
    }
  });

  it('finds a fork also of the head that it was to be of when it was killed', async () => {
    server.files = madeLog(owner, 200);
    await run();
    server.files = madeLog(owner, 600);
    const copies = await copiesAfterSteps(
      out,
      (count) => join(root, `killed-${count}`),
      () => run(),
    );
    const [, copy] = copies.find(([, directory]) => existsSync(join(directory, '.pending'))) ?? ['', ''];
    server.files = madeLog(owner, 700, (i) => `entry ${i < 200 ? i : -i}`);
    const error = await failureAs(LogError, run(copy));
    expect(error.code).to.equal('LOG_CORRUPT');
    expect(error.message).to.match(/its head with 700 entries does not continue the one with 600/);
    expect(sizeOf(copy)).to.equal(200);
  });

  for (const [size, shown] of [
    [300, 700],
    [300, 300],
    [300, 250],
  ] as const)
    it(`keeps the proof of a fork from ${size} to ${shown} entries, and the copy as it was`, async () => {
      server.files = madeLog(owner, size);
      await run();
      server.files = madeLog(owner, shown, (i) => `other ${i}`);
      const { code, message } = await failure();
      expect(code).to.equal('LOG_CORRUPT');
      expect(message).to.match(/contradicts itself/);
      expect(sizeOf()).to.equal(size);
      expect((await checkMirror(out, record)).head.size).to.equal(size);
      const [proof, ...more] = contradictions();
      expect(more).to.deep.equal([]);
      const heads = [proof?.['kept'], proof?.['shown']].map((text) =>
        verifyCheckpoint(utf8(String(text)), record.keys),
      );
      const [small, large] = heads.sort((a, b) => a.size - b.size);
      const rootThere = fromBase64(String(proof?.['rootAtKept']));
      const hashes = (proof?.['consistency'] as string[]).map(fromBase64);
      // The larger tree begins with a tree of that size that has another root than the smaller head.
      if (small === undefined || large === undefined) throw new Error('a head is missing');
      const first = { size: small.size, root: small.size === large.size ? large.root : rootThere };
      expect(verifyConsistency(sha256, first, large, hashes)).to.equal(true);
      expect(Buffer.from(first.root).equals(small.root)).to.equal(false);
      // Asked again it says the same, and keeps it once.
      await failure();
      expect(contradictions()).to.have.lengthOf(1);
    });

  it('does not step back to an older head of the same history, and says that it was shown', async () => {
    await run();
    server.files = madeLog(owner, 299);
    expect((await failure()).code).to.equal('LOG_ROLLED_BACK');
    expect(sizeOf()).to.equal(300);
    server.files = madeLog(owner, 301);
    expect((await run()).head.size).to.equal(301);
  });

  for (const path of [
    'tile/entries/000',
    'tile/entries/001.p/44',
    'tile/0/000',
    'tile/0/001.p/44',
    'tile/1/000.p/1',
  ])
    it(`keeps nothing of a head whose ${path} is another, and keeps what was served`, async () => {
      const right = server.files;
      const bytes = Uint8Array.from(right.get(path) ?? []);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      server.files = new Map(right).set(path, bytes);
      const { code, message } = await failure();
      expect([code, message]).to.deep.equal(['LOG_CORRUPT', message]);
      expect(existsSync(join(out, 'checkpoint'))).to.equal(false);
      const [proof] = contradictions();
      const served = filesIn(out).find((name) => name.endsWith('.served')) ?? '';
      expect(right.get(String(proof?.['file']))?.length).to.be.a('number');
      expect(statSync(join(out, served)).size).to.be.greaterThan(0);
      server.files = right;
      expect((await run()).head.size).to.equal(300);
      expect((await checkMirror(out, record)).head.size).to.equal(300);
    });

  it('keeps a bounded number of contradictions, which anybody on the way can make up', async () => {
    await run();
    const folder = join(out, 'contradictions');
    mkdirSync(folder);
    for (let i = 0; i < 200; i++) writeFileSync(join(folder, `${i}.json`), '');
    server.files = madeLog(owner, 300, (i) => `other ${i}`);
    const error = await failure();
    expect([error.code, error.hint]).to.deep.equal(['LOG_CORRUPT', error.hint]);
    expect(error.hint).to.match(/has so many already that this one was not kept/);
    expect(readdirSync(folder)).to.have.lengthOf(200);
    expect(sizeOf()).to.equal(300);
  });

  it('takes the full tile in the place of a partial one that the log removed', async () => {
    const larger = madeLog(owner, 600);
    const files = new Map([...larger, ...server.files]);
    for (const path of ['tile/entries/001.p/44', 'tile/0/001.p/44']) files.delete(path);
    server.files = files;
    await run();
    for (const path of ['tile/entries/001.p/44', 'tile/0/001.p/44'])
      expect(readFileSync(join(out, path)), path).to.deep.equal(
        Buffer.from(madeLog(owner, 300).get(path) ?? []),
      );
  });

  it('keeps the place of an entry that the log withholds, proven by its hash', async () => {
    const withheld = vector(2, new Uint8Array());
    const bundle = Array.from({ length: 44 }, (_, i) => vector(2, utf8(`entry ${256 + i}`)));
    server.files = new Map(server.files).set(
      'tile/entries/001.p/44',
      concat([...bundle.slice(0, 43), withheld]),
    );
    expect((await run()).withheld).to.equal(1);
    expect((await checkMirror(out, record)).withheld).to.equal(1);
  });

  const answers: readonly (readonly [what: string, path: string, answer: RequestListener])[] = [
    ['a page of a proxy', 'checkpoint', (_, response) => response.end('<html><body>Log in</body></html>')],
    ['a page of a proxy', 'tile/0/000', (_, response) => response.end('<html><body>Log in</body></html>')],
    [
      'a redirect to another host',
      'tile/0/000',
      (_, response) => response.writeHead(302, { location: 'http://127.0.0.2:1/' }).end(),
    ],
    ['no tile', 'tile/0/000', (_, response) => response.writeHead(404).end()],
    ['an error', 'tile/entries/000', (_, response) => response.writeHead(500).end()],
    [
      'a body without an end',
      'tile/0/000',
      (_, response) => {
        const chunk = Buffer.alloc(65_536, 0xff);
        const more = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', more);
        more();
      },
    ],
    [
      'an answer that breaks off',
      'tile/entries/000',
      (_, response) => response.writeHead(200, { 'content-length': '9' }).write('x') && response.destroy(),
    ],
  ];
  for (const [what, path, answer] of answers)
    it(`finds no fault in the log for ${what} in the place of ${path}`, async () => {
      server.answer = (asked) => (asked === path ? answer : undefined);
      expect((await failure()).code).to.equal('LOG_STORAGE');
      expect(existsSync(join(out, 'checkpoint'))).to.equal(false);
      expect(existsSync(join(out, 'contradictions'))).to.equal(false);
      server.answer = undefined;
      expect((await run()).head.size).to.equal(300);
    });

  it('refuses what its key did not sign, another log, and a directory of something else', async () => {
    server.files = madeLog(madeLogKey(), 300);
    expect((await failure()).message).to.match(/carries no signature of a known key/);
    server.files = madeLog(madeLogKey('other.example.org'), 300);
    expect((await failure()).message).to.match(/serves the log "other.example.org", not/);
    const other = { ...record, keys: [madeLogKey().key] };
    const error = await failureAs(
      LogError,
      mirrorLog({ source: sourceAt(server.url), record: other, out, parallel: 1 }),
    );
    expect(error.code).to.equal('LOG_EXISTS');
    const full = join(root, 'full');
    cpSync(out, full, { recursive: true });
    rmSync(join(full, 'mirror.json'));
    writeFileSync(join(full, 'page.html'), '');
    expect((await failureAs(LogError, run(full))).code).to.equal('LOG_EXISTS');
  });

  it('finds every bit that is flipped in a copy', async () => {
    await run();
    for (const path of filesIn(out).filter((name) => name.startsWith('tile/'))) {
      const file = join(out, path);
      const bytes = readFileSync(file);
      writeFileSync(
        file,
        bytes.map((byte, i) => (i === 40 % bytes.length ? byte ^ 4 : byte)),
      );
      expect((await failureAs(LogError, checkMirror(out, record))).code, path).to.equal('LOG_CORRUPT');
      writeFileSync(file, bytes);
    }
  });
});

describe('ct-log/mirror-log of a certificate log', function () {
  this.timeout(60_000);
  let test: IssuingLog;
  before(async () => {
    test = await issuingLog();
  });
  after(() => test.remove());

  it('copies entries, tiles, chain certificates and description, on which every other command works', async () => {
    const { log } = await test.issue(300);
    const server = await serveReader(log.reader);
    const out = join(test.root, 'copy');
    const { origin } = test.identity;
    const record = { origin, bundle: 'data', keys: logKeys(test.identity) } as const;
    try {
      const run = (): Promise<Round> => mirrorLog({ source: sourceAt(server.url), record, out, parallel: 4 });
      expect((await run()).head.size).to.equal(300);
      await test.issueWith(log, 100);
      expect((await run()).added).to.equal(100);
      const source = staticSource(out);
      const head = verifyCheckpoint(await source.checkpoint(), record.keys);
      const checked = await checkLog(source, { head, headName: 'checkpoint', sctExtensions: undefined });
      expect(checked).to.deep.include({ ok: true, entries: 400, chainCertificates: 2 });
      expect(utf8Text(await source.description())).to.include(origin);
    } finally {
      await server.close();
      await log.close();
    }
  });

  it('refuses a chain certificate that is another one', async () => {
    const other = await testLog();
    const log = await test.open();
    const server = await serveReader(log.reader, (path, bytes) =>
      path.startsWith('issuer/') ? Uint8Array.of(0x30, 0x01, 0x00) : bytes,
    );
    try {
      const record = { origin: test.identity.origin, bundle: 'data', keys: logKeys(test.identity) } as const;
      const out = join(other.root, 'copy');
      const error = await failureAs(
        LogError,
        mirrorLog({ source: sourceAt(server.url), record, out, parallel: 4 }),
      );
      expect([error.code, existsSync(join(out, 'checkpoint'))]).to.deep.equal(['LOG_CORRUPT', false]);
    } finally {
      await server.close();
      await log.close();
      await other.remove();
    }
  });
});
