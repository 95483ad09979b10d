/** `mayfly log list` and `search`: whom certificates were issued to. */
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import { Tally } from '../../core/tally.ts';
import { ProvenEntries } from '../../ct-log/proven-entries.ts';
import { searchEntries, type FoundEntry } from '../../ct-log/entry-search.ts';
import { certificateFacts } from '../../search/entry-facts.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { isTerminal } from '../program/standard-streams.ts';
import {
  isFilter,
  limitOf,
  queryOf,
  rangeOf,
  type FilterOptions,
  type RangeOptions,
} from './entry-options.ts';
import { headOf, type SeenHead } from './log-head.ts';
import { openTarget, type LogTarget, type TargetOptions } from './log-target.ts';
import { formerLogNames } from './watch/certificate-log.ts';

/** Lists the newest entries, or those of a time. */
export async function list(
  options: TargetOptions & RangeOptions & FilterOptions,
  speak: Speaker,
): Promise<undefined> {
  const query = queryOf(options, Date.now());
  const [range, limit] = [rangeOf(options), limitOf(options)];
  const log = await openTarget(options, speak);
  const head = await headOf(log);
  const report = new EntryReport(head, options, speak);
  const progress = progressTo(speak, head.size);
  for await (const entry of searchEntries(log.source, head, query, { ...range, progress })) {
    if (!(await report.add(entry)) || report.count === limit) break;
  }
  report.end(limit);
  if (report.count !== limit && range.from === undefined) await noteFormer(log, head, options, speak);
  return undefined;
}

/** Says which former logs may have more, where what was asked for reaches back to before the log that was read: who looks for the certificates of a day has to look there, too. */
async function noteFormer(
  { source }: LogTarget,
  head: SeenHead,
  options: TargetOptions & RangeOptions,
  speak: Speaker,
): Promise<void> {
  const names = await formerLogNames(options);
  if (names.length === 0) return;
  const { since = 0 } = queryOf(options, Date.now());
  const [first] = head.size === 0 ? [] : await new ProvenEntries(source, head).tile(0);
  if (first !== undefined && first.timestamp < since) return;
  speak.note(
    `warning: what was logged before is in ${names.length === 1 ? 'the former log' : 'the former logs'} ${names.join(', ')}, and not in this answer: --log NAME reads one of them, \`mayfly log search --in certificates\` all`,
  );
}

/** Lists the entries that match. */
export async function search(
  options: TargetOptions & RangeOptions & FilterOptions,
  speak: Speaker,
): Promise<undefined> {
  if (isFilter(options)) return list(options, speak);
  throw new CommandError(
    'USAGE',
    'say what to look for: --identity, --issuer, --serial or --extension; or --digest, --in and the like',
    {
      hint: '`mayfly log list` shows all entries, or those of a time; `mayfly log show` finds the entry of a certificate.',
    },
  );
}

/** A line now and then, for a person who waits; nothing in a pipe. */
function progressTo(speak: Speaker, size: number): ((entries: number) => void) | undefined {
  if (!isTerminal(2)) return undefined;
  let noted = Date.now();
  return (entries) => {
    if (Date.now() - noted < 2000) return;
    noted = Date.now();
    speak.note(`looked at ${entries} of ${size} entries`);
  };
}

/** Prints entries as they are found, so that memory does not grow with their number. */
class EntryReport {
  count = 0;
  readonly #head: SeenHead;
  readonly #oldestFirst: boolean;
  readonly #speak: Speaker;
  readonly #line: (cells: Cells) => string;
  #unreadable = 0;
  /** Name of a CA → how many of the entries it issued. */
  readonly #authorities = new Tally<string>();
  #last = 0;

  constructor(head: SeenHead, { oldestFirst }: RangeOptions, speak: Speaker) {
    this.#head = head;
    this.#oldestFirst = oldestFirst === true;
    this.#speak = speak;
    this.#line = tableOf(head.size);
  }

  /** False when nobody reads on. */
  async add(entry: FoundEntry): Promise<boolean> {
    const line = this.#line(cellsOf(entry));
    if (this.count === 0 && !this.#speak.json) await this.#speak.record({}, this.#line(HEADINGS));
    this.count++;
    this.#last = entry.index;
    if ('unreadable' in entry) this.#unreadable++;
    else this.#count(entry.authority);
    return this.#speak.record(certificateFacts(entry), line);
  }

  /** Says how many there were, and how to go on where the limit ended it. */
  end(limit: number): void {
    const { origin, size } = this.#head;
    if (this.#unreadable > 0)
      this.#speak.note(`warning: ${this.#unreadable} of these are no certificates that can be read`);
    if ([...this.#authorities].length > 1) this.#speak.note(this.#ofSeveral());
    const order = this.#oldestFirst ? 'oldest first' : 'newest first';
    const option = this.#oldestFirst ? `--from ${this.#last + 1}` : `--before ${this.#last}`;
    const more = this.count === limit ? `; stopped at the limit, go on with ${option}` : '';
    this.#speak.note(`${this.count} of the ${size} entries of ${origin}, ${order}${more}`);
  }

  /** Memory does not grow with CAs either: those beyond the first few are one. */
  #count(authority: string): void {
    const isKnown = this.#authorities.of(authority) > 0 || [...this.#authorities].length < MAX_AUTHORITIES;
    this.#authorities.add(isKnown ? authority : 'others', 1);
  }

  /** Who reads a list for one CA is to know that it has the certificates of others. */
  #ofSeveral(): string {
    const shares = [...this.#authorities].map(([name, count]) => `${count} of "${printable(name)}"`);
    return `of several CAs: ${shares.join(', ')}; --json and \`mayfly log show\` name the CA of each`;
  }
}

const MAX_AUTHORITIES = 16;

type Cells = readonly [index: string, time: string, serial: string, issuer: string, identity: string];

const HEADINGS: Cells = ['INDEX', 'TIME', 'SERIAL', 'ISSUER', 'IDENTITY'];
const TIME_WIDTH = 20;
const SERIAL_WIDTH = 40;
/** Beyond the issuers that people know; a longer one moves its own line alone. */
const MAX_ISSUER_WIDTH = 60;

function cellsOf(entry: FoundEntry): Cells {
  const [index, time] = [String(entry.index), rfc3339(entry.timestamp)];
  if ('unreadable' in entry) return [index, time, '-', '-', `(cannot be read: ${entry.unreadable})`];
  return [index, time, entry.serial, listed(entry.issuers), listed(entry.names)];
}

/** All of them: of a certificate with several, a verifier may take any. */
const listed = (texts: readonly string[]): string => (texts.length === 0 ? '-' : texts.join(', '));

/** Makes the lines of a table whose rows are not known yet: the column of issuers widens as they come. */
function tableOf(size: number): (cells: Cells) => string {
  const indexWidth = Math.max('INDEX'.length, String(size).length);
  let issuerWidth = 0;
  return (cells) => {
    const [index, time, serial, issuer, identity] = cells.map(printable) as unknown as Cells;
    issuerWidth = Math.min(MAX_ISSUER_WIDTH, Math.max(issuerWidth, issuer.length));
    const columns = [time.padEnd(TIME_WIDTH), serial.padEnd(SERIAL_WIDTH), issuer.padEnd(issuerWidth)];
    return [index.padEnd(indexWidth), ...columns, identity].join('  ');
  };
}
