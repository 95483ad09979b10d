/**
 * Builds that break a promise on purpose: a copy of the built program in which one rule is left out. A campaign that does not
 * catch each of them proves nothing. Nothing in the product can be switched to behave so.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chapter } from './chapter.ts';
import { DATABASE_FAULTS } from './database-faults.ts';
import type { Build } from './deployment.ts';
import { failingSteps } from './failing-steps.ts';
import { failovers } from './failovers.ts';
import { networks } from './networks.ts';
import { outages } from './outages.ts';
import { POWER_CUTS } from './power-cuts.ts';
import { REPLICA_FAULTS } from './replica-faults.ts';
import { TWO_WRITERS } from './two-writers.ts';

/** A change of one file: a text that is there exactly once, whatever the white space in it, and what it becomes. */
export interface Patch {
  /** Below the source tree, without its ending. */
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

/** A build that breaks a promise. */
export interface Saboteur {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** What has to catch it. */
  readonly by: Chapter;
  /** Whether the short form tries it, too. */
  readonly isShort?: true;
}

const YEAR = String(new Date().getUTCFullYear());

const SIGNS_FIRST: Patch = {
  file: 'tlog/sequence/sequencer',
  text: 'const next = await this.#commit(placed, timestamp); if (next === undefined) continue; await this.#sign(placed, next);',
  instead:
    'const commit = this.#commit(placed, timestamp); commit.catch(() => undefined); await this.#sign(placed, this.#attempted); await commit;',
};

/** All of them. */
export const SABOTEURS: readonly Saboteur[] = [
  {
    name: 'commits without syncing (`synchronous=OFF`)',
    patches: [
      { file: 'storage/sqlite', text: 'PRAGMA synchronous = FULL;', instead: 'PRAGMA synchronous = OFF;' },
    ],
    by: POWER_CUTS,
    isShort: true,
  },
  {
    name: 'ignores that the head was moved by another writer',
    patches: [
      {
        file: 'tlog/store/commit-transaction',
        text: 'WHERE size = ? AND root = ? AND timestamp = ?',
        instead: 'WHERE 1 OR size = ? AND root = ? AND timestamp = ?',
      },
      {
        file: 'tlog/store/commit-transaction',
        text: 'INSERT INTO entry',
        instead: 'INSERT OR REPLACE INTO entry',
      },
    ],
    by: TWO_WRITERS,
    isShort: true,
  },
  {
    name: 'signs and answers before the commit',
    patches: [SIGNS_FIRST],
    by: failingSteps({
      // Bytes that were written and not synced may be found again by the next start: here none are.
      of: { call: 'pwrite64', path: `logs/${YEAR}/commit.db-wal$` },
      way: { name: 'EIO, not done', as: 'EIO' },
    }),
    isShort: true,
  },
  {
    name: 'writes full tiles before the commit that covers them',
    patches: [
      {
        file: 'tlog/sequence/sequencer',
        text: 'this.#attempted = next;',
        instead: 'this.#attempted = next; await this.#tiles.write(next.size);',
      },
    ],
    by: failingSteps({
      of: { call: 'rename', path: `logs/${YEAR}/tile/data/` },
      way: { name: 'killed after it', as: 'kill' },
    }),
    isShort: true,
  },
  {
    name: 'names tiles without syncing their bytes',
    patches: [
      {
        file: 'storage/durable-file',
        text: "await naming(path, 'synced', handle.sync());",
        instead: '',
      },
    ],
    by: POWER_CUTS,
  },
  {
    name: 'does not sync the names of tiles',
    patches: [
      {
        file: 'storage/durable-file',
        text: 'await syncDirectory(dirname(path)); }',
        instead: '}',
      },
    ],
    by: POWER_CUTS,
  },
  {
    name: 'takes a clock that goes back',
    patches: [
      {
        file: 'tlog/sequence/head-time',
        text: 'if (last - now > CLOCK_TOLERANCE_MS)',
        instead: 'if (false)',
      },
      { file: 'tlog/sequence/head-time', text: 'if (now > last)', instead: 'if (true)' },
    ],
    by: outages('5 s behind'),
  },
  {
    name: 'does not wait for the database to sync (`synchronous_commit=off`)',
    patches: [
      {
        file: 'storage/postgres',
        text: "client_min_messages: 'warning',",
        instead: "client_min_messages: 'warning', synchronous_commit: 'off',",
      },
      {
        file: 'tlog/store/postgres-session',
        text: "current_setting('synchronous_commit') IN ('on', 'remote_apply')",
        instead: 'true',
      },
      {
        file: 'tlog/store/postgres-session',
        text: "if (!['on', 'remote_apply'].includes(String(row['commits'])))",
        instead: 'if (false)',
      },
    ],
    by: DATABASE_FAULTS,
    isShort: true,
  },
  {
    name: 'takes a standby that commits did not wait for',
    patches: [
      {
        file: 'tlog/store/postgres-server',
        text: 'isSame(known, server) || (known.isSynchronous && isPromoted(known, server))',
        instead: 'isSame(known, server) || isPromoted(known, server)',
      },
    ],
    by: failovers('lacked some'),
    isShort: true,
  },
  {
    name: 'ignores in the database that the head was moved by another replica',
    patches: [
      {
        file: 'tlog/store/postgres-commit-store',
        text: 'AND epoch = $6 AND size = $7 AND root = $8 AND ts = $9 AND ended',
        instead: 'AND (epoch = $6 AND size = $7 AND root = $8 AND ts = $9 OR true) AND ended',
      },
      {
        file: 'tlog/store/postgres-commit-store',
        text: 'FROM cas WHERE $10 > 0)',
        instead:
          'FROM cas WHERE $10 > 0 ON CONFLICT (log_id, first) DO UPDATE SET n = excluded.n, ts = excluded.ts, root = excluded.root, lens = excluded.lens, bytes = excluded.bytes)',
      },
    ],
    by: REPLICA_FAULTS,
    isShort: true,
  },
  {
    name: 'signs and answers before the commit in the database',
    patches: [SIGNS_FIRST],
    by: networks('requests are lost and the connection ends'),
  },
];

/** How often the text of a patch is in this source. Anything but 1 means that the patch is stale. */
export const occurrences = (source: string, { text }: Patch): number =>
  source.split(patternOf(text)).length - 1;

/** The compiler has its own line breaks. */
function patternOf(text: string): RegExp {
  const words = text.split(/\s+/).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(words.join(String.raw`\s+`));
}

/** Makes the build in the folder `target` from the one whose built tree is `dist`; throws for a patch that is stale. */
export function makeSaboteur({ name, patches }: Saboteur, dist: string, target: string): Build {
  const root = join(dist, '..');
  const copy = join(target, 'dist');
  mkdirSync(target, { recursive: true });
  // What a bundle holds is left out, too: it would run as it was.
  const isLeftOut = (path: string): boolean =>
    /^(?:test|bench|abuse|campaign|commands)(?:\/|$)|\.(?:map|cjs)$/.test(path);
  cpSync(dist, copy, {
    recursive: true,
    filter: (path) => !isLeftOut(path.slice(dist.length + 1)),
  });
  cpSync(join(root, 'package.json'), join(target, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'));
  for (const patch of patches) {
    const file = join(copy, `${patch.file}.js`);
    const source = readFileSync(file, 'utf8');
    const count = occurrences(source, patch);
    if (count !== 1) throw new Error(`${name}: "${patch.text}" is ${count} times in ${patch.file}`);
    writeFileSync(
      file,
      source.replace(patternOf(patch.text), () => patch.instead),
    );
  }
  return { name, program: join(copy, 'cli/main.js') };
}
