/** Commands that change a data directory wait for each other, and one of two at once breaks nothing of the other. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { renew } from '../../../cli/ca/ca-renew.ts';
import { sign } from '../../../cli/ca/ca-sign.ts';
import { rotate } from '../../../cli/log/log-rotate.ts';
import { freeze } from '../../../cli/rekor/rekor-freeze.ts';
import { rotate as rotateArtifacts } from '../../../cli/rekor/rekor-rotate.ts';
import { redact } from '../../../cli/rekor/rekor-redact.ts';
import { init as initArtifactLogs } from '../../../cli/rekor/rekor-init.ts';
import { init as initTimestamps } from '../../../cli/tsa/tsa-init.ts';
import { renew as renewTimestamps } from '../../../cli/tsa/tsa-renew.ts';
import { hintOf } from '../../../core/errors.ts';
import { changing, removeLeftovers } from '../../../instance/change-lock.ts';
import { DataDirectoryError } from '../../../instance/data-directory-error.ts';
import { readLogHistory } from '../../../instance/known-logs.ts';
import { openDataDirectory } from '../../../instance/data-directory.ts';
import { openLogKeys } from '../../../instance/open-key.ts';
import { requireSigners } from '../../../ct-log/log-keys.ts';
import { withFileLock } from '../../../storage/file-lock.ts';
import { failureAs, failureOf } from '../../support/failure.ts';
import { listener, RenewableInstance } from '../../trust/support/renewable-instance.ts';

describe('commands that change a data directory', function () {
  this.timeout(60_000);
  let ca: RenewableInstance;
  beforeEach(async () => {
    ca = await RenewableInstance.make();
    const pems = await readFile(ca.paths.chain, 'utf8');
    await writeFile(ca.path('root.pem'), pems.slice(pems.lastIndexOf('-----BEGIN')));
  });
  afterEach(() => ca.remove());

  const rootKey = (): { rootKey: string } => ({ rootKey: ca.path('root.key.pem') });
  /** What a killed command leaves. */
  async function leaveHalfMade(): Promise<readonly string[]> {
    const { keys, chain, artifacts, logs } = ca.paths;
    const files = [keys, dirname(chain), artifacts].map((place) => join(place, '.x.pem.0123456789ab.tmp'));
    const logsBegun = [join(logs, '.2027-Ab12cd'), join(artifacts, '.v1-2-zZ09aa')];
    await mkdir(artifacts, { recursive: true });
    for (const path of files) await writeFile(path, 'half');
    for (const path of logsBegun) await mkdir(join(path, 'log'), { recursive: true });
    return [...files, ...logsBegun];
  }
  async function stageAuthority(): Promise<void> {
    for (const file of ['request.pem', 'chain.pem']) await rm(ca.path(file), { force: true });
    await renew({ data: ca.data, csr: ca.path('request.pem') }, listener());
    const keys = { root: ca.path('root.pem'), ...rootKey() };
    await sign({ ...keys, out: ca.path('chain.pem') }, listener(), [ca.path('request.pem')]);
    await renew({ data: ca.data, stage: ca.path('chain.pem') }, listener());
  }

  it('begin with the removal of what a killed one left half-made', async () => {
    const left = await leaveHalfMade();
    await changing(ca.data, () => Promise.resolve());
    for (const path of left) expect(existsSync(path), path).to.equal(false);
  });

  it('leave what a start removes, too, unless one is at work', async () => {
    const left = await leaveHalfMade();
    const others = [join(ca.paths.logs, '.2027-removed'), join(ca.paths.logs, '2026')];
    await mkdir(others[0] ?? '');
    await withFileLock(ca.paths.changeLock, 0, () => removeLeftovers(ca.paths));
    for (const path of left) expect(existsSync(path), path).to.equal(true);
    await removeLeftovers(ca.paths);
    for (const path of left) expect(existsSync(path), path).to.equal(false);
    for (const path of others) expect(existsSync(path), path).to.equal(true);
  });

  it('say in words what the system said, and what to do', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, rename'), {
      code: 'ENOSPC',
      syscall: 'rename',
    });
    const error = await failureAs(
      DataDirectoryError,
      changing(ca.data, () => Promise.reject(full)),
    );
    expect([error.code, hintOf(error)]).to.satisfy(
      ([code, hint]: string[]) => code === 'DIRECTORY_UNWRITABLE' && hint?.startsWith('The disk is full'),
    );
    const mistake = new TypeError('a mistake');
    expect(await failureOf(changing(ca.data, () => Promise.reject(mistake)))).to.equal(mistake);
  });

  const commands: readonly [name: string, run: () => Promise<unknown>][] = [
    ['ca renew', () => renew({ data: ca.data, csr: ca.path('other.pem') }, listener())],
    ['tsa init', () => initTimestamps({ data: ca.data, ...rootKey() }, listener())],
    ['tsa renew', () => renewTimestamps({ data: ca.data, stage: true, ...rootKey() }, listener())],
    ['log rotate', () => rotate({ data: ca.data, stage: true }, listener())],
    ['rekor init', () => initArtifactLogs({ data: ca.data }, listener())],
    ['rekor redact', () => redact({ data: ca.data, v1: true, index: ['0'], reason: 'x' }, listener())],
    ['rekor rotate', () => rotateArtifacts({ data: ca.data, v1: true, stage: true }, listener())],
    ['rekor freeze', () => freeze({ data: ca.data, v1: true, confirm: '' }, listener())],
  ];
  for (const [name, run] of commands)
    it(`wait for each other: ${name}`, async () => {
      let isDone = false;
      let work: Promise<unknown> = Promise.resolve();
      await changing(ca.data, async () => {
        work = run()
          .catch(() => undefined)
          .finally(() => (isDone = true));
        await delay(300);
        expect(isDone).to.equal(false);
      });
      await work;
      expect(isDone).to.equal(true);
    });

  it('do not take the keys of a log away that another one makes', async () => {
    for (let round = 0; round < 3; round++) {
      const both = [1, 2].map(() => rotate({ data: ca.data, stage: true }, listener()));
      const results = await Promise.allSettled(both);
      expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled']);
      const { staged } = await readLogHistory(await openDataDirectory(ca.data));
      expect(staged).to.have.length(1);
      for (const { paths, identity } of staged) requireSigners(identity, await openLogKeys(paths, undefined));
      await rotate({ data: ca.data, switch: true }, listener());
    }
  });

  it('keep the chain that was in force, when two switch at once', async () => {
    const former = await readFile(ca.paths.chain, 'utf8');
    await stageAuthority();
    const heard = [listener(), listener()];
    await Promise.all(heard.map((one) => renew({ data: ca.data, switch: true }, one)));
    const firsts = heard.map((one) => one.heard.join('\n').replace(/[:,] .*$/s, ''));
    expect(firsts).to.have.members([
      'In force from the next start of the service',
      'Nothing is staged. In force already',
    ]);
    const kept = await readdir(ca.paths.formerChains);
    expect(kept).to.have.length(1);
    expect(await readFile(`${ca.paths.formerChains}/${kept[0] ?? ''}`, 'utf8')).to.equal(former);
  });
});
