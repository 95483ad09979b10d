/** What the index of a service finds, each entry read from its log and proven to be there. */
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { RETRY_LIMITS, retryDelay, retrying } from '../../core/retry.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import type { Facts } from '../../search/entry-facts.ts';
import type { SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import { AnsweredOrder, answeredJson } from '../certificate/answered-list.ts';
import {
  endIn,
  exchangeBytes,
  overTime,
  parseUrl,
  requireSafeTransport,
  retryAfterOf,
  type CommandEnd,
} from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readAccessToken } from '../program/input-file.ts';
import { endingSoon, timeoutOf } from './log-target.ts';
import { mayBeHit, type LogSearchOptions, type LogsQuery } from './logs-query.ts';
import { openLogs } from './open-logs.ts';
import { apiOf, type FollowedLog } from './watch/followed-log.ts';

const MAX_ANSWER = 8 * 1024 * 1024;

/** Condition → parameter. */
const PARAMETERS: Readonly<Partial<Record<SearchCondition['by'], string>>> = {
  name: 'identity',
  'name-prefix': 'identity-prefix',
  issuer: 'issuer',
  extension: 'extension',
  serial: 'serial',
  certificate: 'certificate',
  key: 'key',
  digest: 'digest',
};

/** The entries that the service finds. What is printed of one is read from the log, under its signed head; only what it is joined with is the service's word. Rejects with CommandError for an
 * answer that names an entry that is not there or is none of those that were asked for. */
export async function* hitsByIndex(
  options: LogSearchOptions,
  query: LogsQuery,
  speak: Speaker,
): AsyncGenerator<Facts> {
  const { url, accessTokenFile } = options;
  if (url === undefined)
    throw new CommandError('USAGE', '--by-index is for --url: it asks the index of a service', {
      hint: 'A directory is read itself.',
    });
  const base = parseUrl(url, '--url');
  const token = await readAccessToken(accessTokenFile, 'log access token');
  if (token !== undefined) requireSafeTransport(base, 'the service');
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const { end, rest } = timeOf(options);
  const ask = async (cursor: string | undefined): Promise<Page> => {
    const target = new URL(
      `${base.href.replace(/(?<!\/)\/+$/, '')}/api/search/v1?${parametersOf(query, cursor)}`,
    );
    const answer = await retrying(
      () => exchangeBytes(target, 'the service', { headers, maxBytes: MAX_ANSWER, end }),
      ({ status, headers: sent }) => retryDelay(status, retryAfterOf(sent)),
      RETRY_LIMITS,
      end.signal,
    );
    return pageOf(answeredJson({ ...answer, retryAfter: retryAfterOf(answer.headers) }, MAX_ANSWER, strange));
  };
  const order = new AnsweredOrder();
  let isNoted = false;
  for (let page = await ask(undefined); ; page = await ask(page.next)) {
    if (!isNoted && page.unsearched.length > 0) {
      speak.note(`note: the service cannot search ${page.unsearched.join(', ')}`);
    }
    if (!isNoted && page.redacted > 0)
      speak.note(
        `note: ${page.redacted === 1 ? '1 redacted entry is' : `${page.redacted} redacted entries are`} found by nothing`,
      );
    isNoted = true;
    // Opened anew for each page: what it finds may be younger than the head of the last.
    const logs = await openLogs(
      { ...options, timeout: rest() },
      { isWanted: query.isWanted, named: query.in.filter((name) => apiOf(name) !== name) },
      speak,
    );
    try {
      for (const hit of page.entries) {
        if (!order.mayFollow(`${textOf(hit['origin'])} ${textOf(hit['logId'])}`, hit['index']))
          throw strange();
        const facts = await provenFacts(logs, hit, query);
        if (facts !== undefined) yield facts;
      }
    } finally {
      for (const log of logs) await log.close();
    }
    if (page.next === undefined) return;
    order.page(page.entries.length);
  }
}

/** The end of the whole command, and what is left until then for `--timeout` of a part. */
function timeOf(options: LogSearchOptions): { readonly end: CommandEnd; readonly rest: () => string } {
  const seconds = timeoutOf(endingSoon(options)) ?? 0;
  const [end, begin] = [endIn(seconds), performance.now()];
  const rest = (): string => {
    if (end.signal.aborted) throw overTime(end, 'the service');
    return String(Math.max(1, Math.ceil(seconds - (performance.now() - begin) / 1000)));
  };
  return { end, rest };
}

interface Page {
  readonly entries: readonly Readonly<Record<string, JsonValue>>[];
  readonly next: string | undefined;
  /** Former certificate logs that the service cannot read. Services of before do not say. */
  readonly unsearched: readonly string[];
  /** Entries of the logs that are searched, whose bodies are withheld. Services of before do not say. */
  readonly redacted: number;
}

function parametersOf(
  { conditions, match, in: named, since, until, join }: LogsQuery,
  cursor: string | undefined,
): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const { by, value } of conditions)
    parameters.append(PARAMETERS[by] ?? by, by === 'extension' ? `1.${value}` : value);
  // `v1` is every log of that API here, and at the service the first of them, and `certificates` the one in use: what is of others is left out of its answers.
  if (!named.some((name) => /^(?:v\d|certificates)$/.test(name)))
    for (const log of named.filter((name) => name !== 'artifacts')) parameters.append('log', log);
  if (match === 'any') parameters.set('match', match);
  if (since !== undefined) parameters.set('since', rfc3339(since));
  if (until !== undefined) parameters.set('until', rfc3339(until));
  if (join) parameters.set('join', 'true');
  if (cursor !== undefined) parameters.set('cursor', cursor);
  return parameters;
}

function pageOf(json: JsonValue): Page {
  const { entries, next, unsearched = [], searched = [] } = recordOf(json);
  if (!Array.isArray(entries) || !Array.isArray(unsearched) || !Array.isArray(searched)) throw strange();
  return {
    entries: (entries as readonly JsonValue[]).map(recordOf),
    next: next === null || next === undefined ? undefined : textOf(next),
    unsearched: (unsearched as readonly JsonValue[]).map(textOf),
    redacted: (searched as readonly JsonValue[])
      .map((log) => recordOf(log)['redacted'] ?? 0)
      .reduce<number>((sum, count) => sum + countOf(count), 0),
  };
}

/** Undefined for an entry that is not asked for after all, such as one of a log that is not wanted. */
async function provenFacts(
  logs: readonly FollowedLog[],
  hit: Readonly<Record<string, JsonValue>>,
  query: LogsQuery,
): Promise<Facts | undefined> {
  const { log: name, origin, logId, index, uses, usesAreAll, signed, certificates } = hit;
  // Logs for Rekor v2 that follow each other have one origin.
  const log = logs.find((one) => one.origin === origin && toHex(one.logId) === logId);
  if (typeof index !== 'number' || typeof name !== 'string' || typeof logId !== 'string') throw strange();
  if (!query.isWanted(name)) return undefined;
  const joined = query.join ? { uses, usesAreAll, signed, certificates } : {};
  // One that the trust does not know is shown as the service has it.
  if (log === undefined) return { ...hit, verified: false };
  const [entry] = index < log.size ? await log.entriesFrom(index, 1) : [];
  if (entry?.index !== index) throw strange();
  const path = await log.inclusion(index);
  const place = { leafHash: entry.leafHash, index, size: log.size };
  if (path !== undefined && !verifyInclusion(sha256, place, path, log.root))
    throw new CommandError(
      'FAILED',
      `the service finds entry ${index} of ${log.origin}, and the log does not prove it`,
    );
  if (name !== log.name || !mayBeHit(log, entry.view, query)) throw strange();
  if (entry.isRedacted) return undefined;
  if (typeof uses === 'number' && !query.isUsedSo(uses, entry.view)) return undefined;
  return {
    log: name,
    origin: log.origin,
    logId,
    ...entry.view.facts(),
    ...joined,
    verified: path !== undefined,
  };
}

function countOf(value: JsonValue): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw strange();
}

function textOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  throw strange();
}

function recordOf(value: JsonValue): Readonly<Record<string, JsonValue>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, JsonValue>>;
  throw strange();
}

const strange = (): CommandError =>
  new CommandError('FAILED', 'the service answered a search with what was not asked for', {
    hint: 'Is --url the public URL of the service, without a path of its API?',
  });
