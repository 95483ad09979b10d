/** `mayfly log migrate`: makes and renews the tables of logs in a database. */
import { join } from 'node:path';
import { loadConfig } from '../../config/load/load.ts';
import { placeName } from '../../storage/postgres.ts';
import { migrate as migrateTables } from '../../tlog/store/postgres-schema.ts';
import { naming } from '../../tlog/store/postgres-session.ts';
import { anchorDatabase } from '../../tlog/store/head-anchor.ts';
import { isSameDatabase, type OutsidePlace } from '../../tlog/store/store-places.ts';
import { CommandError, type Speaker } from '../program/command.ts';

/** Options of the command. */
export interface MigrateOptions {
  readonly data?: string;
  readonly config?: string;
  readonly grant?: string;
}

/** Applies the migrations that are missing. */
export async function migrate({ data, config, grant }: MigrateOptions, speak: Speaker): Promise<undefined> {
  const file = config ?? (data === undefined ? undefined : join(data, 'config.yaml'));
  if (file === undefined)
    throw new CommandError('USAGE', 'say which database: --config FILE or --data DIR', {
      hint: 'mayfly.log.store of that configuration names it.',
    });
  const { commits, anchor } = (await loadConfig(file)).mayfly.log;
  const heads = anchor && anchorDatabase(anchor);
  const place = commits ?? heads;
  if (place === undefined)
    throw new CommandError('USAGE', `${file} names no database`, {
      hint: 'Set mayfly.log.store, or the `at` of mayfly.log.anchor, to postgres://USER@HOST/DATABASE.',
    });
  const first = await migrated(place, grant);
  const second =
    heads === undefined || isSameDatabase(place, heads) ? undefined : await migrated(heads, grant);
  speak.answer(
    { ...first, ...(second === undefined ? {} : { anchor: second }) },
    [first, ...(second === undefined ? [] : [second])].map(line).join('\n'),
  );
  return undefined;
}

interface Migrated {
  readonly database: string;
  readonly version: number;
  readonly applied: number;
}

async function migrated(place: OutsidePlace, grant: string | undefined): Promise<Migrated> {
  const { applied, version } = await naming(place, () => migrateTables(place, grant));
  return { database: placeName(place), version, applied };
}

function line({ database, version, applied }: Migrated): string {
  const done = applied === 0 ? 'nothing to do' : `${applied} migrations applied`;
  return `${database}: ${done}; its tables are of version ${version}`;
}
