/** Where `mayfly rekor search` finds entries: in the logs of a data directory, read from the last entry on, or by the index of a service. */
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { equalBytes, fromBase64, fromHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { RETRY_LIMITS, retryDelay, retrying } from '../../core/retry.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { openArtifactReads, type ArtifactReads } from '../../rekor/artifact-reads.ts';
import { entryKeys, mayMeet, meets, type SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { TILE_WIDTH } from '../../tlog/format/tile.ts';
import { AnsweredOrder, answeredJson } from '../certificate/answered-list.ts';
import { exchangeBytes, retryAfterOf, type CommandEnd } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';

/** What is looked for. */
export interface EntrySearch {
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  /** Only entries with a lower index, as clients count. */
  readonly before: number | undefined;
  /** Entries, at most. */
  readonly limit: number;
}

/** An entry that was found. */
export interface FoundArtifact {
  readonly api: 1 | 2;
  /** As clients count. */
  readonly logIndex: number;
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
  /** Seconds since the epoch; undefined in a log of the second API. */
  readonly integratedTime: number | undefined;
}

/** Entries of the logs of a data directory, the newest of each first. The service may run on it. */
export async function* entriesInDirectory(
  data: string,
  apis: readonly (1 | 2)[],
  search: EntrySearch,
): AsyncGenerator<FoundArtifact> {
  const { paths } = await openDataDirectory(data);
  const logs = await artifactLogsIn(paths);
  const newestFirst = apis.flatMap((api) => logs.filter((log) => log.api === api).toReversed());
  for (const { directory } of newestFirst) {
    const log = await openArtifactReads(directory);
    try {
      yield* entriesOf(log, search);
    } finally {
      await log.close();
    }
  }
}

async function* entriesOf(
  { identity, size, entriesFrom }: ArtifactReads,
  { conditions, match, before = Infinity }: EntrySearch,
): AsyncGenerator<FoundArtifact> {
  for (let first = size - 1 - ((size - 1) % TILE_WIDTH); first >= 0; first -= TILE_WIDTH)
    for (const entry of (await entriesFrom(first)).toReversed())
      if (
        entry.redaction === undefined &&
        entry.logIndex < before &&
        meets(entryKeys('artifacts', entry), conditions, match)
      )
        yield { ...entry, api: identity.api };
}

/** Entries of one retrieval. */
const MOST_ENTRIES = 10;
/** Bytes of one answer. */
const MAX_ANSWER = 2 * 1024 * 1024;

/** Entries that a service finds in its log for Rekor v1, the newest first. A body is held to its id and to what was looked for, as far as it says it; the rest is the service's
 * word. Rejects with CommandError for an answer that was not asked for, and where the list or the time has no end. */
export async function* entriesOnServer(
  url: URL,
  token: string | undefined,
  search: EntrySearch,
  end: CommandEnd,
): AsyncGenerator<FoundArtifact> {
  const service = new SearchedService(url, token, end);
  const order = new AnsweredOrder();
  for (let before = search.before, left = search.limit; left > 0;) {
    const page = await service.find(search, before, Math.min(left, PAGE));
    for (let at = 0; at < page.ids.length; at += MOST_ENTRIES)
      for (const entry of await service.retrieve(page.ids.slice(at, at + MOST_ENTRIES))) {
        const { logIndex, body } = entry;
        const isAskedFor =
          order.mayFollow('v1', logIndex) &&
          logIndex < (before ?? Infinity) &&
          mayMeet('artifacts', { body, namedDigests: [] }, search.conditions, search.match);
        if (!isAskedFor) throw strange();
        yield entry;
      }
    if (page.before === undefined) return;
    // A page may be empty because its time was over. One that does not go on would be asked for again and again.
    if (page.before >= (before ?? Infinity)) throw strange();
    order.page(page.ids.length);
    before = page.before;
    left -= page.ids.length;
  }
}

/** Members of a query by what they look for. */
const MEMBERS: Readonly<Partial<Record<SearchCondition['by'], string>>> = {
  digest: 'hash',
  name: 'subject',
  'name-prefix': 'subjectPrefix',
  issuer: 'issuer',
  serial: 'serial',
  certificate: 'certificateHash',
};

/** Hits that are asked for at once. */
const PAGE = 500;

class SearchedService {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #end: CommandEnd;

  constructor(url: URL, token: string | undefined, end: CommandEnd) {
    this.#base = url.href.replace(/\/$/, '');
    this.#end = end;
    this.#headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
  }

  async find(
    { conditions, match }: EntrySearch,
    before: number | undefined,
    limit: number,
  ): Promise<{ readonly ids: readonly string[]; readonly before: number | undefined }> {
    const members = conditions.map(({ by, value }) => [MEMBERS[by] ?? by, value] as const);
    const query = {
      ...Object.fromEntries(members),
      operator: match === 'all' ? 'and' : 'or',
      ...(before === undefined ? {} : { before }),
      limit,
    };
    const { json, headers } = await this.#ask('index/retrieve', query);
    const ids = arrayOf(json).map(idOf);
    if (ids.length > limit) throw strange();
    const next = headers['x-search-before'];
    return { ids, before: next === undefined ? undefined : indexOf(Number(next)) };
  }

  /** In the order of the ids: each entry once, and no other. */
  async retrieve(entryUUIDs: readonly string[]): Promise<readonly FoundArtifact[]> {
    const { json } = await this.#ask('log/entries/retrieve', { entryUUIDs });
    const found = arrayOf(json).flatMap((item) => Object.entries(recordOf(item)));
    const entries = new Map(found);
    if (found.length !== entryUUIDs.length || entries.size !== entryUUIDs.length) throw strange();
    return entryUUIDs.map((id) => foundOf(id, entries.get(id) ?? null));
  }

  async #ask(
    path: string,
    body: unknown,
  ): Promise<{ readonly json: JsonValue; readonly headers: Readonly<Record<string, unknown>> }> {
    const url = new URL(`${this.#base}/api/v1/${path}`);
    const request = {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(body),
      maxBytes: MAX_ANSWER,
      end: this.#end,
    } as const;
    const { status, headers, bytes } = await retrying(
      () => exchangeBytes(url, SERVICE, request),
      (answer) => retryDelay(answer.status, retryAfterOf(answer.headers)),
      RETRY_LIMITS,
      this.#end.signal,
    );
    const answer = { status, bytes, retryAfter: retryAfterOf(headers) };
    return { json: answeredJson(answer, MAX_ANSWER, strange), headers };
  }
}

const SERVICE = 'the service';

/** Seconds up to the last moment of the year 9999. */
const LATEST_TIME = 253_402_300_799;

function foundOf(id: string, entry: JsonValue): FoundArtifact {
  const { body, logIndex, integratedTime } = recordOf(entry);
  const bytes = reading(() => fromBase64(typeof body === 'string' ? body : '!'));
  const leafHash = hashLeaf(sha256, bytes);
  if (!equalBytes(leafHash, fromHex(id.slice(16)))) throw strange();
  const time = indexOf(integratedTime);
  if (time > LATEST_TIME) throw strange();
  return { api: 1, logIndex: indexOf(logIndex), integratedTime: time, leafHash, body: bytes };
}

function idOf(id: JsonValue): string {
  if (typeof id === 'string' && /^[0-9a-f]{80}$/.test(id)) return id;
  throw strange();
}

function indexOf(value: JsonValue | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw strange();
}

function arrayOf(json: JsonValue): readonly JsonValue[] {
  if (Array.isArray(json)) return json as readonly JsonValue[];
  throw strange();
}

function recordOf(json: JsonValue): Readonly<Record<string, JsonValue>> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json))
    return json as Readonly<Record<string, JsonValue>>;
  throw strange();
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) throw strange();
    throw error;
  }
}

const strange = (): CommandError =>
  new CommandError('FAILED', 'the service answered a search with what was not asked for', {
    hint: 'Is --url the public URL of the service, without a path of its API?',
  });
