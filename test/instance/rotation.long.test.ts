/** A log is staged and switched to; a process that is killed after any step leaves what the same call finishes. */
import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equalBytes, toBase64 } from '../../core/bytes.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { openCtLog, type CtLog } from '../../ct-log/ct-log.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { logKeys } from '../../ct-log/log-keys.ts';
import { certificateLog } from '../../instance/certificate-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { discardLog } from '../../instance/discard-log.ts';
import { NOTHING_LEFT } from '../../instance/discarded.ts';
import { openKey, openLogKeys } from '../../instance/open-key.ts';
import { RotationError } from '../../instance/rotation-error.ts';
import { stageLog } from '../../instance/stage-log.ts';
import { switchLog } from '../../instance/switch-log.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { discardArtifactLog } from '../../instance/discard-artifact-log.ts';
import { stageArtifactLog } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog } from '../../instance/switch-artifact-log.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { entry, ISSUER } from '../ct-log/support/test-log.ts';
import { makeDataDirectory } from '../support/data-directory.ts';
import { failureAs } from '../support/failure.ts';
import { copiesAfterSteps } from '../support/file-steps.ts';

const chain = [ISSUER];

describe('instance: the rotation of a log', function () {
  this.timeout(240_000);
  let root: string;
  let data: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-rotation-'));
    data = join(root, 'data');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const now = (): number => Date.now();
  const request = (
    more: { data?: string; passphrase?: string; origin?: string; clock?: () => number } = {},
  ) => ({
    data,
    chain,
    passphrase: undefined,
    clock: now,
    ...more,
  });
  const open = async (name: string, passphrase?: string): Promise<CtLog> => {
    const paths = certificateLogPaths(dataPaths(data), name);
    const signers = await openLogKeys(paths, passphrase);
    return openCtLog({ directory: paths.directory, signers, chain, clock: Date.now });
  };
  const fill = async (name: string, count: number): Promise<void> => {
    const log = await open(name);
    await Promise.all(Array.from({ length: count }, (_, i) => log.append(entry(i))));
    await log.close();
  };
  const inUse = async (directory = data): Promise<string> =>
    certificateLog(await openDataDirectory(directory)).name;
  const year = String(new Date().getUTCFullYear());
  const next = year === '2026' ? '2026b' : year;

  it('makes a log with keys of its own, whose empty head is signed, and leaves the one in use alone', async () => {
    await makeDataDirectory(data);
    const running = await open('2026');
    await running.append(entry(0));
    const { identity, isNew, current } = await stageLog(request());
    expect([identity.name, isNew, current.identity.name]).to.deep.equal([next, true, '2026']);
    expect(identity.origin).to.equal(`localhost/log/${next}`);
    expect(await inUse()).to.equal('2026');
    const checked = await checkDirectory(await openDirectorySource(join(data, 'logs', next)));
    expect(checked).to.include({ ok: true, entries: 0 });
    for (const name of await readdir(join(data, 'keys'))) {
      expect(name).not.to.include('.next.');
      expect((await stat(join(data, 'keys', name))).mode & 0o777).to.equal(0o600);
    }
    expect((await stageLog(request())).isNew).to.equal(false);
    expect((await running.append(entry(1))).index).to.equal(1);
    await running.close();
  });

  it('encrypts the new keys as the others, and takes no other passphrase', async () => {
    await makeDataDirectory(data, { passphrase: 'right' });
    for (const passphrase of ['wrong', undefined])
      await failureAs(KeyFileError, stageLog({ ...request(), passphrase }));
    expect(await readdir(join(data, 'logs'))).to.deep.equal(['2026']);
    await stageLog(request({ passphrase: 'right' }));
    expect(await readFile(certificateLogPaths(dataPaths(data), next).ecdsaKey, 'utf8')).to.include(
      'ENCRYPTED',
    );
    await failureAs(KeyFileError, switchLog(request()));
    expect(await inUse()).to.equal('2026');
    const { former } = await switchLog(request({ passphrase: 'right' }));
    expect(former.map(({ end }) => end?.size)).to.deep.equal([0]);
    expect(await inUse()).to.equal(next);
  });

  it('refuses a name that was used, a second staged log, a clock behind, and a switch to nothing', async () => {
    await makeDataDirectory(data);
    const refusal = async (work: Promise<unknown>): Promise<string> =>
      (await failureAs(RotationError, work)).message;
    expect(await refusal(switchLog(request()))).to.include('no log is staged');
    expect(await refusal(stageLog(request({ origin: 'example.com/log/2026' })))).to.include(
      'called 2026 already',
    );
    expect(await refusal(stageLog(request({ clock: () => 1e12 })))).to.include('clock is behind');
    await failureAs(LogError, stageLog(request({ origin: 'NO' })));
    await stageLog(request({ origin: 'localhost/log/next' }));
    expect(await refusal(stageLog(request({ origin: 'localhost/log/other' })))).to.include(
      'next is staged already',
    );
    // Keys of a log that was moved away are not given to another one.
    await switchLog(request());
    await rename(join(data, 'logs', '2026'), join(root, '2026'));
    const { identity } = await stageLog(request({ clock: () => Date.now() + 1000 }));
    expect(identity.name).to.equal(next);
  });

  it('does not use the name of a log again that verifiers trust, though nothing of it is left', async () => {
    await makeDataDirectory(data);
    const paths = dataPaths(data);
    const lose = async (name: string): Promise<void> => {
      const { directory, ecdsaKey, ed25519Key } = certificateLogPaths(paths, name);
      for (const path of [directory, ecdsaKey, ed25519Key]) await rm(path, { recursive: true });
    };
    await stageLog(request());
    // As an import of what was handed out leaves it.
    await recordTrust(paths, (trust) => ({
      ...trust,
      certificateLogs: trust.certificateLogs.map((log) =>
        log.baseUrl.endsWith(`/${next}/`) ? { ...log, baseUrl: `https://localhost/log/${next}` } : log,
      ),
    }));
    await switchLog(request());
    await lose('2026');
    for (const name of ['2026', next]) {
      const clock = (): number => Date.now() + 1000;
      const again = stageLog(request({ origin: `localhost/log/${name}`, clock }));
      expect((await failureAs(RotationError, again)).message).to.include(`called ${name} already`);
    }
    const { identity } = await stageLog(request({ clock: () => Date.now() + 1000 }));
    expect(['2026', next]).to.not.include(identity.name);
  });

  it('puts no log in use that verifiers trust no more', async () => {
    await makeDataDirectory(data);
    const { identity } = await stageLog(request());
    await recordTrust(dataPaths(data), (trust) => ({
      ...trust,
      certificateLogs: trust.certificateLogs.map((log) =>
        equalBytes(log.logId, identity.logId)
          ? { ...log, window: { ...log.window, end: log.window.start } }
          : log,
      ),
    }));
    const clock = (): number => Date.now() + 1000;
    const refused = await failureAs(RotationError, switchLog(request({ clock })));
    expect(refused.message).to.match(/is staged, but it is trusted from .* until .*, not now/);
    const again = await failureAs(RotationError, stageLog(request({ clock })));
    expect(again.hint).to.include('--discard');
    expect(await inUse()).to.equal('2026');
  });

  it('leaves a log that a service writes to its next start, and ends it when there is none', async () => {
    await makeDataDirectory(data);
    const running = await open('2026');
    await running.append(entry(0));
    await stageLog(request());
    const first = await switchLog(request());
    expect([first.isNew, first.former[0]?.end, first.former[0]?.failure]).to.deep.equal([
      true,
      undefined,
      undefined,
    ]);
    expect((await running.append(entry(1))).index).to.equal(1);
    await running.close();
    const second = await switchLog(request());
    expect([second.isNew, second.former[0]?.end?.size]).to.deep.equal([false, 2]);
    expect((await switchLog(request())).former[0]?.end).to.deep.equal(second.former[0]?.end);
    await fill(next, 3);
    const log = await open('2026');
    expect(log.refusal()?.code).to.equal('LOG_FROZEN');
    await log.close();
  });

  it('is not kept from the next log by a former one that cannot be read, and says so', async () => {
    await makeDataDirectory(data);
    await stageLog(request());
    await recordTrust(dataPaths(data));
    await switchLog(request());
    await recordTrust(dataPaths(data));
    const identity = join(data, 'logs', '2026', 'log.json');
    // As if it was born long before: two logs of one second cannot be distinguished by what is recorded.
    await recordTrust(dataPaths(data), (trust) => ({
      ...trust,
      certificateLogs: trust.certificateLogs.map((log) =>
        log.baseUrl === '/log/2026/' ? { ...log, window: { ...log.window, start: 1_700_000_000_000 } } : log,
      ),
    }));
    await writeFile(identity, '{');
    const clock = (): number => Date.now() + 1000;
    const staged = await stageLog(request({ clock }));
    expect(staged.isNew).to.equal(true);
    expect(staged.unreadable.join()).to.include('2026');
    const switched = await switchLog(request({ clock }));
    expect([switched.isNew, switched.unreadable.length]).to.deep.equal([true, 1]);
    // One that could be the next is no former one.
    await writeFile(join(data, 'logs', staged.identity.name, 'log.json'), '{');
    await failureAs(LogError, stageLog(request({ clock: () => Date.now() + 2000 })));
  });

  it('says which log it cannot end, and has switched all the same', async () => {
    await makeDataDirectory(data);
    await stageLog(request());
    await rm(certificateLogPaths(dataPaths(data), '2026').ed25519Key);
    const { former } = await switchLog(request());
    expect(former[0]?.failure).to.include('ed25519.key.pem');
    expect(await inUse()).to.equal(next);
  });

  const copiesOf = (work: () => Promise<unknown>): Promise<[step: string, copy: string][]> =>
    copiesAfterSteps(data, (count) => join(root, `copy-${count}`), work);

  it('is finished by the same call wherever the staging was killed', async () => {
    await makeDataDirectory(data);
    await fill('2026', 3);
    for (const [step, copy] of await copiesOf(() => stageLog(request()))) {
      expect(await inUse(copy), step).to.equal('2026');
      const { identity } = await stageLog(request({ data: copy }));
      expect(identity.name, step).to.equal(next);
      const { former } = await switchLog(request({ data: copy }));
      expect(
        former.map(({ end }) => end?.size),
        step,
      ).to.deep.equal([3]);
      expect(await inUse(copy), step).to.equal(next);
      await rm(copy, { recursive: true });
    }
  });

  it('is finished by the same call wherever the switch was killed, and the log in use never is one that has ended', async () => {
    await makeDataDirectory(data);
    await fill('2026', 3);
    await stageLog(request());
    for (const [step, copy] of await copiesOf(() => switchLog(request()))) {
      const before = await openDirectorySource(join(copy, 'logs', await inUse(copy)));
      expect(before.frozenAt, step).to.equal(undefined);
      const { former } = await switchLog(request({ data: copy }));
      expect(
        former.map(({ end }) => end?.size),
        step,
      ).to.deep.equal([3]);
      expect(await inUse(copy), step).to.equal(next);
      const source = await openDirectorySource(join(copy, 'logs', '2026'));
      expect(source.frozenAt, step).to.equal(former[0]?.end?.frozenAt);
      const checkpoint = verifyCheckpoint(await source.checkpoint(), logKeys(source.identity));
      expect(checkpoint, step).to.deep.include({ size: 3, root: source.head.root });
      await rm(copy, { recursive: true });
    }
  });

  for (const api of [1, 2] as const)
    describe(`of artifacts, for Rekor v${api}`, () => {
      const artifacts = (directory: string) => ({
        paths: dataPaths(directory),
        api,
        passphrase: undefined,
        clock: Date.now,
      });
      const stageArtifacts = async (directory = data): Promise<void> => {
        await stageArtifactLog({ ...artifacts(directory), host: undefined });
        await recordTrust(dataPaths(directory));
      };
      const make = async (): Promise<void> => {
        await makeDataDirectory(data);
        const { paths } = artifacts(data);
        await createDirectoryLog(paths, { ...artifacts(data), host: 'ca.example.org' });
      };

      async function expectFollowed(directory: string, step: string): Promise<void> {
        const switched = await switchArtifactLog(artifacts(directory));
        const { paths, identity } = switched.current;
        expect([paths.name, identity.firstLogIndex], step).to.deep.equal([`v${api}-2`, api === 1 ? 1 : 0]);
        expect(
          switched.former.map(({ ended }) => ended.head.size),
          step,
        ).to.deep.equal([1]);
        expect((await checkArtifactLog(paths.directory)).size, step).to.equal(1);
        const { root: trusted, artifactLogs } = await readTrust(dataPaths(directory));
        expect(
          trusted.artifactLogs.map(({ window }) => window.end !== undefined),
          step,
        ).to.deep.equal([false, true]);
        expect(
          artifactLogs.map(({ logId }) => logId),
          step,
        ).to.deep.equal([identity.logId]);
        const names = await readdir(join(directory, 'artifacts'));
        expect(names.filter((name) => !name.startsWith('.')).sort(), step).to.deep.equal([
          `v${api}`,
          `v${api}-2`,
        ]);
        await openKey(paths.key);
        await rm(directory, { recursive: true });
      }

      it('is finished or given up by the next call wherever the staging was killed', async () => {
        await make();
        const copies = await copiesOf(() => stageArtifacts());
        for (const [at, [step, copy]] of copies.entries()) {
          if (at % 2 === 0) {
            await stageArtifacts(copy);
            await expectFollowed(copy, step);
            continue;
          }
          await discardArtifactLog(dataPaths(copy), api, undefined);
          const { paths } = artifacts(copy);
          const left = (await readdir(paths.artifacts)).filter((name) => !name.startsWith('.'));
          expect(left, step).to.deep.equal([`v${api}`]);
          expect(
            (await readdir(paths.keys)).filter((name) => name.startsWith('artifacts')),
            step,
          ).to.deep.equal([`artifacts-v${api}.key.pem`]);
          expect((await readTrust(paths)).artifactLogs, step).to.have.length(1);
          await rm(copy, { recursive: true });
        }
      });

      it('is finished by the same call wherever the switch was killed', async () => {
        await make();
        await stageArtifacts();
        for (const [step, copy] of await copiesOf(() => switchArtifactLog(artifacts(data))))
          await expectFollowed(copy, step);
      });
    });

  /** The log called `next` as verifiers know it. */
  const windowOf = async (directory: string): Promise<Window | undefined> =>
    (await readTrust(dataPaths(directory))).root.certificateLogs.find(({ baseUrl }) =>
      baseUrl.endsWith(`/${next}/`),
    )?.window;

  it('gives up a staged log with its keys, and never uses its name again', async () => {
    await makeDataDirectory(data);
    expect(await discardLog(data)).to.deep.equal(NOTHING_LEFT);
    const { identity } = await stageLog(request());
    const keys = await readdir(join(data, 'keys'));
    const { ended, removed } = await discardLog(data);
    expect(ended.map(({ id }) => id)).to.deep.equal([toBase64(identity.logId)]);
    expect(removed).to.have.length(3);
    expect(await readdir(join(data, 'keys'))).to.deep.equal(keys.filter((name) => !name.includes(next)));
    expect(await readdir(join(data, 'logs'))).to.have.members(['.current', '2026']);
    const window = await windowOf(data);
    expect(window?.end).to.equal(Math.floor((window?.start ?? 0) / 1000) * 1000);
    expect(await discardLog(data)).to.deep.equal(NOTHING_LEFT);
    await failureAs(RotationError, switchLog(request()));
    const clock = (): number => Date.now() + 1000;
    const another = await stageLog(request({ clock }));
    expect(another.identity.name).to.satisfy((name: string) => ![next, '2026'].includes(name));
    expect(another.identity.logId).not.to.deep.equal(identity.logId);
    expect((await switchLog(request({ clock }))).isNew).to.equal(true);
  });

  it('gives up no log that has entries, nor one of several', async () => {
    await makeDataDirectory(data);
    await stageLog(request());
    await fill(next, 1);
    const before = await readdir(data, { recursive: true });
    expect((await failureAs(RotationError, discardLog(data))).message).to.include('has entries');
    expect(
      (await readdir(data, { recursive: true })).filter((name) => !name.endsWith('-shm')),
    ).to.include.members(before);
    expect((await windowOf(data))?.end).to.equal(undefined);
    await switchLog(request());
    await stageLog(request({ clock: () => Date.now() + 1000 }));
    await writeFile(dataPaths(data).currentLog, '2026\n');
    expect((await failureAs(RotationError, discardLog(data))).message).to.include('several logs');
  });

  it('gives up what an interrupted staging left', async () => {
    await makeDataDirectory(data);
    for (const [step, copy] of await copiesOf(() => stageLog(request()))) {
      const { keys } = dataPaths(copy);
      const { logNames } = await openDataDirectory(copy);
      const left = (await readdir(keys)).filter((name) => name.includes(`log-${next}`));
      const { removed } = await discardLog(copy);
      expect(removed.length > 0, step).to.equal(logNames.length + left.length > 1);
      expect(
        (await readdir(keys)).filter((name) => name.includes(next)),
        step,
      ).to.deep.equal([]);
      expect((await openDataDirectory(copy)).logNames, step).to.deep.equal(['2026']);
      expect(await discardLog(copy), step).to.deep.equal(NOTHING_LEFT);
      await rm(copy, { recursive: true });
    }
  });

  it('is finished by the same call wherever the giving up was killed, and the log can be put in use no more', async () => {
    await makeDataDirectory(data);
    await stageLog(request());
    const clock = (): number => Date.now() + 2000;
    for (const [step, copy] of await copiesOf(() => discardLog(data))) {
      const isEnded = (await windowOf(copy))?.end !== undefined;
      const { logNames } = await openDataDirectory(copy);
      // Before the end is recorded nothing has changed; afterwards nothing of it can be used.
      if (isEnded) {
        await failureAs(RotationError, switchLog(request({ data: copy, clock })));
        if (logNames.length > 1) await failureAs(RotationError, stageLog(request({ data: copy, clock })));
      } else
        expect(
          (await readdir(join(copy, 'keys'))).filter((name) => name.includes(next)),
          step,
        ).to.have.length(2);
      expect(await inUse(copy), step).to.equal('2026');
      await discardLog(copy);
      expect(await discardLog(copy), step).to.deep.equal(NOTHING_LEFT);
      expect((await windowOf(copy))?.end, step).not.to.equal(undefined);
      expect(
        (await readdir(join(copy, 'keys'))).filter((name) => name.includes(next)),
        step,
      ).to.deep.equal([]);
      expect(
        (await readdir(join(copy, 'logs'))).filter((name) => name.includes(next)),
        step,
      ).to.deep.equal([]);
      await stageLog(request({ data: copy, clock }));
      expect((await switchLog(request({ data: copy, clock }))).isNew, step).to.equal(true);
      await rm(copy, { recursive: true });
    }
  });
});
