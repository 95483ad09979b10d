/** `mayfly audit`: the lines of the audit that services share in a database. */
import { join } from 'node:path';
import { loadConfig } from '../../config/load/load.ts';
import { parseRfc3339, rfc3339 } from '../../core/clock.ts';
import { placeName } from '../../storage/postgres.ts';
import { checkLines, readLines, type CheckedChain } from '../../tlog/store/shared-lines.ts';
import type { OutsidePlace } from '../../tlog/store/store-places.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';

const EXAMPLES = `
Examples:
  mayfly audit export --data /var/lib/mayfly --since 2026-11-01T00:00:00Z > november.jsonl
  mayfly audit export --data /var/lib/mayfly | mayfly log show --data /var/lib/mayfly --certificate-sha256 HEX --audit -
  mayfly audit check --data /var/lib/mayfly

Of an audit that goes into the database (mayfly.audit.database). One in a file is read as it is.`;

/** Which database. */
interface AuditPlaceOptions {
  readonly data?: string;
  readonly config?: string;
}

interface ExportOptions extends AuditPlaceOptions {
  readonly since?: string;
}

async function placeOf({ data, config }: AuditPlaceOptions): Promise<OutsidePlace> {
  const file = config ?? (data === undefined ? undefined : join(data, 'config.yaml'));
  if (file === undefined) throw new CommandError('USAGE', 'say which database: --config FILE or --data DIR');
  const place = (await loadConfig(file)).mayfly.log.commits;
  if (place !== undefined) return place;
  throw new CommandError('USAGE', `${file} names no database`, {
    hint: 'mayfly.log.store names it. An audit in a file is read as it is.',
  });
}

/** Prints the lines, in the order in which the database began to take them. */
async function exportLines(options: ExportOptions, speak: Speaker): Promise<undefined> {
  const { since } = options;
  const from = since === undefined ? undefined : parseRfc3339(since);
  if (since !== undefined && from === undefined)
    throw new CommandError('USAGE', '--since is to be a time such as 2026-11-01T00:00:00Z');
  for await (const { writer, number, at, lines } of readLines(await placeOf(options), { since: from }))
    for (const line of lines)
      if (!(await speak.record({ writer, row: number, takenAt: rfc3339(at), line }, line))) return undefined;
  return undefined;
}

/** Holds each chain to itself; resolves to whether all are right. */
async function check(options: AuditPlaceOptions, speak: Speaker): Promise<boolean> {
  const place = await placeOf(options);
  const chains = await checkLines(place);
  const ok = chains.every(({ faults }) => faults.length === 0);
  speak.answer(
    { ok, database: placeName(place), chains },
    chains.length === 0 ? `${placeName(place)} has no lines` : chains.flatMap(linesOf).join('\n'),
  );
  return ok;
}

const linesOf = ({ writer, first, last, lines, hash, faults }: CheckedChain): string[] => [
  `${faults.length === 0 ? 'ok' : 'WRONG'}: ${writer}: rows ${first} to ${last} with ${lines} lines; the last has the hash ${hash}`,
  ...faults.map((fault) => `  ${fault}`),
];

/** Adds `audit`. */
export const register: RegisterCommand = (program) => {
  const audit = program
    .command('audit')
    .summary('print and check the audit that services share in a database')
    .description('The record of every decision, where mayfly.audit.database is set.')
    .addHelpText('after', EXAMPLES);
  audit
    .command('export')
    .summary('print its lines')
    .description('Prints the lines of all services, one JSON object each, in one order. Services may run.')
    .option('--data <dir>', 'the data directory')
    .option('--config <file>', "a configuration (default: the directory's config.yaml)")
    .option('--since <time>', 'only what the database took at that time or later (RFC 3339)')
    .option('--json', 'print each as {"writer":…,"row":…,"takenAt":…,"line":"…"}')
    .addHelpText('after', EXAMPLES)
    .action(action(exportLines));
  audit
    .command('check')
    .summary('find rows that were changed, or are missing')
    .description(
      'Reads all rows and holds each to the one before it in the chain of its service. Exits with 1 where one was changed, or one in the middle is missing. The last hash of each chain, kept elsewhere, shows later whether its end is missing.',
    )
    .option('--data <dir>', 'the data directory')
    .option('--config <file>', "a configuration (default: the directory's config.yaml)")
    .option('--json', 'print {"ok":…,"chains":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(check));
};
