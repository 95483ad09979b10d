/** `mayfly log repair` killed after some of its changes: the next run does the rest. And what it refuses. */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { repair } from '../../../cli/log/log-repair.ts';
import { check } from '../../../cli/log/log-check.ts';
import type { Speaker } from '../../../cli/program/command.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { failureAs } from '../../support/failure.ts';
import { killLibrary, runKilledAt } from '../../support/kill-at.ts';
import { mayflyWords } from '../../support/mayfly.ts';
import { skipUnless } from '../../support/skipped.ts';
import { listener } from '../../trust/support/renewable-instance.ts';
import { flip, remove, sql } from '../support/damage.ts';

describe('mayfly log repair', function () {
  this.timeout(600_000);
  let root: string;
  let test: IssuingLog;
  let said: string;
  const speak: Speaker = {
    ...listener(),
    answer: (_, text) => {
      said = text;
    },
  };
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-repair-'));
    test = await issuingLog();
    await (await test.issue(512)).log.close();
    await (await test.issue(88)).log.close();
  });
  after(async () => {
    await test.remove();
    rmSync(root, { recursive: true, force: true });
  });

  const ENTRY = `UPDATE entry SET bytes = CAST(substr(bytes, 1, 60) || x'fe' || substr(bytes, 62) AS BLOB) WHERE idx = 530`;
  const spoiled = (): string => {
    const copy = mkdtempSync(join(root, 'copy-'));
    cpSync(test.directory, copy, { recursive: true });
    for (const spoil of [
      flip('tile/0/000', 77),
      remove('tile/data/001'),
      flip('log.json', 40),
      sql('commit.db', ENTRY),
    ])
      spoil(copy);
    return copy;
  };
  const fixed = async (copy: string): Promise<void> => {
    expect(await repair({ data: copy, from: test.directory, write: true }, speak), said).to.equal(true);
    expect(await check({ data: copy }, speak), said).to.equal(true);
  };

  it('says what it would do, and changes nothing without --write', async () => {
    const copy = spoiled();
    expect(await repair({ data: copy, from: test.directory }, speak)).to.equal(false);
    expect(said).to.match(/tile\/0\/000 is damaged at byte 77.*\n {2}can be put right from its entries/);
    expect(said)
      .to.match(/tile\/data\/001 is missing\n {2}can be put right from the copy/)
      .and.include('log.json');
    expect(existsSync(join(copy, 'damaged'))).to.equal(false);
    expect(await check({ data: copy }, speak)).to.equal(false);
    await fixed(copy);
    // What was damaged is kept.
    expect(
      readdirSync(join(copy, 'damaged')).map((name) => name.replace(/\.[0-9a-f]{8}$/, '')),
    ).to.have.members(['log.json', 'tile.0.000']);
  });

  it('is refused while a service writes the log', async () => {
    const log = await test.open();
    flip('tile/0/000', 5)(test.directory);
    try {
      const work = repair({ data: test.directory, write: true }, speak);
      expect((await failureAs(LogError, work)).code).to.equal('LOG_LOCKED');
    } finally {
      flip('tile/0/000', 5)(test.directory);
      await log.close();
    }
  });

  it('derives nothing from an old commit store, nor beside tiles of another history', async () => {
    const copy = mkdtempSync(join(root, 'copy-'));
    cpSync(test.directory, copy, { recursive: true });
    const other = await issuingLog();
    await (await other.issue(300)).log.close();
    // An old store beside newer tiles.
    sql('commit.db', 'DELETE FROM entry WHERE idx >= 520')(copy);
    sql('commit.db', 'UPDATE head SET size = 520')(copy);
    expect((await failureAs(LogError, repair({ data: copy, write: true }, speak))).code).to.equal(
      'LOG_ROLLED_BACK',
    );
    // Files of another log are no copy.
    const spoiledCopy = mkdtempSync(join(root, 'copy-'));
    cpSync(test.directory, spoiledCopy, { recursive: true });
    remove('tile/data/001')(spoiledCopy);
    expect(await repair({ data: spoiledCopy, from: other.directory, write: true }, speak)).to.equal(false);
    expect(said).to.include('nothing here says what it was');
    await other.remove();
  });

  it('goes on where it was killed, after the first and after later ones of its changes', async function () {
    const library = killLibrary(root);
    skipUnless(this, library !== undefined, 'gcc and Linux');
    const words = (copy: string): string[] =>
      mayflyWords(['log', 'repair', '--data', copy, '--from', test.directory, '--write']);
    let kills = 0;
    // The first ones, and others ever farther apart: each is a whole program.
    for (const at of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const copy = spoiled();
      const signal = runKilledAt(library, copy, at, words(copy));
      if (signal === null) break;
      kills++;
      await fixed(copy);
      rmSync(copy, { recursive: true, force: true });
    }
    expect(kills).to.be.above(4);
  });
});
