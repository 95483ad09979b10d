/** Asks a log of signatures (Rekor) for an entry, by either of its APIs. */
import { FormatError } from '../../core/errors.ts';
import type { BundleEntry } from '../../bundle/format/bundle-entry.ts';
import type { EntryRequest } from '../../rekor/format/entry-request.ts';
import { parseUrl, retryAfterOf, type HttpRequest, type RawAnswer } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';
import { ANSWER_LIMIT, parseLogAnswer, readLogAnswer } from './log-answer.ts';
import { exchangePatiently, isTheirs } from './patient-exchange.ts';
import { withWords } from '../certificate/service-words.ts';

const LOG = 'the log of signatures';
/** Milliseconds for one answer: a log of the second version answers when a checkpoint covers the entry. */
const TIMEOUT_MS = 30_000;
const TRIES = 3;

const NOTHING_WRITTEN =
  'Nothing was written. The signing config names the log: is it that of these services?';

/** The entry that the log at `url` makes of the request, or has made of it before where v1 says so; nothing of it is verified. Rejects with {@link CommandError}. */
export async function requestEntry(url: string, api: 1 | 2, request: EntryRequest): Promise<BundleEntry> {
  const base = parseUrl(url, 'the URL of the log').href.replace(/(?<!\/)\/+$/, '');
  const entries = new URL(`${base}/api/v${api}/log/entries`);
  const made = await exchangeWithLog(entries, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: request.text,
  });
  const answer = api === 1 && made.status === 409 ? await exchangeWithLog(placeOf(entries, made)) : made;
  if (answer.status !== 200 && answer.status !== 201) throw refusal(entries, answer);
  return entryOf(entries, api, answer, request);
}

/** An answer with any status. What is sent again may have been logged before its answer got lost: then it is the same entry, which has its own status. */
const exchangeWithLog = (url: URL, request: HttpRequest = {}): Promise<RawAnswer> =>
  exchangePatiently(url, LOG, { ...request, timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_LIMIT }, TRIES);

/** Where v1 has the entry that it made before: on the same server, by the id at the end of `Location`. What stands before that is as the server sees itself, which
 * may lie behind a proxy with a path of its own. */
function placeOf(entries: URL, { headers: { location = '' } }: RawAnswer): URL {
  const place = URL.parse(location, entries);
  const [, id] = /\/((?:[\da-f]{16})?[\da-f]{64})$/i.exec(place?.pathname ?? '') ?? [];
  if (id !== undefined && place?.origin === entries.origin) return new URL(`${entries.href}/${id}`);
  throw new CommandError(
    'FAILED',
    `${LOG} at ${entries.origin} took no entry (status 409): it has one of this signature already, and does not say where on the same server`,
    { hint: NOTHING_WRITTEN },
  );
}

function entryOf(entries: URL, api: 1 | 2, { bytes }: RawAnswer, request: EntryRequest): BundleEntry {
  const json = readAs(entries, { unavailable: 'no answer' }, () => parseLogAnswer(api, bytes));
  return readAs(entries, {}, () => readLogAnswer(api, json, request));
}

function readAs<T>(entries: URL, metadata: Readonly<Record<string, string>>, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError(
      'FAILED',
      `${LOG} at ${entries.origin} took no entry: its answer cannot be read: ${error.message}`,
      { hint: NOTHING_WRITTEN, metadata, cause: error },
    );
  }
}

function refusal(entries: URL, { status, headers, bytes }: RawAnswer): CommandError {
  const retryAfter = retryAfterOf(headers);
  const sentence = `${LOG} at ${entries.origin} took no entry (status ${status})`;
  return new CommandError('FAILED', withWords(sentence, bytes), {
    hint: status === 409 ? LOGGED_BEFORE : NOTHING_WRITTEN,
    metadata: {
      ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
      ...(isTheirs(status) ? { unavailable: String(status) } : {}),
    },
  });
}

const LOGGED_BEFORE =
  'Nothing was written. The log took this signature in before, and its API does not return the entry of it again. Sign once more: the new signature gets an entry of its own.';
