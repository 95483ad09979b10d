/** Where `mayfly rekor search` finds entries: in the logs of a data directory, read from the last entry on, or by the index of a service. */
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { equalBytes, fromBase64, fromHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { openArtifactReads, type ArtifactReads } from '../../rekor/artifact-reads.ts';
import { entryKeys, meets, type SearchCondition } from '../../search/search-keys.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { TILE_WIDTH } from '../../tlog/format/tile.ts';
import { exchangeBytes, retryAfterOf } from '../certificate/http.ts';
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
/** Bytes of one answer, and what its JSON may be. */
const MAX_ANSWER = 2 * 1024 * 1024;
const JSON_LIMITS = { length: MAX_ANSWER, depth: 16 };

/** Entries that a service finds in its log for Rekor v1, the newest first. Nothing of an answer is believed but that these are all: bodies are held to their ids and to what
 * was looked for, as far as they say it. */
export async function* entriesOnServer(
  url: URL,
  token: string | undefined,
  search: EntrySearch,
): AsyncGenerator<FoundArtifact> {
  const service = new SearchedService(url, token);
  for (let before = search.before, left = search.limit; left > 0;) {
    const page = await service.find(search, before, left);
    for (let at = 0; at < page.ids.length; at += MOST_ENTRIES)
      for (const entry of await service.retrieve(page.ids.slice(at, at + MOST_ENTRIES)))
        if (isAskedFor(entry, search)) yield entry;
    // A page may be empty because its time was over. One that does not go on would be asked for again and again.
    if (page.before === undefined || page.before >= (before ?? Infinity)) return;
    before = page.before;
    left -= page.ids.length;
  }
}

/** Subjects of statements stand in no body. */
function isAskedFor({ body }: FoundArtifact, { conditions, match }: EntrySearch): boolean {
  const shown = conditions.filter(({ by }) => by !== 'digest');
  if (match === 'any' && shown.length < conditions.length) return true;
  return shown.length === 0 || meets(entryKeys('artifacts', { body, namedDigests: [] }), shown, match);
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

/** Hits that are asked for at once where all are wanted. */
const PAGE = 500;

class SearchedService {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: URL, token: string | undefined) {
    this.#base = url.href.replace(/\/$/, '');
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
      limit: Number.isFinite(limit) ? limit : PAGE,
    };
    const { json, headers } = await this.#ask('index/retrieve', query);
    const next = Number(headers['x-search-before'] ?? NaN);
    const ids = arrayOf(json).filter(
      (id): id is string => typeof id === 'string' && /^[0-9a-f]{80}$/.test(id),
    );
    return { ids, before: Number.isSafeInteger(next) ? next : undefined };
  }

  async retrieve(entryUUIDs: readonly string[]): Promise<readonly FoundArtifact[]> {
    const { json } = await this.#ask('log/entries/retrieve', { entryUUIDs });
    return arrayOf(json).flatMap((item) =>
      Object.entries(recordOf(item)).map(([id, entry]) => foundOf(id, entry)),
    );
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
    } as const;
    const { status, headers, bytes } = await exchangeBytes(url, 'the service', request);
    const text = new TextDecoder().decode(bytes);
    if (status === 200) return { json: jsonOf(text), headers };
    const { message } = recordOf(jsonOf(text || '{}'));
    const retry = retryAfterOf(headers);
    throw new CommandError(
      'FAILED',
      `the service answered ${status}: ${typeof message === 'string' ? message : 'without a reason'}`,
      {
        hint:
          retry === undefined
            ? 'It serves a log of artifacts for Rekor v1 at that URL, or it does not.'
            : `Try again in ${retry} s.`,
      },
    );
  }
}

function foundOf(id: string, entry: JsonValue): FoundArtifact {
  const { body, logIndex, integratedTime } = recordOf(entry);
  const bytes = reading(() => fromBase64(typeof body === 'string' ? body : '!'));
  const leafHash = hashLeaf(sha256, bytes);
  if (
    !equalBytes(
      leafHash,
      reading(() => fromHex(id.slice(16))),
    )
  )
    throw strange();
  if (typeof logIndex !== 'number' || typeof integratedTime !== 'number') throw strange();
  return { api: 1, logIndex, integratedTime, leafHash, body: bytes };
}

const jsonOf = (text: string): JsonValue => reading(() => parseStrictJson(text, JSON_LIMITS));

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
  new CommandError('FAILED', 'the service answered what is no entry of a log of artifacts', {
    hint: 'Is --url the public URL of the service, without a path of its API?',
  });
