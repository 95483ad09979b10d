/** `mayfly log search` over the logs of certificates and artifacts: who signed what, and which certificates were used how often. */
import { toHex } from '../../core/bytes.ts';
import type { Facts } from '../../search/entry-facts.ts';
import type { SearchableEntry } from '../../search/searchable-log.ts';
import { WithheldSignatures } from '../../search/withheld-signatures.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { openArtifactCopy } from './artifact-copy.ts';
import { isFilter, type FilterOptions, type RangeOptions } from './entry-options.ts';
import { factsLine } from './facts-line.ts';
import { hitsByIndex } from './indexed-hits.ts';
import { isHit, logsQueryOf, type LogSearchOptions, type LogsQuery } from './logs-query.ts';
import { isWantedLog, openLogs } from './open-logs.ts';
import { readOn, type FollowedLog } from './watch/followed-log.ts';

/** Options that only a search over several logs has. */
const OWN = [
  'in',
  'any',
  'join',
  'unused',
  'usedMoreThan',
  'byIndex',
  'digest',
  'certificate',
  'certificateSha256',
  'keySha256',
] as const satisfies readonly (keyof LogSearchOptions)[];

/** Whether the options are of such a search, and not of one in the certificate log alone; in a copy of a log of artifacts (`isCopy`) whatever is looked for. Throws CommandError `USAGE` for options of both. */
export function isOverLogs(
  options: LogSearchOptions & RangeOptions & FilterOptions,
  isCopy = false,
): boolean {
  if (OWN.every((name) => options[name] === undefined) && !(isCopy && isFilter(options))) return false;
  const { from, before, oldestFirst, identityRegexp } = options;
  if ([from, before, oldestFirst, identityRegexp].every((option) => option === undefined)) return true;
  throw new CommandError(
    'USAGE',
    '--from, --before, --oldest-first and --identity-regexp are for the certificate log alone',
    { hint: 'Leave them out, or the options for several logs: --in, --join, --digest and the like.' },
  );
}

/** Prints the entries that meet what is asked. Reads every log to its signed head, so that none is left out; with --by-index it asks a service, and proves what that finds. */
export async function searchLogs(options: LogSearchOptions, speak: Speaker): Promise<undefined> {
  const query = await logsQueryOf(options);
  const hits =
    options.byIndex === true ? hitsByIndex(options, query, speak) : hitsInLogs(options, query, speak);
  let [count, unproven, withheld] = [0, 0, 0];
  for await (const facts of hits) {
    if (facts === WITHHELD) {
      withheld++;
      continue;
    }
    count++;
    if (facts['verified'] === false) unproven++;
    if (!(await speak.record(facts, factsLine(facts))) || count === query.limit) break;
  }
  const more = count === query.limit ? '; stopped at the limit' : '';
  const how =
    options.byIndex === true
      ? `proven to be in their logs${unproven === 0 ? '' : `, but for ${unproven}`}; that there are no others is the service's word`
      : `read from the logs ${options.url === undefined ? '' : 'that the service shows, '}up to their heads: there are no others${withheld === 0 ? '' : `, but for ${withheldWords(withheld, query)}`}`;
  speak.note(`${count} ${count === 1 ? 'entry' : 'entries'}${more}, ${how}`);
  return undefined;
}

/** In the place of an entry whose body is withheld: whether it is one that is looked for, nobody knows. */
const WITHHELD = Symbol('withheld');

const withheldWords = (count: number, { join }: LogsQuery): string =>
  `${count === 1 ? '1 redacted entry that may be one' : `${count} redacted entries that may be some`}${join ? ', and uses that are not counted' : ''}`;

const NOTHING = { size: 0, frontier: [] };

async function* hitsInLogs(
  options: LogSearchOptions,
  query: LogsQuery,
  speak: Speaker,
): AsyncGenerator<Facts | typeof WITHHELD> {
  const copy = await openArtifactCopy(options);
  if (copy !== undefined) requireInCopy(copy, query);
  const logs =
    copy === undefined
      ? await openLogs(
          options,
          {
            isWanted: (name) => query.join || query.isWanted(name),
            named: query.join ? [...query.in, 'artifacts'] : query.in,
          },
          speak,
        )
      : [copy];
  try {
    const joins = query.join ? await LogJoins.of(logs) : undefined;
    for (let i = 0; i < (joins?.withheld ?? 0); i++) yield WITHHELD;
    for (const log of logs.filter(({ name }) => query.isWanted(name)))
      for await (const { entries } of readOn(log, NOTHING))
        for (const { view, isRedacted } of entries) {
          if (isRedacted) {
            if (joins === undefined) yield WITHHELD;
            continue;
          }
          if (!isHit(log, view, query)) continue;
          const joined = joins?.of(log, view) ?? {};
          const uses = joined['uses'];
          if (typeof uses === 'number' && !query.isUsedSo(uses, view)) continue;
          yield { log: log.name, origin: log.origin, logId: toHex(log.logId), ...view.facts(), ...joined };
        }
  } finally {
    for (const log of logs) await log.close();
  }
}

/** Throws {@link CommandError} `USAGE` for what one log alone cannot answer. */
function requireInCopy({ name, origin }: FollowedLog, query: LogsQuery): void {
  if (query.join)
    throw new CommandError('USAGE', `a copy of ${origin} has no certificates to join its entries with`, {
      hint: 'Leave out --join, --unused and --used-more-than, or ask the service or its data directory.',
    });
  const other = query.in.find((one) => !isWantedLog(name, [one]));
  if (other === undefined) return;
  throw new CommandError('USAGE', `--in ${other}: there is a copy of ${origin} and no other log`, {
    hint: 'Leave --in out.',
  });
}

/** Entries by a key that are named; all of them are counted. */
const MOST_NAMED = 100;

/** What was signed with a key. One digest is one use, however often it is logged. */
interface KeyUses {
  readonly digests: Set<string>;
  readonly signed: { readonly log: string; readonly index: number; readonly digest: string }[];
}

/** Certificates and signatures, joined by key and serial number: some hundred bytes in memory for each. */
class LogJoins {
  /** Entries that say nothing, of all logs. */
  readonly #withheld: SearchableEntry[] = [];
  #unread = new WithheldSignatures([]);
  readonly #uses = new Map<string, KeyUses>();
  readonly #places = new Map<
    string,
    { readonly log: string; readonly index: number; readonly serial: string }[]
  >();

  static async of(logs: readonly FollowedLog[]): Promise<LogJoins> {
    const joins = new LogJoins();
    for (const log of logs)
      for await (const { entries } of readOn(log, NOTHING))
        for (const { view, isRedacted } of entries)
          if (isRedacted) joins.#withheld.push(view);
          else joins.#note(log, view);
    joins.#unread = new WithheldSignatures(joins.#withheld);
    return joins;
  }

  get withheld(): number {
    return this.#withheld.length;
  }

  of({ kind }: FollowedLog, { owners }: SearchableEntry): Facts {
    if (kind === 'artifacts')
      return {
        certificates: owners().flatMap(({ key, serial }) => this.#places.get(`${key} ${serial}`) ?? []),
      };
    const uses = owners().flatMap(({ key }) => this.#uses.get(key) ?? []);
    return {
      uses: uses.reduce((sum, { digests }) => sum + digests.size, 0),
      usesAreAll: !owners().some((owner) => this.#unread.mayBeOf(owner)),
      signed: uses.flatMap(({ signed }) => signed),
    };
  }

  #note({ kind, name }: FollowedLog, { entry: { index }, owners, digest }: SearchableEntry): void {
    for (const { key, serial } of owners())
      if (kind === 'artifacts') {
        const use = this.#uses.get(key) ?? { digests: new Set(), signed: [] };
        this.#uses.set(key, use);
        const signed = { log: name, index, digest: digest() ?? `${name} ${index}` };
        use.digests.add(signed.digest);
        if (use.signed.length < MOST_NAMED) use.signed.push(signed);
      } else if (serial !== undefined) {
        const place = `${key} ${serial}`;
        this.#places.set(place, [...(this.#places.get(place) ?? []), { log: name, index, serial }]);
      }
  }
}
