/** Every kind of damage to what a log stores is found by the check, which names the file. */
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { check as checkRekor } from '../../../cli/rekor/rekor-check.ts';
import { repair as repairRekor } from '../../../cli/rekor/rekor-repair.ts';
import { check } from '../../../cli/log/log-check.ts';
import { repair } from '../../../cli/log/log-repair.ts';
import type { Speaker } from '../../../cli/program/command.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { createArtifactLog } from '../../../rekor/create-artifact-log.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import { redactEntries } from '../../../rekor/redact-entries.ts';
import { openArtifactSearch, openCertificateSearch } from '../../../service/open-searches.ts';
import { MayflyError } from '../../../core/errors.ts';
import { issuingLog, type IssuingLog } from '../../ct-log/support/issuing-log.ts';
import { artifact, rekorKey } from '../../rekor/support/rekor-log.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import {
  asDirectory,
  at,
  cut,
  edit,
  flip,
  longer,
  remove,
  sql,
  swap,
  type DamageKinds,
} from '../support/damage.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

const FLIPPED_ENTRY = `UPDATE entry SET bytes = CAST(substr(bytes, 1, 60) || x'fe' || substr(bytes, 62) AS BLOB) WHERE idx = 530`;

/** What is the same in logs of both kinds; `bundle` is the folder of bundles. */
const common = (bundle: string): DamageKinds => ({
  'a bit of a hash tile': [flip('tile/0/000', 293), /tile\/0\/000 .*at byte 293|tile\/0\/000 at byte 293/],
  'a hash tile cut off': [cut('tile/0/001', 8000), /tile\/0\/001/],
  'a hash tile too long': [longer('tile/0/001'), /tile\/0\/001/],
  'an empty hash tile': [cut('tile/0/000', 0), /tile\/0\/000/],
  'a hash tile that is gone': [remove('tile/0/000'), /tile\/0\/000/],
  'another hash tile': [swap('tile/0/000', 'tile/0/001'), /tile\/0\/000/],
  'a bit of a bundle': [flip(`tile/${bundle}/000`, 60), new RegExp(`tile/${bundle}/000`)],
  'a bit of a length in a bundle': [flip(`tile/${bundle}/000`, 1, 7), new RegExp(`tile/${bundle}/000`)],
  'a bundle cut off': [cut(`tile/${bundle}/001`, 2000), new RegExp(`tile/${bundle}/001`)],
  'a bundle too long': [longer(`tile/${bundle}/001`), new RegExp(`tile/${bundle}/001`)],
  'a bundle that is gone': [remove(`tile/${bundle}/001`), new RegExp(`tile/${bundle}/001`)],
  'another bundle': [swap(`tile/${bundle}/001`, `tile/${bundle}/000`), new RegExp(`tile/${bundle}/001`)],
  'a folder in the place of a bundle': [asDirectory(`tile/${bundle}/000`), new RegExp(`tile/${bundle}/000`)],
  'a bit of the root in the commit store': [
    sql('commit.db', `UPDATE head SET root = CAST(x'01' || substr(root, 2) AS BLOB)`),
    /commit\.db/,
  ],
  'the size in the commit store': [sql('commit.db', 'UPDATE head SET size = size + 1'), /commit\.db/],
  'an entry of the commit store': [sql('commit.db', FLIPPED_ENTRY), /commit\.db|entry 530/],
  'an entry of the commit store that is gone': [
    sql('commit.db', 'DELETE FROM entry WHERE idx = 540'),
    /commit\.db/,
  ],
  'the id of the log in the commit store': [
    sql('commit.db', `UPDATE meta SET value = CAST(x'00' || substr(value, 2) AS BLOB) WHERE key = 'log_id'`),
    /commit\.db/,
  ],
  'the format of the commit store': [
    sql('commit.db', `UPDATE meta SET value = x'05' WHERE key = 'format'`),
    /commit\.db/,
  ],
  'a page of the commit store': [
    (here) => {
      edit(join(here, 'commit.db'), (bytes) => {
        bytes.fill(0x5a, 8192, 8192 + 64);
        return bytes;
      });
    },
    /commit\.db/,
  ],
  'the commit store cut off': [cut('commit.db', 20_000), /commit\.db/],
  'the commit store that is gone': [remove('commit.db'), /commit\.db/],
  'a bit of log.json': [flip('log.json', at('createdAt', 20)), /log\.json/],
  'the name of a field of log.json': [flip('log.json', at('origin', 1)), /log\.json/],
  'a bit of the checkpoint': [flip('checkpoint', at('\n600\n', 2)), /checkpoint/],
  'a bit of a signature': [flip('checkpoint', -8), /checkpoint/],
  'the checkpoint cut off': [cut('checkpoint', 40), /checkpoint/],
  'an empty checkpoint': [cut('checkpoint', 0), /checkpoint/],
  'store.json that says nothing': [
    (here) => {
      writeFileSync(join(here, 'store.json'), '{"version":1,"commits":{"urm":"x"}}\n');
    },
    /store\.json/,
  ],
  'a bit of the record of the clock': [flip('clock.json', at('"wall":', 9)), /clock\.json/],
  'the record of the clock cut off': [cut('clock.json', 10), /clock\.json/],
  'a row of search.db': [sql('search.db', 'UPDATE term SET hash = hash + 1 WHERE place = 7'), /search\.db/],
  'a row of search.db that is gone': [sql('search.db', 'DELETE FROM name WHERE place = 9'), /search\.db/],
  'search.db that is no database': [flip('search.db', 3), /search\.db/],
});

const SIZE = 600;

/** What only the newest commit store is right for: nothing is derived then. */
const STORE = /commit store/;
const STORE_ALL = (kind: string): boolean => STORE.test(kind) && kind !== 'an entry of the commit store';

/** What is derived without a copy. */
const DERIVED = /hash tile|log\.json|checkpoint|signature|clock|index\.db|search\.db/;

/** A clock that a log keeps a record of. */
const steadyClock = { now: () => performance.now(), uptime: () => performance.now(), boot: 'this start' };

describe('damage of a stored log', function () {
  this.timeout(120_000);
  let root: string;
  let said: string;
  const speak: Speaker = {
    ...listener(),
    answer: (_, text) => {
      said = text;
    },
  };
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-damage-'));
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  /** What the command says of a copy with that damage; with exit status 1 and nothing else. */
  async function verdict(
    good: string,
    inside: string,
    spoil: (here: string) => void,
    judge: (copy: string) => Promise<boolean>,
  ): Promise<string> {
    const copy = mkdtempSync(join(root, 'copy-'));
    try {
      cpSync(good, copy, { recursive: true });
      spoil(join(copy, inside));
      said = '';
      const ok = await judge(copy).catch((error: unknown) => {
        // What is wrong with the directory as a whole ends the command.
        if (!(error instanceof MayflyError)) throw error;
        said = error.message;
        return false;
      });
      return ok ? 'ok' : said.replaceAll(copy, '');
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  /** Repairs a copy without a copy of the log and, where that leaves something, with one; holds to what each must bring. */
  async function expectRepair(
    kind: string,
    good: string,
    inside: string,
    spoil: (here: string) => void,
    judge: (copy: string) => Promise<boolean>,
    fix: (copy: string, from?: string) => Promise<boolean>,
  ): Promise<void> {
    const copy = mkdtempSync(join(root, 'copy-'));
    const quiet = (work: Promise<boolean>): Promise<boolean> =>
      work.catch((error: unknown) => {
        if (!(error instanceof MayflyError)) throw error;
        said = error.message;
        return false;
      });
    try {
      cpSync(good, copy, { recursive: true });
      spoil(join(copy, inside));
      const alone = await quiet(fix(copy));
      const saidAlone = said;
      const isWhole = await quiet(judge(copy));
      if (DERIVED.test(kind) && !STORE_ALL(kind)) expect(alone, saidAlone).to.equal(true);
      // What the service makes anew is not there yet.
      if (!/checkpoint|signature/.test(kind)) expect(alone, `${saidAlone}, then: ${said}`).to.equal(isWhole);
      if (isWhole) return;
      const isRight = await quiet(fix(copy, good));
      const saidThen = said;
      expect(await quiet(judge(copy)), `${saidThen}, then: ${said}`).to.equal(isRight);
      said = saidThen;
      if (STORE_ALL(kind) || kind.includes('store.json')) expect(isRight).to.equal(false);
      else expect(isRight, said).to.equal(true);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  describe('of certificates', () => {
    let test: IssuingLog;
    let good: string;
    let earlier: Buffer;
    before(async () => {
      test = await issuingLog();
      await (await test.issue(512)).log.close();
      earlier = readFileSync(join(test.directory, 'checkpoint'));
      const { log } = await test.issue(SIZE - 512, { steadyClock });
      const search = openCertificateSearch(log, test.directory);
      while (search.covered < SIZE) await search.ready();
      await search.close();
      await log.noteUse();
      await log.close();
      good = test.directory;
    });
    after(() => test.remove());

    const judge = (copy: string): Promise<boolean> => check({ data: copy }, speak);

    it('is none where nothing is damaged', async () => {
      expect(await verdict(good, '.', () => undefined, judge)).to.equal('ok');
    });

    it('is none where it was killed before it signed the head of what it had committed', async () => {
      const kill = (here: string): void => {
        writeFileSync(join(here, 'checkpoint'), earlier);
      };
      expect(await verdict(good, '.', kill, judge)).to.equal('ok');
    });

    for (const file of ['search.db', 'index.db'])
      it(`is none where a service ended as it began to make ${file}`, async () => {
        const begin = (here: string): void => {
          for (const suffix of ['', '-wal', '-shm']) rmSync(join(here, `${file}${suffix}`), { force: true });
          new DatabaseSync(join(here, file)).exec('PRAGMA journal_mode = WAL');
        };
        expect(await verdict(good, '.', begin, judge)).to.equal('ok');
      });

    const issuer = (here: string): string => join('issuer', readdirSync(join(here, 'issuer'))[0] ?? '');
    const KINDS: DamageKinds = {
      ...common('data'),
      'the time in the commit store': [
        sql('commit.db', 'UPDATE head SET timestamp = timestamp + 1024'),
        /commit\.db: the time of its head is not that of the signed checkpoint/,
      ],
      'a bit of a chain certificate': [
        (here) => {
          flip(issuer(here), 40)(here);
        },
        /issuer\/[0-9a-f]{64}/,
      ],
      'a chain certificate that is gone': [
        (here) => {
          remove(issuer(here))(here);
        },
        /issuer\/[0-9a-f]{64} ?: is missing|issuer\/[0-9a-f]{64}.*missing/,
      ],
      'a precertificate beside its leaf': [
        flip('tile/data/000', at(Buffer.of(0x30), 900)),
        /tile\/data\/000 at byte \d+/,
      ],
    };
    for (const [kind, [spoil, says]] of Object.entries(KINDS))
      it(`is found: ${kind}`, async () => {
        expect(await verdict(good, '.', spoil, judge)).to.match(says);
      });

    for (const [kind, [spoil]] of Object.entries(KINDS))
      it(`is put right, or left as it is: ${kind}`, async () => {
        await expectRepair(kind, good, '.', spoil, judge, (copy, from) =>
          repair({ data: copy, write: true, ...(from === undefined ? {} : { from }) }, speak),
        );
      });

    it('of what it says of where it was used last is found, harms no repair, and needs no other commit.db', async () => {
      const spoil = sql(
        'commit.db',
        `UPDATE meta SET value = CAST(x'7b' || value AS BLOB) WHERE key = 'location'`,
      );
      const both = (here: string): void => {
        spoil(here);
        remove('tile/0/000')(here);
      };
      expect(await verdict(good, '.', spoil, judge))
        .to.contain('commit.db: what it says of where it was used last is damaged')
        .and.contain('start the service')
        .and.not.contain('Put back');
      expect(await verdict(good, '.', both, judge), 'after all else').to.contain('tile/0/000');
      const fix = (copy: string): Promise<boolean> => repair({ data: copy, write: true }, speak);
      expect(await verdict(good, '.', both, fix)).to.equal('ok');
    });

    it('is found in every bit of the checkpoint', async () => {
      const { verifyCheckpoint, requireEverySignature } = await import('../../../tlog/tree/verify-head.ts');
      const { logKeys } = await import('../../../ct-log/log-keys.ts');
      const keys = logKeys(test.identity);
      const bytes = readFileSync(join(good, 'checkpoint'));
      const missed: number[] = [];
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const other = Buffer.from(bytes);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          requireEverySignature(verifyCheckpoint(other, keys), keys);
          missed.push(bit);
        } catch (error) {
          expect(error).to.be.instanceOf(MayflyError);
        }
      }
      expect(missed).to.deep.equal([]);
    });
  });

  for (const api of [1, 2] as const)
    describe(`of artifacts, for clients of Rekor v${api}`, () => {
      let good: string;
      let earlier: Buffer;
      const inside = `artifacts/v${api}`;
      before(async () => {
        good = join(root, `good-${api}`);
        await makeDataDirectory(good, { config: 'oidc-issuers: {}\n' });
        const { directory } = artifactLogPaths(dataPaths(good), api);
        const signer = localSigner(rekorKey(api));
        const options = { directory, signer, clock: Date.now, steadyClock };
        const identity = await createArtifactLog({
          directory,
          api,
          host: 'ca.example.org',
          signer,
          clock: Date.now,
        });
        let log = await openArtifactLog(options);
        const fill = async (to: number): Promise<void> => {
          const { size } = log.status();
          await Promise.all(Array.from({ length: to - size }, (_, i) => log.add(artifact(size + i))));
        };
        await fill(512);
        await log.close();
        earlier = readFileSync(join(directory, 'checkpoint'));
        log = await openArtifactLog(options);
        await fill(SIZE);
        const [entry] = await log.entriesAt([300]);
        await log.close();
        const leafHash = entry?.leafHash ?? new Uint8Array();
        await redactEntries(directory, identity, [
          { index: 300, leafHash, redactedAt: 1_700_000_000_000, reason: 'a name in it', isAudited: true },
        ]);
        log = await openArtifactLog(options);
        const search = openArtifactSearch(log, directory);
        while (search.covered < SIZE) await search.ready();
        await search.close();
        await log.close();
      });

      const apiOption = api === 1 ? { v1: true } : { v2: true };
      const judge = (copy: string): Promise<boolean> => checkRekor({ data: copy, ...apiOption }, speak);

      it('is none where nothing is damaged', async () => {
        expect(await verdict(good, inside, () => undefined, judge)).to.equal('ok');
      });

      it('is none where it was killed before it signed the head of what it had committed', async () => {
        const kill = (here: string): void => {
          writeFileSync(join(here, 'checkpoint'), earlier);
        };
        expect(await verdict(good, inside, kill, judge)).to.equal('ok');
      });

      const KINDS: DamageKinds = {
        ...common('entries'),
        'a bit of the reason of a redaction': [flip('redacted.json', at('a name', 2)), /redacted\.json/],
        'a bit of the hash of a redaction': [flip('redacted.json', at('leafHash', 14), 1), /redacted\.json/],
        'the redactions cut off': [cut('redacted.json', 30), /redacted\.json/],
        'the redactions that are gone': [remove('redacted.json'), /redacted\.json|tile\/entries\/001/],
      };
      for (const [kind, [spoil, says]] of Object.entries(KINDS)) {
        // Their records name no entries where there are none to be found by.
        if (kind.startsWith('a row of search.db')) continue;
        it(`is found: ${kind}`, async () => {
          expect(await verdict(good, inside, spoil, judge)).to.match(says);
        });
        it(`is put right, or left as it is: ${kind}`, async () => {
          await expectRepair(kind, good, inside, spoil, judge, (copy, from) =>
            repairRekor(
              { data: copy, write: true, ...apiOption, ...(from === undefined ? {} : { from }) },
              speak,
            ),
          );
        });
      }
    });
});
