import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import type { ArtifactLog } from '../../rekor/artifact-log.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import { artifactEntries } from '../../rekor/stored-artifact.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
import type { Signer } from '../../signers/signer.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { fileTileStore } from '../../tlog/store/file-tile-store.ts';
import { sqliteCommitStore } from '../../tlog/store/sqlite-commit-store.ts';
import {
  Fault,
  faultyCommits,
  faultyTiles,
  Outage,
  outageCommits,
  type FaultKind,
} from '../ct-log/support/faults.ts';
import { failureAs } from '../support/failure.ts';
import { killLibrary, runKilledAt } from '../support/kill-at.ts';
import { skipUnless } from '../support/skipped.ts';
import { artifact, expectProven, rekorLog, type RekorLog } from './support/rekor-log.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const program = (name: string): string =>
  fileURLToPath(new URL(`./support/${name}.${extension}`, import.meta.url));

/** The lines of a program, of which at least `count` are waited for before it is killed. */
async function linesOfKilled(words: readonly string[], count: number): Promise<string[]> {
  const child: ChildProcess = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  if (child.stdout === null) throw new Error('there is no output');
  for await (const line of createInterface({ input: child.stdout }))
    if (lines.push(line) === count) child.kill('SIGKILL');
  await exited;
  expect(child.signalCode).to.equal('SIGKILL');
  return lines;
}

async function untilGoesOn(log: ArtifactLog): Promise<void> {
  while (log.refusal() !== undefined) await delay(20);
}

/** Expects that every entry is there once, is what its hash says, and is proven. */
async function expectWhole(test: RekorLog, log: ArtifactLog): Promise<void> {
  const { size } = log.status();
  const hashes = new Set<string>();
  for (let at = 0; at < size;) {
    const entries = await log.entriesFrom(at);
    expect(entries).to.not.deep.equal([]);
    for (const entry of entries) hashes.add(toHex(entry.leafHash));
    at += entries.length;
  }
  expect(hashes.size, 'every entry once').to.equal(size);
  for (const index of [0, Math.floor(size / 2), size - 1]) {
    const entry = await log.entryAt(index);
    if (entry === undefined) throw new Error(`there is no entry ${index}`);
    expectProven(test, { entry, proof: await log.proofOf(index) });
  }
}

for (const api of [1, 2] as const)
  describe(`rekor/artifact-log for API ${api} in trouble`, function () {
    this.timeout(120_000);
    let test: RekorLog;
    beforeEach(async () => {
      test = await rekorLog(api);
    });
    afterEach(() => test.remove());

    it('loses no entry that it acknowledged and logs none twice, however often its process is killed', async () => {
      const keyFile = join(test.root, 'key.pem');
      writeFileSync(keyFile, test.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      const acknowledged = new Map<string, string>();
      for (const [width, count] of [
        ['1', 5],
        ['40', 300],
        ['7', 400],
      ] as const) {
        const lines = await linesOfKilled([program('log-writer'), test.directory, keyFile, width], count);
        for (const line of lines) {
          // The last one may be cut.
          const [index = '', hash = '', time] = line.split(' ');
          if (time === undefined || hash.length !== 64) continue;
          // A twin has the place and the time of the entry that was there before.
          expect(acknowledged.get(hash) ?? `${index} ${time}`).to.equal(`${index} ${time}`);
          acknowledged.set(hash, `${index} ${time}`);
        }
      }
      const log = await test.open();
      for (let i = 0; i < 300; i++) {
        const { entry } = await log.add(artifact(i));
        const known = acknowledged.get(toHex(entry.leafHash));
        if (known !== undefined) expect(`${entry.index} ${entry.integratedTime ?? ''}`).to.equal(known);
      }
      await expectWhole(test, log);
    });

    for (const kind of ['not applied', 'applied but reported failed'] satisfies FaultKind[])
      it(`knows whether an entry is there whose commit failed (${kind})`, async () => {
        const { directory, identity } = test;
        const fault = new Fault(kind, 1);
        const commits = faultyCommits(sqliteCommitStore(directory, identity), { commit: fault });
        const log = await test.open({ stores: { commits } });
        await log.add(artifact(0));
        const failure = await failureAs(LogError, log.add(artifact(1)));
        expect([failure.code, failure.mayBeLogged]).to.deep.equal(['LOG_UNAVAILABLE', true]);
        await untilGoesOn(log);
        const again = await log.add(artifact(1));
        expect([again.entry.index, again.isNew]).to.deep.equal([2, kind === 'not applied']);
        expectProven(test, again);
        expect((await log.add(artifact(2))).entry.index).to.equal(3);
        await expectWhole(test, log);
      });

    it('finds what is there while its disk takes nothing, and goes on when it does again', async () => {
      const { directory, identity } = test;
      const outage = new Outage('no space left on device');
      const commits = outageCommits(sqliteCommitStore(directory, identity), outage);
      const log = await test.open({ stores: { commits } });
      const { entry } = await log.add(artifact(0));
      outage.isOn = true;
      expect((await failureAs(LogError, log.add(artifact(1)))).code).to.equal('LOG_UNAVAILABLE');
      const known = await log.add(artifact(0));
      expect([known.isNew, known.entry]).to.deep.equal([false, entry]);
      expect((await failureAs(LogError, log.add(artifact(1)))).code).to.equal('LOG_UNAVAILABLE');
      outage.isOn = false;
      await untilGoesOn(log);
      expect((await log.add(artifact(1))).isNew).to.equal(true);
      await expectWhole(test, log);
    });

    it('logs an entry once whose signature took too long', async () => {
      const gate: { open: (() => void) | undefined } = { open: undefined };
      let isSlow = false;
      const signer: Signer = {
        ...test.signer,
        sign: async (data) => {
          if (isSlow) await new Promise<void>((resolve) => (gate.open = resolve));
          return test.signer.sign(data);
        },
      };
      const log = await test.open({ signer, limits: { signingTimeoutMs: 50 } });
      isSlow = true;
      const failure = await failureAs(LogError, log.add(artifact(0)));
      expect([failure.code, failure.mayBeLogged]).to.deep.equal(['LOG_UNAVAILABLE', true]);
      isSlow = false;
      gate.open?.();
      await untilGoesOn(log);
      const again = await log.add(artifact(0));
      expect([again.entry.index, again.isNew]).to.deep.equal([1, false]);
      expect(log.status().size).to.equal(2);
    });

    it('writes the tiles that a fault kept it from, as they were stored', async () => {
      const fault = new Fault('not applied', 0);
      const tiles = faultyTiles(fileTileStore(test.directory), /^tile\/entries\//, fault);
      const log = await test.open({ stores: { tiles } });
      const added = await Promise.all(Array.from({ length: 300 }, (_, i) => log.add(artifact(i))));
      await log.close();
      const opened = await test.open();
      await expectWhole(test, opened);
      const bundle = readFileSync(join(test.directory, 'tile/entries/000'));
      const entries = artifactEntries(api);
      const own = entries.parse(bundle, 0);
      expect(entries.parse(bundle, own.next).integratedTime).to.equal(added[0]?.entry.integratedTime);
    });

    it('is there whole or not at all when its maker is killed', async () => {
      const parent = mkdtempSync(join(tmpdir(), 'mayfly-rekor-'));
      try {
        const made = await linesOfKilled([program('log-maker'), parent, String(api)], 3);
        const names = readdirSync(parent).filter((name) => !name.startsWith('.'));
        expect(names).to.include.members(made.filter((name) => /^v\d-\d+$/.test(name)));
        for (const name of names) {
          const identity = await readArtifactLogIdentity(join(parent, name));
          expect(identity.api).to.equal(api);
          expect(readFileSync(join(parent, name, 'checkpoint'), 'utf8').split('\n')[1]).to.equal('1');
        }
      } finally {
        rmSync(parent, { recursive: true });
      }
    });
  });

describe('rekor/redact-entries as a process', function () {
  this.timeout(600_000);
  let test: RekorLog;
  beforeEach(async () => {
    test = await rekorLog(1);
  });
  afterEach(() => test.remove());

  it('is finished by the next start, or was never begun, wherever it was killed', async function () {
    const library = killLibrary(test.root);
    skipUnless(this, library !== undefined, 'there is no gcc, or this is not Linux');
    const log = await test.open();
    await Promise.all(Array.from({ length: 270 }, (_, i) => log.add(artifact(i))));
    await log.close();
    const copy = join(test.root, 'copy');
    const found = new Set<number>();
    for (let at = 1, killed: string | null = 'SIGKILL'; killed !== null; at++) {
      rmSync(copy, { recursive: true, force: true });
      cpSync(test.directory, copy, { recursive: true });
      killed = runKilledAt(library, copy, at, [program('log-redactor'), copy, '5', '265']);
      const opened = await test.open({ directory: copy });
      expect(opened.status().size, `after change ${at}`).to.equal(271);
      await opened.close();
      found.add((await checkArtifactLog(copy)).redacted);
    }
    expect([...found]).to.deep.equal([0, 2]);
  });
});
