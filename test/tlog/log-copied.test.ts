/** Directories of logs that were copied, moved and put back, on machines that a test names. */
import { cpSync, existsSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { adoptCopy } from '../../tlog/adopt-copy.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { TILE_LEAVES } from '../../ct-log/tile-leaves.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { TileLog } from '../../tlog/live-log.ts';
import type { LogOptions } from '../../tlog/log.ts';
import type { ReadableKind } from '../../tlog/read-only-log.ts';
import type { StoredEntry } from '../../tlog/format/entry-format.ts';
import { fileIdentity } from '../../storage/place-identity.ts';
import { entry, testLog } from '../ct-log/support/test-log.ts';
import { failureAs } from '../support/failure.ts';
import { skipUnless } from '../support/skipped.ts';
import { artifact, ARTIFACT_ENTRIES, testArtifactLog } from './support/artifact-log.ts';

type Place = Pick<LogOptions, 'directory' | 'machine'>;

/** A log of some kind, as these tests need it. */
interface Copied {
  readonly directory: string;
  readonly kind: ReadableKind<StoredEntry>;
  open(place: Place): Promise<Pick<TileLog<never, unknown>, 'warnings' | 'noteUse' | 'close' | 'status'>>;
  append(log: unknown, i: number): Promise<unknown>;
  remove(): Promise<void>;
}

const KINDS: Readonly<Record<string, () => Promise<Copied>>> = {
  'a log of certificates': async () => {
    const test = await testLog();
    const { directory, identity } = test;
    return {
      directory,
      kind: { identity, entries: TILE_LEAVES, keys: logKeys(identity) },
      open: (place) => test.open({ ...place, asFiles: true }),
      append: (log, i) => (log as Awaited<ReturnType<typeof test.open>>).append(entry(i)),
      remove: () => test.remove(),
    };
  },
  'a log of another kind': async () => {
    const test = await testArtifactLog();
    const { directory, identity, verifier } = test;
    return {
      directory,
      kind: { identity, entries: { ...ARTIFACT_ENTRIES, isSound: () => true }, keys: [verifier] },
      open: (place) => test.open(place),
      append: (log, i) => (log as Awaited<ReturnType<typeof test.open>>).append(artifact(i)),
      remove: () => test.remove(),
    };
  },
};

for (const [name, make] of Object.entries(KINDS))
  describe(`a copy of the directory of ${name}`, () => {
    let log: Copied;
    let clone: string;
    beforeEach(async function () {
      log = await make();
      clone = join(dirname(log.directory), 'clone');
      skipUnless(
        this,
        fileIdentity(dirname(log.directory)) !== undefined,
        'files have no time of their making here',
      );
    });
    afterEach(() => log.remove());

    const A = (): string => 'a'.repeat(32);
    const B = (): string => 'b'.repeat(32);
    const nowhere = (): undefined => undefined;

    /** Opens, logs one entry, closes; resolves with the warnings. */
    let next = 0;
    const use = async (machine: Place['machine'], directory = log.directory): Promise<readonly string[]> => {
      const opened = await log.open({ directory, machine });
      await opened.noteUse();
      await log.append(opened, next++);
      await opened.close();
      return opened.warnings;
    };
    const copy = (to = clone): string => {
      cpSync(log.directory, to, { recursive: true, preserveTimestamps: true });
      return to;
    };
    const refused = (machine: Place['machine'], directory = clone): Promise<LogError> =>
      failureAs(LogError, log.open({ directory, machine }));
    const adopt = (machine: Place['machine'], isAdopted = true) =>
      adoptCopy(clone, log.kind, { clock: () => 0, isAdopted, machine });

    it('is refused on another machine, as it was, until it is taken into use', async () => {
      await use(A);
      copy();
      rmSync(log.directory, { recursive: true });
      const failure = await refused(B);
      expect(failure.code).to.equal('LOG_COPIED');
      expect(failure.hint).to.contain('mayfly log adopt');
      expect((await refused(B)).code, 'also when tried again').to.equal('LOG_COPIED');
      const found = { isOtherMachine: true, isOtherFile: true, size: 1 };
      expect(await adopt(B, false)).to.deep.include(found);
      expect((await refused(B)).code, 'only looked at').to.equal('LOG_COPIED');
      expect(await adopt(B)).to.deep.include(found);
      expect(await adopt(B), 'taken into use').to.equal(undefined);
      expect((await use(B, clone)).join()).to.contain(
        'was taken into use by `mayfly log adopt` at 1970-01-01T00:00:00Z',
      );
      expect(await use(B, clone), 'said once').to.deep.equal([]);
    });

    it('is refused beside the one that it was copied from, while that is in use', async () => {
      const own = await log.open({ directory: log.directory, machine: nowhere });
      await own.noteUse();
      await log.append(own, next++);
      copy();
      const adoption = await failureAs(LogError, adopt(nowhere));
      expect(adoption.code).to.equal('LOG_COPIED');
      expect(adoption.hint).to.contain('copy the directory again').and.not.contain('log adopt');
      const failure = await refused(nowhere);
      expect(failure.code).to.equal('LOG_COPIED');
      expect(failure.message).to.contain('is in use');
      await log.append(own, next++);
      await own.close();
      expect((await use(nowhere, clone)).join()).to.contain('a copy');
    });

    it('is not taken into use when it lacks what its checkpoint has', async () => {
      await use(A);
      copy();
      await use(A);
      cpSync(join(log.directory, 'checkpoint'), join(clone, 'checkpoint'));
      expect((await failureAs(LogError, adopt(B))).code).to.equal('LOG_ROLLED_BACK');
    });

    it('is open with a warning, said once, when it was put back or copied on one machine', async () => {
      for (const machine of [A, nowhere]) {
        await use(machine);
        copy();
        rmSync(log.directory, { recursive: true });
        renameSync(clone, log.directory);
        expect(await use(machine)).to.have.length(1);
        expect(await use(machine)).to.deep.equal([]);
      }
    });

    it('says again what no service has said, because it ended before', async () => {
      await use(A);
      copy();
      rmSync(log.directory, { recursive: true });
      const unsaid = await log.open({ directory: clone, machine: A });
      expect(unsaid.warnings.join()).to.contain('a copy');
      await unsaid.close();
      expect((await use(A, clone)).join()).to.contain('a copy');
      expect(await use(A, clone)).to.deep.equal([]);
    });

    it('notes nothing of those who make it: their machine may never use it', async () => {
      const maker = await log.open({ directory: log.directory, machine: A });
      await log.append(maker, next++);
      await maker.close();
      copy();
      expect(await use(B, clone)).to.deep.equal([]);
    });

    it('is open where the path that it was at before leads nowhere', async () => {
      await use(A);
      copy();
      rmSync(log.directory, { recursive: true });
      symlinkSync(log.directory, log.directory);
      expect((await use(A, clone)).join()).to.contain('a copy');
    });

    it('is open with a warning when a disk comes to another machine', async () => {
      await use(A);
      expect((await use(B)).join()).to.contain('on another machine last');
      expect(await use(B)).to.deep.equal([]);
    });

    it('says nothing in place: again, renamed, under other names of the machine that are not known', async () => {
      expect(await use(A)).to.deep.equal([]);
      expect(await use(A)).to.deep.equal([]);
      renameSync(log.directory, clone);
      expect(await use(A, clone)).to.deep.equal([]);
      for (const machine of [nowhere, B, nowhere, A]) expect(await use(machine, clone)).to.deep.equal([]);
    });

    it('is open with a warning, said once, when what it says of its place is damaged', async () => {
      await use(A);
      const db = new DatabaseSync(join(log.directory, 'commit.db'));
      db.exec("UPDATE meta SET value = CAST(x'7b' || value AS BLOB) WHERE key = 'location'");
      db.close();
      expect((await use(A)).join()).to.contain('whether it is a copy is not known');
      expect(await use(A)).to.deep.equal([]);
    });

    it('says nothing of a directory that was never used, or that an older version used', async () => {
      copy();
      expect(await use(B, clone)).to.deep.equal([]);
      await use(A);
      const db = new DatabaseSync(join(log.directory, 'commit.db'));
      db.exec("DELETE FROM meta WHERE key = 'location'");
      db.close();
      rmSync(clone, { recursive: true });
      copy();
      expect(await use(B, clone)).to.deep.equal([]);
      expect(existsSync(log.directory)).to.equal(true);
    });
  });
