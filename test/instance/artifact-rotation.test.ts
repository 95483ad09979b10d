import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import { artifactLogPaths, artifactLogsIn } from '../../instance/artifact-logs.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { dataPaths, type DataPaths } from '../../instance/data-paths.ts';
import { discardArtifactLog } from '../../instance/discard-artifact-log.ts';
import { openKey } from '../../instance/open-key.ts';
import { RotationError } from '../../instance/rotation-error.ts';
import { stageArtifactLog } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog, type SwitchedArtifacts } from '../../instance/switch-artifact-log.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import type { ArtifactLog } from '../../rekor/artifact-log.ts';
import { openArtifactLog, openEndedArtifactLog } from '../../rekor/open-artifact-log.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { exportTrust } from '../../trust/export.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { artifact } from '../rekor/support/rekor-log.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { failureAs } from '../support/failure.ts';

const HOST = 'ca.example.org';

for (const api of [1, 2] as const)
  describe(`instance: the successor of a log of artifacts for Rekor v${api}`, function () {
    this.timeout(30_000);
    let paths: DataPaths;
    beforeEach(async () => {
      paths = dataPaths(join(await mkdtemp(join(tmpdir(), 'mayfly-artifact-rotation-')), 'data'));
      await makeDataDirectory(paths.root);
      await createDirectoryLog(paths, { api, host: HOST, passphrase: undefined, clock: Date.now });
    });
    afterEach(async () => {
      await rm(join(paths.root, '..'), { recursive: true });
    });

    const request = () => ({ paths, api, passphrase: undefined, clock: Date.now });
    const stage = (host?: string) => stageArtifactLog({ ...request(), host });
    const change = (): Promise<SwitchedArtifacts> => switchArtifactLog(request());

    async function withLog<T>(shard: number, work: (log: ArtifactLog) => Promise<T>): Promise<T> {
      const { directory, key } = artifactLogPaths(paths, api, shard);
      const signer = await openKey(key);
      const log = await openArtifactLog({ directory, signer, clock: Date.now });
      try {
        return await work(log);
      } finally {
        await log.close();
      }
    }

    const windows = async (): Promise<readonly [id: string, hasEnded: boolean][]> =>
      (await readTrust(paths)).root.artifactLogs.map(({ logId, window }) => [
        toHex(logId),
        window.end !== undefined,
      ]);

    it('is trusted first, then takes the place of the one before, which is read and counts until its end', async () => {
      const old = await withLog(1, async (log) => {
        await log.add(artifact(1));
        return log.identity;
      });
      const { staged, next, isNew } = await stage();
      await recordTrust(paths);
      expect([isNew, next.name, staged.host]).to.deep.equal([true, `v${api}-2`, HOST]);
      const [oldId, newId] = [toHex(old.logId), toHex(staged.logId)];
      expect(await windows()).to.deep.equal([
        [oldId, false],
        [newId, false],
      ]);
      const before = await readTrust(paths);
      expect(before.artifactLogs.map(({ logId }) => toHex(logId))).to.deep.equal([oldId]);
      expect((await stage()).isNew).to.equal(false);
      await withLog(1, (log) => log.add(artifact(2)));

      const switched = await change();
      expect(switched.isNew).to.equal(true);
      expect(switched.former.map(({ ended: { head } }) => head.size)).to.deep.equal([3]);
      // It counts to the end of the second in which it ended, so that every entry of it does.
      const { root } = await readTrust(paths);
      const { end } = root.artifactLogs.find(({ logId }) => toHex(logId) === oldId)?.window ?? {};
      expect(end).to.equal(Math.ceil((switched.former[0]?.ended.frozenAt ?? NaN) / 1000) * 1000);
      expect(await windows()).to.deep.equal([
        [newId, false],
        [oldId, true],
      ]);
      const after = await readTrust(paths);
      expect(after.artifactLogs.map(({ logId }) => toHex(logId))).to.deep.equal([newId]);
      const { identity } = switched.current;
      expect(identity.firstLogIndex).to.equal(api === 1 ? 3 : 0);
      expect(identity.treeId === undefined).to.equal(api === 2);
      await withLog(2, async (log) => {
        const { entry } = await log.add(artifact(3));
        expect([entry.index, entry.logIndex]).to.deep.equal([1, api === 1 ? 4 : 1]);
      });
      const former = await openEndedArtifactLog({
        directory: artifactLogPaths(paths, api).directory,
        signer: undefined,
      });
      const { body } = artifact(2);
      expect((await former.find(body))?.entry.index).to.equal(2);
      await former.close();
      for (const { directory } of await artifactLogsIn(paths)) await checkArtifactLog(directory);

      // The same command again, and the one after it.
      const again = await change();
      expect([again.isNew, again.current.paths.name]).to.deep.equal([false, `v${api}-2`]);
      await stage();
      const third = await change();
      expect(third.current.paths.name).to.equal(`v${api}-3`);
      expect(third.current.identity.firstLogIndex).to.equal(api === 1 ? 5 : 0);
      expect(third.former.map(({ paths: { name } }) => name)).to.deep.equal([`v${api}`, `v${api}-2`]);
    });

    it('is named as the one before, or after another host', async () => {
      await stage('new.example.org');
      expect((await failureAs(RotationError, stage(HOST))).message).to.include('new.example.org');
      const { current } = await change();
      expect(current.identity.host).to.equal('new.example.org');
      expect((await stage()).staged.host).to.equal('new.example.org');
    });

    it('is given up with its key, and nothing is believed of it', async () => {
      const { staged, next } = await stage();
      await recordTrust(paths);
      const { ended, removed } = await discardArtifactLog(paths, api, undefined);
      expect(ended.map(({ key }) => key)).to.deep.equal([toHex(staged.logId)]);
      expect(removed).to.deep.equal([next.key, next.staged]);
      const { root } = await readTrust(paths);
      const entry = root.artifactLogs.find(({ logId }) => toHex(logId) === toHex(staged.logId));
      expect((entry?.window.end ?? Infinity) <= (entry?.window.start ?? 0)).to.equal(true);
      expect(await discardArtifactLog(paths, api, undefined)).to.deep.equal({ ended: [], removed: [] });
      expect((await failureAs(RotationError, change())).message).to.include('no log is staged');
      // Another one may be staged, with a key of its own.
      expect(toHex((await stage()).staged.logId)).not.to.equal(toHex(staged.logId));
      await change();
    });

    it('waits until nobody writes the one before', async () => {
      await stage();
      await withLog(1, async (log) => {
        expect((await failureAs(LogError, change())).code).to.equal('LOG_LOCKED');
        expect((await log.add(artifact(1))).isNew).to.equal(true);
      });
      await change();
    });

    it('is not begun while verifiers do not trust it, or with another key', async () => {
      const { staged, next } = await stage();
      await recordTrust(paths, (root) => ({
        ...root,
        artifactLogs: root.artifactLogs.map((log) =>
          toHex(log.logId) === toHex(staged.logId)
            ? { ...log, window: { ...log.window, end: log.window.start - 5_000 } }
            : log,
        ),
      }));
      expect((await failureAs(RotationError, change())).message).to.include('not now');
      await discardArtifactLog(paths, api, undefined);
      await stage();
      await writeFile(next.key, await readFile(artifactLogPaths(paths, api).key));
      expect((await failureAs(LogError, change())).code).to.equal('LOG_WRONG_KEY');
      expect((await artifactLogsIn(paths)).map(({ name }) => name)).to.deep.equal([`v${api}`]);
      await withLog(1, (log) => log.add(artifact(1)));
    });

    it('never begins a second tree with the key of one that is lost', async () => {
      await stage();
      await change();
      await rm(artifactLogPaths(paths, api, 2).directory, { recursive: true });
      for (const work of [stage, () => discardArtifactLog(paths, api, undefined)])
        expect((await failureAs(RotationError, work())).message).to.include(
          'is the key of a log that was in',
        );
    });

    it('has its keys in the files for clients', async () => {
      const files = async (): Promise<ReadonlyMap<string, string>> => {
        const notes = {
          publicUrl: `https://${HOST}`,
          isDevelopment: false,
          version: 'test',
          now: Date.now(),
        };
        const exported = exportTrust(await readTrust(paths), notes);
        return new Map([...exported].map(([name, bytes]) => [name, Buffer.from(bytes).toString('latin1')]));
      };
      const before = await files();
      await stage();
      await change();
      const after = await files();
      if (api === 1) {
        expect(after.get('rekor.pub')).to.be.a('string').and.not.equal(before.get('rekor.pub'));
      } else {
        const lines = (after.get('rekor.vkey') ?? '').split('\n');
        expect(lines).to.have.length(3);
        expect(`${lines[1] ?? ''}\n`).to.equal(before.get('rekor.vkey'));
      }
    });
  });
