/** Damage that only a log of more than 65,536 entries can have is found: tiles above the lowest, rows of the index of hashes, and the end. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { check } from '../../../cli/log/log-check.ts';
import type { Speaker } from '../../../cli/program/command.ts';
import { parseTileLeaf } from '../../../ct-log/format/leaf.ts';
import { checkArtifactLog } from '../../../rekor/check-artifact-log.ts';
import { freezeLog } from '../../../tlog/freeze.ts';
import { chooseStores } from '../../../tlog/store/choose-stores.ts';
import { logKeys } from '../../../ct-log/log-keys.ts';
import { leafHashGroups } from '../../../tlog/index/hash-group.ts';
import { HashIndex } from '../../../tlog/index/hash-index.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { artifact, rekorLog, type RekorLog } from '../../rekor/support/rekor-log.ts';
import { cut, flip, remove, sql, swap, type DamageKinds } from '../support/damage.ts';
import { listener } from '../../trust/support/renewable-instance.ts';
import { MayflyError } from '../../../core/errors.ts';

const SIZE = 65_536 + 600;

const COMMON: DamageKinds = {
  'a bit of a tile of level 1': [flip('tile/1/000', 32 * 77 + 3), /tile\/1\/000/],
  'a tile of level 1 cut off': [cut('tile/1/000', 4096), /tile\/1\/000/],
  'a tile of level 1 that is gone': [remove('tile/1/000'), /tile\/1\/000/],
  'a tile below a tile of level 1': [swap('tile/0/077', 'tile/0/078'), /tile\/0\/077/],
  'a bit in a row of index.db': [
    sql(
      'index.db',
      `UPDATE leaf SET rows = CAST(substr(rows, 1, 1) || x'ff' || substr(rows, 3) AS BLOB) WHERE bucket = 77`,
    ),
    /index\.db/,
  ],
  'a row of index.db that is gone': [sql('index.db', 'DELETE FROM leaf WHERE bucket = 4000'), /index\.db/],
  "rows of index.db under each other's names": [
    sql('index.db', 'UPDATE leaf SET rows = (SELECT rows FROM leaf WHERE bucket = 6) WHERE bucket = 5'),
    /index\.db/,
  ],
  'how far index.db goes': [sql('index.db', 'UPDATE mark SET covered = covered + 8'), /index\.db/],
  'whose index.db is': [
    sql('index.db', `UPDATE mark SET log_id = CAST(x'00' || substr(log_id, 2) AS BLOB)`),
    /index\.db/,
  ],
  'index.db that is no database': [flip('index.db', 3), /index\.db/],
  'the time at which the log ended': [
    sql('commit.db', `UPDATE meta SET value = CAST('9' || substr(value, 2) AS BLOB) WHERE key = 'frozen'`),
    /commit\.db/,
  ],
};

describe('damage of a large stored log', function () {
  this.timeout(600_000);
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-large-'));
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  async function verdict(
    good: string,
    spoil: (here: string) => void,
    judge: (copy: string) => Promise<string>,
  ): Promise<string> {
    const copy = mkdtempSync(join(root, 'copy-'));
    cpSync(good, copy, { recursive: true });
    spoil(copy);
    const said = await judge(copy).catch((error: unknown) => {
      if (!(error instanceof MayflyError)) throw error;
      return error.message;
    });
    rmSync(copy, { recursive: true, force: true });
    return said.replaceAll(copy, '');
  }

  describe('of certificates', () => {
    let test: IssuingLog;
    before(async () => {
      test = await issuingLog();
      await (await test.issue(1)).log.close();
      const { entries } = await (await chooseStores(test.directory)).commits.read();
      const { entry, precertificate, chainFingerprints } = parseTileLeaf(entries[0] ?? new Uint8Array());
      if (entry.type !== 'precert' || precertificate === undefined) throw new Error('not a precertificate');
      // The same one again and again: nothing of it is judged by what is beside it.
      const { issuerKeyHash, tbs } = entry;
      let log = await test.open();
      for (let size = 1; size < SIZE; size += 512)
        await Promise.all(
          Array.from({ length: Math.min(512, SIZE - size) }, () =>
            log.append({ issuerKeyHash, tbs, precertificate, chainFingerprints }),
          ),
        );
      await log.close();
      // A second run writes what is left of the tiles, and its batch drops their entries from the commit store.
      log = await test.open();
      await log.append({ issuerKeyHash, tbs, precertificate, chainFingerprints });
      await log.close();
      await freezeLog(test.directory, test.identity, logKeys(test.identity), Date.now);
    });
    after(() => test.remove());

    let said = '';
    const speak: Speaker = {
      ...listener(),
      answer: (_, text) => {
        said = text;
      },
    };
    const judge = async (copy: string): Promise<string> =>
      (await check({ data: copy }, speak)) ? 'ok' : said;

    it('is none where nothing is damaged', async () => {
      expect(await verdict(test.directory, () => undefined, judge)).to.equal('ok');
    });
    for (const [kind, [spoil, says]] of Object.entries(COMMON)) {
      // Each check takes long: what is the same for both kinds of log is tried with the other one.
      if (/index\.db|cut off|gone/.test(kind)) continue;
      it(`is found: ${kind}`, async () => {
        expect(await verdict(test.directory, spoil, judge)).to.match(says);
      });
    }
  });

  describe('of artifacts', () => {
    let made: RekorLog;
    before(async () => {
      made = await rekorLog(2);
      const log = await made.open();
      for (let { size } = log.status(); size < SIZE; { size } = log.status())
        await Promise.all(
          Array.from({ length: Math.min(512, SIZE - size) }, (_, i) => log.add(artifact(size + i))),
        );
      const data = { path: join(root, 'artifacts.db'), logId: made.identity.logId };
      const index = new HashIndex(
        data,
        SIZE,
        leafHashGroups((tile) => log.tree.tiles.tile(tile)),
      );
      await index.rebuilt();
      await index.close();
      await log.close();
      const again = await made.open();
      await again.add(artifact(SIZE));
      await again.close();
      cpSync(data.path, join(made.directory, 'index.db'));
    });
    after(() => made.remove());

    const judge = (copy: string): Promise<string> => checkArtifactLog(copy).then(() => 'ok');

    it('is none where nothing is damaged', async () => {
      expect(await verdict(made.directory, () => undefined, judge)).to.equal('ok');
    });
    for (const [kind, [spoil, says]] of Object.entries(COMMON)) {
      if (kind === 'the time at which the log ended') continue;
      it(`is found: ${kind}`, async () => {
        expect(await verdict(made.directory, spoil, judge)).to.match(says);
      });
    }
  });
});
