import { verify } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { concat, fromBase64, toBase64, toHex, utf8Text } from '../../core/bytes.ts';
import { TlsReader } from '../../core/tls.ts';
import type { SctReceipt } from '../../ct-log/format/sct.ts';
import type { CommittedEntry } from '../../tlog/core/committed.ts';
import { parseDigitallySigned } from '../../ct-log/format/digitally-signed.ts';
import { encodeEntry, parseLeaf, parseTileLeaf } from '../../ct-log/format/leaf.ts';
import { leafIndexExtension } from '../../ct-log/format/leaf-index.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { tilesOf, tilePath } from '../../tlog/format/tile.ts';
import { encodeTreeHead } from '../../ct-log/format/tree-head.ts';
import { LogReadError, type LogReadReason } from '../../tlog/core/log-error.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { MAX_ENTRIES } from '../../ct-log/read-entries.ts';
import type { LogReader } from '../../ct-log/reader.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { naivePath, naiveRoot, naiveSubproof } from '../support/naive-merkle.ts';
import { publicKeyOf } from './support/log-keys.ts';
import { entry, ISSUER, testLog, type TestLog } from './support/test-log.ts';

const SIZE = 1300;

/** One log of 1,300 entries for all: five full tiles, a partial one, several heads. */
describe('ct-log/reader', function () {
  this.timeout(60_000);
  let test: TestLog;
  let log: CtLog;
  let reader: LogReader;
  let answers: CommittedEntry<SctReceipt>[];
  let hashes: Uint8Array[];
  before(async () => {
    test = await testLog();
    log = await test.open();
    answers = [];
    for (const end of [3, 200, 256, 600, SIZE]) {
      const from = answers.length;
      answers.push(
        ...(await Promise.all(Array.from({ length: end - from }, (_, i) => log.append(entry(from + i))))),
      );
    }
    reader = log.reader;
    hashes = answers.map(({ leafHash }) => leafHash);
  });
  after(() => test.remove());

  const failure = async (read: () => unknown): Promise<LogReadReason | undefined> => {
    try {
      await read();
      return undefined;
    } catch (error) {
      if (!(error instanceof LogReadError)) throw error;
      return error.code;
    }
  };

  it('serves a checkpoint with both signatures over the root of all entries', () => {
    const verified = verifyCheckpoint(reader.checkpoint(), logKeys(test.identity));
    expect(verified).to.include({
      origin: 'localhost/log/2026',
      size: SIZE,
      timestamp: log.status().timestamp,
    });
    expect(toHex(verified.root)).to.equal(toHex(naiveRoot(hashes)));
    expect(utf8Text(reader.checkpoint()).match(/^— localhost\/log\/2026 /gm)).to.have.length(2);
    for (const key of logKeys(test.identity)) verifyCheckpoint(reader.checkpoint(), [key]);
  });

  it('serves a signed tree head that agrees with the checkpoint', () => {
    const sth = reader.getSth();
    expect(sth).to.include({ tree_size: SIZE, timestamp: log.status().timestamp });
    const { signature, hashAlgorithm, signatureAlgorithm } = parseDigitallySigned(
      fromBase64(sth.tree_head_signature),
    );
    expect([hashAlgorithm, signatureAlgorithm]).to.deep.equal([4, 3]);
    const root = fromBase64(sth.sha256_root_hash);
    const signed = encodeTreeHead({ timestamp: sth.timestamp, size: SIZE, root });
    expect(verify('sha256', signed, publicKeyOf(test.signers.treeHead), signature)).to.equal(true);
  });

  it('serves every tile of the tree, full from files and partial ones of any width', async () => {
    for (const tile of tilesOf(SIZE, 'data')) {
      const bytes = await reader.tile(tilePath(tile));
      if (typeof tile.level === 'string') continue;
      const span = 256 ** tile.level;
      const expected = Array.from({ length: tile.width }, (_, i) => {
        const from = (tile.n * 256 + i) * span;
        return naiveRoot(hashes.slice(from, from + span));
      });
      expect(toHex(bytes), tilePath(tile)).to.equal(toHex(concat(expected)));
    }
    for (const [path, n, width] of [
      ['tile/0/001.p/7', 1, 7],
      ['tile/0/005.p/20', 5, 20],
      ['tile/0/005.p/1', 5, 1],
    ] as const) {
      expect(toHex(await reader.tile(path))).to.equal(toHex(concat(hashes.slice(n * 256, n * 256 + width))));
    }
  });

  it('cuts partial data tiles at the end of an entry, as prefixes of the full one', async () => {
    for (const [n, widths] of [
      [0, [1, 3, 255, 256]],
      [5, [1, 19, 20]],
    ] as const) {
      for (const width of widths) {
        const bytes = await reader.tile(tilePath({ level: 'data', n, width }));
        let at = 0;
        for (let i = 0; i < width; i++) {
          const parsed = parseTileLeaf(bytes, at);
          expect(toHex(hashLeaf(sha256, parsed.leaf))).to.equal(
            toHex(hashes[n * 256 + i] ?? new Uint8Array()),
          );
          at = parsed.next;
        }
        expect(at).to.equal(bytes.length);
      }
    }
  });

  it('knows no tile that the tree has not reached, and no other path', async () => {
    const wrong = [
      'tile/0/005',
      'tile/0/005.p/21',
      'tile/0/006.p/1',
      'tile/1/000',
      'tile/1/000.p/6',
      'tile/data/005',
    ];
    const strange = ['tile/0/5', 'tile/0/000.p/256', 'tile/0/../000', 'tile/0/000.p/0', 'x', ''];
    for (const path of [...wrong, ...strange]) {
      expect(await failure(() => reader.tile(path)), path).to.equal('NOT_FOUND');
    }
  });

  it('serves its issuers by hash, and the root of them', async () => {
    expect(await reader.chainCertificate(toHex(sha256(ISSUER)))).to.deep.equal(ISSUER);
    expect(reader.getRoots()).to.deep.equal({ certificates: [toBase64(ISSUER)] });
    for (const hex of ['00'.repeat(32), 'x', '../log.json', toHex(sha256(ISSUER)).toUpperCase()]) {
      expect(await failure(() => reader.chainCertificate(hex)), hex).to.equal('NOT_FOUND');
    }
  });

  it('proves consistency between any two sizes as RFC 6962 writes it', async () => {
    const size = fc.integer({ min: 1, max: SIZE });
    await fc.assert(
      fc.asyncProperty(size, size, async (a, b) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        const expected = naiveSubproof(first, hashes.slice(0, second)).map(toBase64);
        expect(await reader.getSthConsistency(first, second)).to.deep.equal({ consistency: expected });
      }),
      { numRuns: 25 },
    );
    expect(await reader.getSthConsistency(0, SIZE)).to.deep.equal({ consistency: [] });
    expect(await reader.getSthConsistency(0, 0)).to.deep.equal({ consistency: [] });
    expect(await reader.getSthConsistency(SIZE, SIZE)).to.deep.equal({ consistency: [] });
    for (const [first, second] of [
      [2, 1],
      [1, SIZE + 1],
      [-1, 2],
      [0.5, 2],
      [NaN, 2],
    ] as const) {
      expect(await failure(() => reader.getSthConsistency(first, second))).to.equal('BAD_PARAMETER');
    }
  });

  it('proves inclusion by hash in any tree that has the entry', async () => {
    const index = fc.integer({ min: 0, max: SIZE - 1 });
    await fc.assert(
      fc.asyncProperty(index, index, async (a, b) => {
        const [m, n] = [Math.min(a, b), Math.max(a, b) + 1];
        const expected = { leaf_index: m, audit_path: naivePath(m, hashes.slice(0, n)).map(toBase64) };
        expect(await reader.getProofByHash(hashes[m] ?? new Uint8Array(), n)).to.deep.equal(expected);
      }),
      { numRuns: 25 },
    );
    const known = hashes[700] ?? new Uint8Array();
    expect(await failure(() => reader.getProofByHash(known, 700))).to.equal('NOT_FOUND');
    expect(await failure(() => reader.getProofByHash(new Uint8Array(32), SIZE))).to.equal('NOT_FOUND');
    // The index knows the beginning of a hash alone.
    for (const at of [6, 31]) {
      const alike = Uint8Array.from(known, (byte, i) => (i === at ? byte ^ 1 : byte));
      expect(await failure(() => reader.getProofByHash(alike, SIZE)), `byte ${at}`).to.equal('NOT_FOUND');
    }
    expect(await failure(() => reader.getProofByHash(known, 0))).to.equal('BAD_PARAMETER');
    expect(await failure(() => reader.getProofByHash(known, SIZE + 1))).to.equal('BAD_PARAMETER');
    expect(await failure(() => reader.getProofByHash(new Uint8Array(31), SIZE))).to.equal('BAD_PARAMETER');
  });

  it('answers entries with leaf and chain, both ends included, cut where the tree or the limit ends', async () => {
    const { entries } = await reader.getEntries(254, 258);
    expect(entries).to.have.length(5);
    for (const [i, { leaf_input, extra_data }] of entries.entries()) {
      const index = 254 + i;
      const { timestamp } = answers[index] ?? { timestamp: 0 };
      const { leaf } = encodeEntry(entry(index), timestamp, leafIndexExtension(index));
      expect(leaf_input).to.equal(toBase64(leaf));
      expect(parseLeaf(fromBase64(leaf_input)).timestamp).to.equal(timestamp);
      const extra = new TlsReader(fromBase64(extra_data));
      expect(extra.vector(3)).to.deep.equal(entry(index).precertificate);
      const chain = new TlsReader(extra.vector(3));
      expect(chain.vector(3)).to.deep.equal(ISSUER);
      chain.end();
      extra.end();
    }
    expect((await reader.getEntries(SIZE - 2, SIZE + 100)).entries).to.have.length(2);
    expect((await reader.getEntries(0, SIZE)).entries).to.have.length(MAX_ENTRIES);
    for (const [start, end] of [
      [SIZE, SIZE],
      [2, 1],
      [-1, 1],
      [0, NaN],
    ] as const) {
      expect(await failure(() => reader.getEntries(start, end))).to.equal('BAD_PARAMETER');
    }
  });

  it('answers a thousand entries, of the size that CI providers have, at once: some monitors ask only once', async () => {
    const usual = await testLog();
    const log = await usual.open();
    // Name, issuer and a dozen extensions: somewhat under 2 KiB each time.
    const precertificate = new Uint8Array(1_900);
    const tbs = new Uint8Array(1_800);
    for (let from = 0; from < MAX_ENTRIES + 100; from += 100) {
      const some = Array.from({ length: 100 }, (_, i) => ({ ...entry(from + i), precertificate, tbs }));
      await Promise.all(some.map((one) => log.append(one)));
    }
    // ct_monitor asks from the last entry that it knows to one beyond the newest.
    expect((await log.reader.getEntries(99, MAX_ENTRIES + 100)).entries).to.have.length(MAX_ENTRIES);
    expect((await log.reader.getEntries(100, MAX_ENTRIES + 100)).entries).to.have.length(MAX_ENTRIES);
    expect((await log.reader.getEntries(101, MAX_ENTRIES + 100)).entries).to.have.length(MAX_ENTRIES - 1);
    await usual.remove();
  });

  it('ends an answer of entries behind the one that brings it to 8 MiB', async () => {
    const large = await testLog();
    const log = await large.open();
    const entries = log.reader;
    const precertificate = new Uint8Array(3_200_000);
    await Promise.all(Array.from({ length: 5 }, (_, i) => log.append({ ...entry(i), precertificate })));
    expect((await entries.getEntries(0, 4)).entries).to.have.length(2);
    expect((await entries.getEntries(4, 4)).entries).to.have.length(1);
    await large.remove();
  });

  it('lets the event loop turn every 32 entries while it makes an answer of entries', async () => {
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns++;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const { entries } = await reader.getEntries(0, 255);
    isDone = true;
    expect(entries).to.have.length(256);
    expect(turns).to.be.at.least(256 / 32);
  });

  it('answers an entry with its proof', async () => {
    const { leaf_input, audit_path } = await reader.getEntryAndProof(300, 301);
    expect(toHex(hashLeaf(sha256, fromBase64(leaf_input)))).to.equal(toHex(hashes[300] ?? new Uint8Array()));
    expect(audit_path).to.deep.equal(naivePath(300, hashes.slice(0, 301)).map(toBase64));
    for (const [index, size] of [
      [301, 301],
      [-1, 5],
      [0, 0],
      [0, SIZE + 1],
    ] as const) {
      expect(await failure(() => reader.getEntryAndProof(index, size))).to.equal('BAD_PARAMETER');
    }
  });

  it('describes itself', () => {
    const about = {
      url: 'http://localhost/log/2026',
      intendedUse: 'test',
      software: { name: 'm', version: '1' },
    } as const;
    expect(reader.logV3Json(about)).to.include({
      description: 'localhost/log/2026',
      log_id: toBase64(test.identity.logId),
      monitoring_url: 'http://localhost/log/2026/',
    });
  });

  it('answers the empty tree', async () => {
    const empty = await testLog({ sctExtensions: 'none' });
    try {
      const opened = await empty.open();
      expect(opened.reader.getSth().tree_size).to.equal(0);
      verifyCheckpoint(opened.reader.checkpoint(), logKeys(empty.identity));
      expect(await opened.reader.getSthConsistency(0, 0)).to.deep.equal({ consistency: [] });
      expect(await failure(() => opened.reader.getEntries(0, 0))).to.equal('BAD_PARAMETER');
      expect(await failure(() => opened.reader.tile('tile/0/000.p/1'))).to.equal('NOT_FOUND');
      const { leaf_input } = await opened.append(entry(0)).then(() => opened.reader.getEntryAndProof(0, 1));
      expect(parseLeaf(fromBase64(leaf_input)).extensions).to.deep.equal(new Uint8Array());
    } finally {
      await empty.remove();
    }
  });
});
