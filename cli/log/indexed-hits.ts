/** What the index of a service finds, each entry read from its log and proven to be there. */
import { rfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import { retryDelay, retrying } from '../../core/retry.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import type { Facts } from '../../search/entry-facts.ts';
import type { SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import { exchange, parseUrl, requireSafeTransport } from '../certificate/http.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { isHit, type LogSearchOptions, type LogsQuery } from './logs-query.ts';
import { openLogs } from './open-logs.ts';
import type { FollowedLog } from './watch/followed-log.ts';

const MAX_ANSWER = 8 * 1024 * 1024;
const JSON_LIMITS = { length: MAX_ANSWER, depth: 16 };

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
  const token = await readSecret(accessTokenFile, 'log access token');
  if (token !== undefined) requireSafeTransport(base, 'the service');
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const ask = async (cursor: string | undefined): Promise<Page> => {
    const target = new URL(
      `${base.href.replace(/(?<!\/)\/+$/, '')}/api/search/v1?${parametersOf(query, cursor)}`,
    );
    const answer = await retrying(
      () => exchange(target, 'the service', { headers, maxBytes: MAX_ANSWER }),
      ({ status, retryAfter }) => retryDelay(status, retryAfter),
    );
    return pageOf(answer.status, answer.text);
  };
  for (let page = await ask(undefined); ; page = await ask(page.next)) {
    // Opened anew for each page: what it finds may be younger than the head of the last.
    const { logs } = await openLogs(options, query.isWanted, speak);
    try {
      for (const hit of page.entries) {
        const facts = await provenFacts(logs, hit, query);
        if (facts !== undefined) yield facts;
      }
    } finally {
      for (const log of logs) await log.close();
    }
    if (page.next === undefined) return;
  }
}

interface Page {
  readonly entries: readonly Readonly<Record<string, JsonValue>>[];
  readonly next: string | undefined;
}

function parametersOf(
  { conditions, match, in: named, since, until, join }: LogsQuery,
  cursor: string | undefined,
): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const { by, value } of conditions)
    parameters.append(PARAMETERS[by] ?? by, by === 'extension' ? `1.${value}` : value);
  for (const log of named.filter((name) => name !== 'artifacts')) parameters.append('log', log);
  if (match === 'any') parameters.set('match', match);
  if (since !== undefined) parameters.set('since', rfc3339(since));
  if (until !== undefined) parameters.set('until', rfc3339(until));
  if (join) parameters.set('join', 'true');
  if (cursor !== undefined) parameters.set('cursor', cursor);
  return parameters;
}

function pageOf(status: number, text: string): Page {
  const { entries, next, message } = recordOf(jsonOf(text));
  if (status !== 200)
    throw new CommandError(
      status >= 500 || status === 429 ? 'UNREACHABLE' : 'FAILED',
      `the service answered ${status}: ${typeof message === 'string' ? message : 'without a reason'}`,
    );
  if (!Array.isArray(entries)) throw strange();
  return {
    entries: (entries as readonly JsonValue[]).map(recordOf),
    next: typeof next === 'string' ? next : undefined,
  };
}

/** Undefined for an entry that is not asked for after all, such as one of a log that is not wanted. */
async function provenFacts(
  logs: readonly FollowedLog[],
  hit: Readonly<Record<string, JsonValue>>,
  query: LogsQuery,
): Promise<Facts | undefined> {
  const { log: name, origin, index, uses, signed, certificates } = hit;
  const log = logs.find((one) => one.origin === origin);
  if (typeof index !== 'number' || typeof origin !== 'string' || typeof name !== 'string') throw strange();
  const joined = query.join ? { uses, signed, certificates } : {};
  // One that the trust does not know, or that another one has followed, is shown as the service has it.
  if (log === undefined) return query.isWanted(name) ? { ...hit, verified: false } : undefined;
  const [entry] = index < log.size ? await log.entriesFrom(index) : [];
  if (entry?.index !== index) throw strange();
  const path = await log.inclusion(index);
  const place = { leafHash: entry.leafHash, index, size: log.size };
  if (path !== undefined && !verifyInclusion(sha256, place, path, log.root))
    throw new CommandError(
      'FAILED',
      `the service finds entry ${index} of ${origin}, and the log does not prove it`,
    );
  // Digests that a statement names stand in no body.
  const byBody = query.conditions.filter(({ by }) => by !== 'digest');
  if (query.match === 'all' && !isHit(log, entry.view, { ...query, conditions: byBody })) throw strange();
  if (typeof uses === 'number' && !query.isUsedSo(uses, entry.view)) return undefined;
  return { log: log.name, origin, ...entry.view.facts(), ...joined, verified: path !== undefined };
}

function jsonOf(text: string): JsonValue {
  try {
    return parseStrictJson(text, JSON_LIMITS);
  } catch (error) {
    if (error instanceof FormatError) throw strange();
    throw error;
  }
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
