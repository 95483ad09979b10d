/** Redaction: the bytes of a body leave the directory, whatever interrupts that, and all that is proven about the log stays. */
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import type { ArtifactLog, LoggableEntry } from '../../rekor/artifact-log.ts';
import { openArtifactReads } from '../../rekor/artifact-reads.ts';
import { checkArtifactLog, checkRedactions } from '../../rekor/check-artifact-log.ts';
import { endArtifactLog } from '../../rekor/end-artifact-log.ts';
import { ArtifactEntryReads } from '../../rekor/entry-reads.ts';
import { redactEntries } from '../../rekor/redact-entries.ts';
import { readRedactions, changeRedactions, type Redaction } from '../../rekor/redactions.ts';
import { artifactEntries } from '../../rekor/stored-artifact.ts';
import { chooseStores } from '../../tlog/store/choose-stores.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import type { CommitStore } from '../../tlog/store/commit-store.ts';
import { openArtifactSearch } from '../../service/open-searches.ts';
import { Fault, type FaultKind } from '../ct-log/support/faults.ts';
import { rekorLog, type RekorLog } from './support/rekor-log.ts';
import { failureOf } from '../support/failure.ts';

/** The steps behind the record, and whether one that failed was done all the same. */
const INTERRUPTIONS: readonly (readonly ['tile 0' | 'tile 1' | 'rewrite' | 'end', FaultKind])[] = [
  ['tile 0', 'not applied'],
  ['tile 1', 'not applied'],
  ['tile 1', 'applied but reported failed'],
  ['rewrite', 'applied but reported failed'],
  ['end', 'not applied'],
];

const BUNDLE = 'tile/entries/000';

/** What a start says of a record that is not so: what it is, and what to do. */
const FAULT =
  /^(?:the body of entry \d+, which is redacted, is on the disk\. .*mayfly rekor redact|redacted\.json has (?:another hash for )?entry \d+.*\. (?:Restore|The log))/;

interface Secret extends LoggableEntry {
  /** What is in the body and nowhere else, and what is beside it. */
  readonly marks: readonly string[];
}

function secret(): Secret {
  const [mark, digest] = [randomBytes(12).toString('hex'), randomBytes(32).toString('hex')];
  const body = utf8(JSON.stringify({ apiVersion: '0.0.1', kind: 'made up', spec: { mark } }));
  return { body, namedDigests: [`sha256:${digest}`], marks: [mark, digest] };
}

/** The files below a directory that have the text. */
const filesWith = (root: string, text: string): readonly string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(text));

function expectGone(root: string, { marks }: Secret): void {
  for (const mark of marks) expect(filesWith(root, mark), mark).to.deep.equal([]);
}

for (const api of [1, 2] as const)
  describe(`rekor/redact-entries, API ${api}`, () => {
    let made: RekorLog;
    let secrets: Secret[];
    beforeEach(async () => {
      made = await rekorLog(api);
      secrets = [];
    });
    afterEach(() => made.remove());

    /** Entry 0 is the log's own. */
    async function fill(log: ArtifactLog, to: number): Promise<void> {
      const added = Array.from({ length: to - 1 - secrets.length }, secret);
      secrets.push(...added);
      await Promise.all(added.map((entry) => log.add(entry)));
    }

    const secretAt = (index: number): Secret => secrets[index - 1] ?? secret();

    /** In the order in which they were added. */
    async function filled(size: number): Promise<void> {
      const log = await made.open();
      await fill(log, size);
      await log.close();
    }

    async function redactionOf(index: number): Promise<Redaction> {
      const reads = await openArtifactReads(made.directory);
      const [entry] = await reads.entriesFrom(index);
      await reads.close();
      if (entry === undefined) throw new Error(`no entry ${index}`);
      return { index, leafHash: entry.leafHash, redactedAt: Date.now(), reason: 'a test', isAudited: false };
    }

    const redact = async (...indexes: number[]): Promise<void> => {
      const { directory, identity } = made;
      await redactEntries(directory, identity, await Promise.all(indexes.map(redactionOf)));
    };

    /** A copy of the log as a kill in the middle of a transaction leaves it: some of its pages are in the WAL. */
    function tornCopy(name: string): string {
      const copy = join(made.root, name);
      const db = new DatabaseSync(join(made.directory, 'commit.db'));
      try {
        db.exec("BEGIN; UPDATE entry SET bytes = x'00'; COMMIT");
        cpSync(made.directory, copy, { recursive: true });
      } finally {
        db.close();
      }
      const wal = join(copy, 'commit.db-wal');
      truncateSync(wal, statSync(wal).size - 1000);
      return copy;
    }

    const codeOf = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => undefined,
        (error: unknown) => (error as { code?: unknown }).code,
      );

    it('takes bodies off the disk, from full bundles and the commit store, and leaves every proof as it was', async () => {
      await filled(300);
      const before = await made.open();
      const search = openArtifactSearch(before, made.directory);
      await search.ready();
      await search.close();
      const proofs = await Promise.all([4, 5, 6, 270].map((index) => before.proofOf(index)));
      const [root, hashes] = [before.tree.head().head.root, await before.tile('tile/0/000')];
      const bundle = await before.tile(BUNDLE);
      await before.close();
      // As a repair keeps a damaged bundle.
      mkdirSync(join(made.directory, 'damaged'));
      cpSync(join(made.directory, BUNDLE), join(made.directory, 'damaged/tile.entries.000.01234567'));
      await redact(5, 270);
      expectGone(made.directory, secretAt(5));
      expectGone(made.directory, secretAt(270));
      expect(existsSync(join(made.directory, 'search.db'))).to.equal(false);

      const log = await made.open();
      expect(equalBytes(log.tree.head().head.root, root), 'the root').to.equal(true);
      expect(await log.tile('tile/0/000')).to.deep.equal(hashes);
      for (const [i, index] of [4, 5, 6, 270].entries())
        expect((await log.proofOf(index)).hashes, String(index)).to.deep.equal(proofs[i]?.hashes);
      for (const index of [5, 270]) {
        const entry = await log.entryAt(index);
        expect([entry?.body.length, entry?.namedDigests.length]).to.deep.equal([0, 0]);
        expect(entry?.redaction?.reason).to.equal('a test');
        expect(entry?.integratedTime === undefined).to.equal(api === 2);
        const found = await log.entryByLeafHash(entry?.leafHash ?? new Uint8Array());
        expect(found?.index).to.equal(index);
        const unsigned: unknown = await failureOf(log.signEntryTimestamp(found ?? raise()));
        expect(unsigned).to.be.instanceOf(TypeError).with.property('message').that.includes('redacted');
      }
      const [all, now] = [await log.entriesFrom(0), await log.tile(BUNDLE)];
      expect(all.filter(({ redaction }) => redaction !== undefined).map(({ index }) => index)).to.deep.equal([
        5,
      ]);
      // Neighbours lie there to the byte, and the entry has the length 0.
      const format = artifactEntries(api);
      const [was, is] = [entriesIn(format, bundle), entriesIn(format, now)];
      expect(
        was.map((bytes, i) => (equalBytes(bytes, is[i] ?? raise()) ? '' : i)).filter(String),
      ).to.deep.equal([5]);
      expect([...(is[5] ?? [])].slice(0, 2)).to.deep.equal([0, 0]);
      const tail = await log.tile('tile/entries/001.p/44');
      for (const mark of secretAt(270).marks) expect(Buffer.from(tail).includes(mark)).to.equal(false);
      for (let width = 6; width < 256; width += 50)
        expect(
          Buffer.from(await log.tile(`${BUNDLE}.p/${width}`)).includes(secretAt(5).marks[0] ?? ''),
        ).to.equal(false);
      await log.close();
      expect(await checkArtifactLog(made.directory)).to.include({ size: 300, redacted: 2 });
    });

    it('goes on: the bundle of a redacted entry is written when it is full, and the search index is made anew', async () => {
      await filled(20);
      await redact(7);
      const log = await made.open();
      await fill(log, 600);
      const search = openArtifactSearch(log, made.directory);
      await search.ready();
      const value = secretAt(7).namedDigests[0] ?? '';
      expect(
        (await search.search({ conditions: [{ by: 'digest', value }], match: 'all', limit: 9 })).entries,
      ).to.deep.equal([]);
      await search.close();
      await log.close();
      await (await made.open()).close();
      expectGone(made.directory, secretAt(7));
      expect(await checkArtifactLog(made.directory)).to.include({ size: 600, redacted: 1 });
    });

    it('does not log a redacted body again', async () => {
      await filled(10);
      await redact(3);
      const log = await made.open();
      const { entry, isNew } = await log.add(secretAt(3));
      expect([entry.index, entry.body.length, isNew, log.status().size]).to.deep.equal([3, 0, false, 10]);
      expect(entry.redaction).to.not.equal(undefined);
      expectGone(made.directory, secretAt(3));
    });

    it('takes bodies from what a kill leaves: a WAL, free pages, tiles that are not written yet', async () => {
      const log = await made.open();
      await fill(log, 290);
      const killed = join(made.root, 'killed');
      cpSync(made.directory, killed, { recursive: true });
      await log.close();
      mkdirSync(join(killed, 'tile/entries'), { recursive: true });
      writeFileSync(join(killed, 'tile/entries', '.000.0123456789ab.tmp'), secretAt(9).body);
      expect(filesWith(killed, secretAt(9).marks[0] ?? '').length).to.be.greaterThan(1);
      const redaction = await redactionOf(9);
      await redactEntries(killed, made.identity, [redaction]);
      expectGone(killed, secretAt(9));
      const again = await made.open({ directory: killed });
      expect((await again.entryAt(9))?.redaction).to.not.equal(undefined);
      await again.close();
      expect(await checkArtifactLog(killed)).to.include({ size: 290, redacted: 1 });
    });

    it('is finished by the next start, and by the next command, when it is killed while it writes a transaction', async () => {
      await filled(300);
      const redaction = await redactionOf(290);
      await changeRedactions(made.directory, () => ({
        isFinished: false,
        entries: new Map([[290, redaction]]),
      }));
      const started = tornCopy('started');
      const commanded = join(made.root, 'commanded');
      cpSync(started, commanded, { recursive: true });
      const log = await made.open({ directory: started });
      expect((await log.entryAt(290))?.redaction).to.not.equal(undefined);
      await log.close();
      await redactEntries(commanded, made.identity, [redaction]);
      for (const place of [started, commanded]) {
        expectGone(place, secretAt(290));
        expect(await checkArtifactLog(place)).to.include({ size: 300, redacted: 1 });
      }
    });

    it('redacts nothing of a log whose store is torn and had more', async () => {
      await filled(20);
      const redaction = await redactionOf(5);
      const log = await made.open();
      await fill(log, 30);
      await log.add(secret());
      const torn = join(made.root, 'torn');
      cpSync(made.directory, torn, { recursive: true });
      await log.close();
      cpSync(join(made.directory, 'checkpoint'), join(torn, 'checkpoint'));
      const wal = join(torn, 'commit.db-wal');
      truncateSync(wal, statSync(wal).size - 1000);
      const before = readFileSync(wal);
      expect(await codeOf(redactEntries(torn, made.identity, [redaction]))).to.equal('LOG_CORRUPT');
      expect(readFileSync(wal).equals(before)).to.equal(true);
    });

    for (const [step, kind] of INTERRUPTIONS)
      it(`is finished by the next start, and by the next command, when it ends at: ${step}, ${kind}`, async () => {
        await filled(520);
        const indexes = [5, 300, 515];
        const redactions = await Promise.all(indexes.map(redactionOf));
        const { directory, identity } = made;
        const fault = new Fault(kind, step === 'tile 1' ? 1 : 0);
        const { commits } = await chooseStores(directory);
        const stores = { commits, tiles: fileTileStore(directory) };
        const failing = redactEntries(directory, identity, redactions, {
          tiles: {
            get: (path) => stores.tiles.get(path),
            replace: (path, bytes) =>
              step.startsWith('tile')
                ? fault.run(() => stores.tiles.replace(path, bytes))
                : stores.tiles.replace(path, bytes),
          },
          commits: {
            whileLocked: (work) =>
              stores.commits.whileLocked((store) =>
                work({
                  ...store,
                  rewrite: async (other) => {
                    if (step === 'rewrite') await fault.run(() => store.rewrite(other));
                    else await store.rewrite(other);
                    if (step === 'end') await fault.run(() => Promise.resolve());
                  },
                }),
              ),
          },
        });
        expect(await codeOf(failing)).to.not.equal(undefined);
        expect(fault.count).to.equal(1);
        // Nobody is shown a half.
        expect(await codeOf(checkArtifactLog(directory))).to.equal('LOG_UNAVAILABLE');
        expect(await codeOf(openArtifactReads(directory))).to.equal('LOG_UNAVAILABLE');
        const other = join(made.root, 'other');
        cpSync(directory, other, { recursive: true });
        const log = await made.open();
        for (const index of indexes) expect((await log.entryAt(index))?.redaction).to.not.equal(undefined);
        await log.close();
        await redactEntries(other, identity, redactions);
        for (const place of [directory, other]) {
          for (const index of indexes) expectGone(place, secretAt(index));
          expect(await checkArtifactLog(place)).to.include({ size: 520, redacted: 3 });
        }
      });

    it('removes what a kill left of its record', async () => {
      await filled(30);
      const left = join(made.directory, '.redacted.json.0123456789ab.tmp');
      writeFileSync(left, 'half');
      await redactEntries(made.directory, made.identity, [await redactionOf(4)]);
      expect(existsSync(left)).to.equal(false);
    });

    it('has each body that a start erases audited, whatever the record says', async () => {
      await filled(30);
      const redaction = { ...(await redactionOf(4)), isAudited: true };
      await changeRedactions(made.directory, () => ({
        isFinished: false,
        entries: new Map([[4, redaction]]),
      }));
      const log = await made.open();
      const recorded: number[] = [];
      await log.recordRedactions(({ index }) => {
        recorded.push(index);
        return undefined;
      });
      await log.close();
      expect(recorded).to.deep.equal([4]);
      expect((await readRedactions(made.directory)).entries.get(4)?.isAudited).to.equal(true);
    });

    it('changes nothing beside a WAL that is older than the store, also where no checkpoint says so', async () => {
      await filled(20);
      const redaction = await redactionOf(5);
      const log = await made.open();
      await fill(log, 30);
      const wal = join(made.directory, 'commit.db-wal');
      const older = readFileSync(wal);
      await fill(log, 60);
      await log.close();
      writeFileSync(wal, older);
      for (const checkpoint of ['kept', 'lost']) {
        if (checkpoint === 'lost') rmSync(join(made.directory, 'checkpoint'));
        expect(await codeOf(redactEntries(made.directory, made.identity, [redaction])), checkpoint).to.equal(
          'LOG_CORRUPT',
        );
        expect(await codeOf(made.open()), checkpoint).to.equal('LOG_CORRUPT');
        expect(readFileSync(wal).equals(older)).to.equal(true);
      }
    });

    it('is seen by a start that it overtakes, and its record stays', async () => {
      await filled(30);
      await redact(3);
      const { commits } = await chooseStores(made.directory);
      let store: CommitStore | undefined;
      let turns = 0;
      const overtaken: CommitStore = {
        load: async () => {
          // The start has read what is redacted, and has no lock yet.
          if (turns++ === 0) await redact(5, 29);
          store = commits.openForWriting(made.identity);
          return store.load();
        },
        recover: () => store?.recover() ?? raise(),
        commit: (batch) => store?.commit(batch) ?? raise(),
        close: async () => store?.close(),
      };
      const log = await made.open({ stores: { commits: overtaken } });
      expect(turns).to.equal(2);
      for (const index of [3, 5, 29]) expect((await log.entryAt(index))?.redaction).to.not.equal(undefined);
      await log.recordRedactions(() => undefined);
      await log.close();
      expect([...(await readRedactions(made.directory)).entries.keys()]).to.deep.equal([3, 5, 29]);
      expect(await checkArtifactLog(made.directory)).to.include({ size: 30, redacted: 3 });
    });

    it('holds no lock where a start finds that its record cannot be read any more', async () => {
      await filled(5);
      await redact(3);
      const record = join(made.directory, 'redacted.json');
      const before = readFileSync(record);
      const { commits } = await chooseStores(made.directory);
      const store = commits.openForWriting(made.identity);
      const spoilt: CommitStore = {
        load: async () => {
          const state = await store.load();
          writeFileSync(record, 'x');
          return state;
        },
        recover: () => store.recover(),
        commit: (batch) => store.commit(batch),
        close: () => store.close(),
      };
      expect(await codeOf(made.open({ stores: { commits: spoilt } }))).to.equal('LOG_CORRUPT');
      writeFileSync(record, before);
      await (await made.open()).close();
    });

    it('finishes where the rows were replaced and the database not written anew', async () => {
      await filled(30);
      const redaction = await redactionOf(4);
      await changeRedactions(made.directory, () => ({
        isFinished: false,
        entries: new Map([[4, redaction]]),
      }));
      const db = new DatabaseSync(join(made.directory, 'commit.db'));
      const format = artifactEntries(api);
      const row = db.prepare('SELECT bytes FROM entry WHERE idx = 4').get()?.['bytes'] as Uint8Array;
      const { integratedTime } = format.parse(row, 0);
      const blank = format.encode({
        leaf: new Uint8Array(),
        namedDigests: [],
        ...(integratedTime === undefined ? {} : { integratedTime }),
      });
      db.prepare('UPDATE entry SET bytes = ? WHERE idx = 4').run(blank);
      cpSync(made.directory, join(made.root, 'killed'), { recursive: true });
      db.close();
      const log = await made.open({ directory: join(made.root, 'killed') });
      await log.close();
      expectGone(join(made.root, 'killed'), secretAt(4));
      expect((await readRedactions(join(made.root, 'killed'))).isFinished).to.equal(true);
    });

    it('calls a body without a record, and a record of another hash, wrong', async () => {
      await filled(300);
      // Another batch, with which the commit store forgets what is in full bundles.
      await filled(302);
      await redact(5, 270);
      const path = join(made.directory, 'redacted.json');
      const kept = readFileSync(path, 'utf8');
      const { entries } = await readRedactions(made.directory);
      const spoilt: [string, Redaction[]][] = [];
      for (const index of [5, 270]) {
        const own = entries.get(index) ?? raise();
        const others = [...entries.values()].filter((one) => one !== own);
        spoilt.push([`no record of ${index}`, others]);
        spoilt.push([`another hash of ${index}`, [...others, { ...own, leafHash: randomBytes(32) }]]);
        spoilt.push([`another index for ${index}`, [...others, { ...own, index: index + 1 }]]);
      }
      spoilt.push(['beyond the log', [...entries.values(), { ...(entries.get(5) ?? raise()), index: 302 }]]);
      for (const [what, list] of spoilt) {
        await changeRedactions(made.directory, () => ({
          isFinished: true,
          entries: new Map(list.map((one) => [one.index, one])),
        }));
        expect(await codeOf(checkArtifactLog(made.directory)), what).to.equal('LOG_CORRUPT');
        // Of what lies in full bundles, a start says so; it has to have all behind them to begin.
        if (!/^another .* 5$|^beyond/.test(what)) continue;
        const log = await made.open();
        expect(log.redactionFault, what).to.match(FAULT);
        await log.close();
      }
      writeFileSync(path, kept.slice(9));
      expect(await codeOf(made.open()), 'a damaged list').to.equal('LOG_CORRUPT');
      writeFileSync(path, kept);
      expect(await checkArtifactLog(made.directory)).to.include({ redacted: 2 });
    });

    it('is held to its record with one read of each bundle', async () => {
      await filled(300);
      await redact(5, 7, 270);
      const log = await made.open();
      const { tiles } = log.tree;
      const entries = tiles.entries.bind(tiles);
      const read: number[] = [];
      tiles.entries = (n, width) => {
        read.push(n);
        return entries(n, width);
      };
      await checkRedactions(
        new ArtifactEntryReads(log.identity, log.tree, log.redactions),
        log.tree,
        log.redactions,
      );
      expect(read).to.deep.equal([0, 1]);
      await log.close();
    });

    it('erases no other body than the one whose hash is recorded', async () => {
      await filled(300);
      for (const index of [5, 270]) {
        const other = { ...(await redactionOf(index)), leafHash: randomBytes(32) };
        await redactEntries(made.directory, made.identity, [other]);
        rmSync(join(made.directory, 'redacted.json'));
        expect(await checkArtifactLog(made.directory)).to.include({ redacted: 0 });
      }
    });

    it('withholds a body that is put back from a copy, calls it wrong, and removes it when it is redacted again', async () => {
      await filled(300);
      // Another batch, with which the commit store forgets what is in full bundles.
      await filled(302);
      const bundle = join(made.directory, BUNDLE);
      const copy = readFileSync(bundle);
      const redaction = await redactionOf(5);
      await redactEntries(made.directory, made.identity, [redaction]);
      writeFileSync(`${bundle}.new`, copy);
      cpSync(`${bundle}.new`, bundle, { force: true });
      writeFileSync(`${bundle}.new`, '');
      expect(await codeOf(checkArtifactLog(made.directory))).to.equal('LOG_CORRUPT');
      const log = await made.open();
      expect(log.redactionFault).to.match(FAULT);
      expect((await log.entryAt(5))?.body.length).to.equal(0);
      expect(Buffer.from(await log.tile(BUNDLE)).includes(secretAt(5).marks[0] ?? '')).to.equal(false);
      await log.close();
      await redactEntries(made.directory, made.identity, [redaction]);
      expectGone(made.directory, secretAt(5));
      expect(await checkArtifactLog(made.directory)).to.include({ redacted: 1 });
      expect((await made.open()).redactionFault).to.equal(undefined);
    });

    it('waits for nobody: a log that a service has, also one that ended, is refused', async () => {
      await filled(10);
      const redaction = await redactionOf(5);
      const attempt = (): Promise<unknown> =>
        codeOf(redactEntries(made.directory, made.identity, [redaction]));
      const log = await made.open();
      expect(await attempt()).to.equal('LOG_LOCKED');
      await log.close();
      await endArtifactLog(made.directory, made.signer, Date.now);
      const [ended, second] = [await made.open(), await made.open()];
      expect(await attempt()).to.equal('LOG_LOCKED');
      // It has ended already, and says so beside a service.
      await endArtifactLog(made.directory, made.signer, Date.now);
      await ended.close();
      expect(await attempt()).to.equal('LOG_LOCKED');
      await second.close();
      expect(await attempt()).to.equal(undefined);
      expectGone(made.directory, secretAt(5));
      const reopened = await made.open();
      expect((await reopened.entryAt(5))?.redaction).to.not.equal(undefined);
      expect((await reopened.add(secretAt(5))).entry.redaction).to.not.equal(undefined);
    });

    it('keeps what was recorded first', async () => {
      await filled(10);
      await redact(5);
      const [first] = (await readRedactions(made.directory)).entries.values();
      await redactEntries(made.directory, made.identity, [{ ...(await redactionOf(5)), reason: 'another' }]);
      const { entries, isFinished } = await readRedactions(made.directory);
      expect([[...entries.values()], isFinished]).to.deep.equal([[first], true]);
      expect(toHex(first?.leafHash ?? new Uint8Array())).to.have.length(64);
    });
  });

function entriesIn(format: ReturnType<typeof artifactEntries>, bundle: Uint8Array): readonly Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const { next } = format.parse(bundle, at);
    out.push(bundle.subarray(at, next));
    at = next;
  }
  return out;
}

function raise(): never {
  throw new Error('it is not there');
}
