import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { toBase64 } from '../../core/bytes.ts';
import type { PrecertificateEntry } from '../../ct-log/format/leaf.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import { ecdsaSigner, logSigners } from './support/log-keys.ts';
import { Ledger } from './support/ledger.ts';
import { entry, testLog, type TestLog } from './support/test-log.ts';
import { failureOf } from '../support/failure.ts';

/** Every file with the hash of its content. */
function filesIn(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((name) => name.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    files.sort().map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
  );
}

/** How a directory is spoiled, and what a start must say of it. */
interface Spoiling {
  readonly spoil: () => void;
  readonly code: string;
  /** What the message must name, and what it must not. */
  readonly names: RegExp;
  readonly names_not?: RegExp;
  readonly hint?: RegExp;
  /** Keys other than the log's own. */
  readonly signers?: () => TestLog['signers'];
}

/** An entry that fills a third of a page, so that the commit store has pages that the WAL does not have. */
const large = (i: number): PrecertificateEntry => ({
  ...entry(i),
  precertificate: Buffer.alloc(2500, `precertificate ${i} `),
});

describe('ct-log/log: a start that is refused', function () {
  this.timeout(60_000);
  let test: TestLog;
  let ledger: Ledger;
  /** As a kill left it: 520 entries, two full tiles of which the commit store still holds the second, and a WAL. */
  let killed: string;
  /** The commit store when it had 100 entries. */
  let old: string;
  /** The WAL when the log had 400. */
  let oldWal: string;
  /** The commit store after an orderly end. */
  let closed: string;
  let foreign: TestLog;
  let here: string;

  const grow = async (log: CtLog, to: number, width: number): Promise<void> => {
    for (let at = log.status().size; at < to; at += width) {
      const batch = Array.from({ length: Math.min(width, to - at) }, (_, i) => log.append(large(at + i)));
      for (const answer of await Promise.all(batch)) ledger.note(answer);
    }
  };

  before(async () => {
    test = await testLog();
    foreign = await testLog();
    ledger = new Ledger();
    [killed, old, oldWal, here] = ['killed', 'old.db', 'old-wal', 'here'].map((name) =>
      join(test.root, name),
    ) as [string, string, string, string];
    const signers = ledger.watch(test.signers);
    const first = await test.open({ signers });
    await grow(first, 100, 50);
    await first.close();
    cpSync(join(test.directory, 'commit.db'), old);
    const second = await test.open({ signers });
    await grow(second, 300, 50);
    await second.close();
    const third = await test.open({ signers });
    await grow(third, 400, 20);
    cpSync(join(test.directory, 'commit.db-wal'), oldWal);
    await grow(third, 520, 20);
    while (third.status().tileBacklog > 0 || !newestCheckpoint().includes('\n520\n')) await delay(20);
    cpSync(test.directory, killed, { recursive: true });
    await third.close();
    closed = join(test.root, 'closed.db');
    cpSync(join(test.directory, 'commit.db'), closed);
    const other = await foreign.open();
    await other.append(entry(1));
    await other.close();
  });
  after(async () => {
    await test.remove();
    await foreign.remove();
  });
  beforeEach(() => {
    rmSync(here, { recursive: true, force: true });
    cpSync(killed, here, { recursive: true });
  });

  const newestCheckpoint = (): string => readFileSync(join(test.directory, 'checkpoint'), 'utf8');
  const file = (name: string): string => join(here, name);

  const flip = (name: string, at: number, bit = 1): void => {
    const bytes = readFileSync(file(name));
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = (bytes[place] ?? 0) ^ bit;
    rmSync(file(name));
    writeFileSync(file(name), bytes);
  };
  const edit = (change: (fields: Record<string, unknown>) => void): void => {
    const fields = JSON.parse(readFileSync(file('log.json'), 'utf8')) as Record<string, unknown>;
    change(fields);
    writeFileSync(file('log.json'), JSON.stringify(fields));
  };
  /** Where the TBS of the entry `i` of tile 1 begins in its data tile, and behind it the precertificate. */
  const entryLength = (): number => readFileSync(file('tile/data/001')).length / 256;

  const FRAME = 24 + 8192;
  const SPOILED: Record<string, Spoiling> = {
    'a bit of an early WAL frame': {
      spoil: () => {
        flip('commit.db-wal', 32 + 24 + 100);
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db-wal is damaged at byte 32\b/,
      hint: /Do not remove it/,
    },
    'a bit of a WAL frame in the middle': {
      spoil: () => {
        flip('commit.db-wal', 32 + 5 * FRAME + 8);
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db-wal is damaged at byte/,
    },
    'the header of the WAL': {
      spoil: () => {
        flip('commit.db-wal', 17);
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db-wal is damaged at byte 0\b/,
    },
    'the last transaction of the WAL': {
      spoil: () => {
        flip('commit.db-wal', -50);
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db-wal from byte \d+ on cannot be read.*500 entries.*520.*checkpoint/,
      names_not: /put back/,
    },
    'a WAL that was removed': {
      spoil: () => {
        rmSync(file('commit.db-wal'));
      },
      code: 'LOG_ROLLED_BACK',
      names: /commit\.db holds 300 entries.*520/,
      hint: /with the commit\.db-wal that lay beside it/,
    },
    'a WAL of an earlier moment': {
      spoil: () => {
        cpSync(oldWal, file('commit.db-wal'));
      },
      code: 'LOG_ROLLED_BACK',
      names: /commit\.db with commit\.db-wal holds 400 entries.*520/,
    },
    'an old WAL beside the commit.db of an orderly end': {
      spoil: () => {
        cpSync(closed, file('commit.db'));
        cpSync(oldWal, file('commit.db-wal'));
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db-wal is older than commit\.db: with it, the store holds 400 entries.*520/,
      hint: /move this one away/,
    },
    'the commit.db of another log': {
      spoil: () => {
        cpSync(join(foreign.directory, 'commit.db'), file('commit.db'));
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db/,
    },
    'the commit.db of another log, without a WAL': {
      spoil: () => {
        rmSync(file('commit.db-wal'));
        cpSync(join(foreign.directory, 'commit.db'), file('commit.db'));
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db is of the log with the id/,
      hint: /commit\.db was replaced/,
    },
    'an old commit.db beside the newest WAL': {
      spoil: () => {
        cpSync(old, file('commit.db'));
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db (and its -wal do not belong together|with commit\.db-wal: )/,
      hint: /Put back the commit\.db that lay beside this commit\.db-wal/,
    },
    'a commit.db that is no database': {
      spoil: () => {
        writeFileSync(file('commit.db'), 'nothing of the kind'.repeat(1000));
      },
      code: 'LOG_CORRUPT',
      names: /commit\.db/,
    },
    'no commit.db': {
      spoil: () => {
        rmSync(file('commit.db'));
      },
      code: 'LOG_MISSING',
      names: /commit\.db does not exist/,
    },
    'a data tile with a bit wrong that is hashed': {
      spoil: () => {
        flip('tile/data/001', 3 * entryLength() + 20);
      },
      code: 'LOG_CORRUPT',
      names: /tile\/data\/001 is damaged at byte/,
      hint: /Move that file away.*written anew from commit\.db/s,
    },
    'a data tile with a bit wrong that no hash covers': {
      spoil: () => {
        flip('tile/data/001', 4 * entryLength() - 3);
      },
      code: 'LOG_CORRUPT',
      names: /tile\/data\/001 is damaged at byte/,
      names_not: /put back|new log/,
      hint: /Leave commit\.db as it is/,
    },
    'a data tile that was cut off': {
      spoil: () => {
        const bytes = readFileSync(file('tile/data/001'));
        rmSync(file('tile/data/001'));
        writeFileSync(file('tile/data/001'), bytes.subarray(0, 3000));
      },
      code: 'LOG_CORRUPT',
      names: /tile\/data\/001 is damaged at byte/,
    },
    'the hash tile of entries that the commit store holds': {
      spoil: () => {
        flip('tile/0/001', 77);
      },
      code: 'LOG_CORRUPT',
      names: /tile\/0\/001 is damaged at byte 77/,
    },
    'a hash tile at the edge': {
      spoil: () => {
        flip('tile/0/000', 77);
      },
      code: 'LOG_CORRUPT',
      names: /tile\/0\/000 is damaged at byte 77/,
    },
    'no hash tile at the edge': {
      spoil: () => {
        rmSync(file('tile/0/000'));
      },
      code: 'LOG_CORRUPT',
      names: /tile\/0\/000 is missing/,
    },
    'the file of an issuer': {
      spoil: () => {
        flip(join('issuer', readdirSync(file('issuer'))[0] ?? ''), 2);
      },
      code: 'LOG_CORRUPT',
      names: /issuer\/[0-9a-f]{64} is damaged/,
    },
    'a lock.db with something in it': {
      spoil: () => {
        writeFileSync(file('lock.db'), 'something'.repeat(1000));
      },
      code: 'LOG_CORRUPT',
      names: /lock\.db is damaged/,
      names_not: /commit\.db/,
      hint: /delete lock\.db/,
    },
    'no log.json': {
      spoil: () => {
        rmSync(file('log.json'));
      },
      code: 'LOG_MISSING',
      names: /there is no log in/,
    },
    'another origin in log.json': {
      spoil: () => {
        edit((fields) => (fields['origin'] = 'localhost/log/2027'));
      },
      code: 'LOG_CORRUPT',
      names: /log\.json was edited.*"localhost\/log\/2026"/,
    },
    'another kind of SCT in log.json': {
      spoil: () => {
        edit((fields) => (fields['sctExtensions'] = 'none'));
      },
      code: 'LOG_CORRUPT',
      names: /log\.json was edited.*sctExtensions "leaf_index"/,
    },
    'another Ed25519 key in log.json': {
      spoil: () => {
        edit(
          (fields) =>
            (fields['ed25519PublicKey'] = toBase64(logSigners().checkpoint.publicKey.subarray(-32))),
        );
      },
      code: 'LOG_CORRUPT',
      names: /log\.json was edited.*ed25519PublicKey/,
    },
    'another ECDSA key in log.json': {
      spoil: () => {
        edit((fields) => (fields['publicKey'] = toBase64(ecdsaSigner().publicKey)));
      },
      code: 'LOG_CORRUPT',
      names: /log\.json is damaged: logId is not the SHA-256 of publicKey/,
    },
    'the log.json of another log': {
      spoil: () => {
        cpSync(join(foreign.directory, 'log.json'), file('log.json'));
      },
      code: 'LOG_CORRUPT',
      names: /log\.json names the log/,
      hint: /^log\.json was replaced/,
    },
    'keys of another log': {
      spoil: () => undefined,
      code: 'LOG_WRONG_KEY',
      names: /the keys given/,
      signers: logSigners,
    },
    'one key of another log': {
      spoil: () => undefined,
      code: 'LOG_WRONG_KEY',
      names: /the keys given/,
      signers: () => ({ ...test.signers, checkpoint: logSigners().checkpoint }),
    },
  };

  for (const [what, { spoil, code, names, names_not, hint, signers }] of Object.entries(SPOILED)) {
    it(`names the file, changes nothing and signs nothing: ${what}`, async () => {
      spoil();
      const before = filesIn(here);
      const signed = ledger.heads.length;
      const failure: unknown = await failureOf(
        test.open({ directory: here, signers: signers?.() ?? ledger.watch(test.signers) }),
      );
      expect(failure).to.be.instanceOf(LogError);
      const error = failure as LogError;
      expect(error.message).to.match(names);
      expect(error.code).to.equal(code);
      if (names_not !== undefined) expect(error.message).to.not.match(names_not);
      if (hint !== undefined) expect(error.hint).to.match(hint);
      expect(filesIn(here)).to.deep.equal(before);
      expect(ledger.heads).to.have.length(signed);
      // The files that were there put back: nothing of what was acknowledged is lost.
      for (const name of readdirSync(killed)) {
        rmSync(file(name), { recursive: true, force: true });
        cpSync(join(killed, name), file(name), { recursive: true });
      }
      const log = await test.open({ directory: here, signers: ledger.watch(test.signers) });
      expect(log.status().size).to.equal(520);
      await log.close();
      await ledger.expectKept(here);
    });
  }

  it('is cured by what the hint says of a damaged tile', async () => {
    flip('tile/data/001', 100);
    await test.open({ directory: here }).catch(() => undefined);
    rmSync(file('tile/data/001'));
    const log = await test.open({ directory: here, signers: ledger.watch(test.signers) });
    await log.close();
    expect(readFileSync(file('tile/data/001'))).to.deep.equal(readFileSync(join(killed, 'tile/data/001')));
    await ledger.expectKept(here);
  });

  it('forks nothing whatever bit is wrong, and is refused unchanged or opens whole', async () => {
    const names = [
      'commit.db',
      'commit.db-wal',
      'tile/data/000',
      'tile/0/001',
      'checkpoint',
      'log.json',
      'commit.db-shm',
    ];
    for (const [round, name] of Array.from({ length: 5 }, () => names)
      .flat()
      .entries()) {
      rmSync(here, { recursive: true, force: true });
      cpSync(killed, here, { recursive: true });
      if (!existsSync(file(name))) continue;
      const { length } = readFileSync(file(name));
      flip(name, (round * 7919 * 31 + 17) % length, 1 << (round % 8));
      const before = filesIn(here);
      const log = await test
        .open({ directory: here, signers: ledger.watch(test.signers) })
        .catch((error: unknown) => error as LogError);
      if (log instanceof LogError) {
        expect(filesIn(here), `${name}: ${log.message}`).to.deep.equal(before);
        continue;
      }
      expect(log.status().size).to.equal(520);
      await log.close();
      if (!name.startsWith('tile')) await ledger.expectKept(here);
    }
  });
});
