import { FormatError, messageOf } from '../core/errors.ts';
import { RETRY_LIMITS, retryAfterSeconds, retryDelay, retrying } from '../core/retry.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { mostBytes } from '../tlog/core/log-file.ts';
import { parseCheckpoint } from '../tlog/format/checkpoint.ts';
import { tileOrFull, tooLong, type LogSource } from './source.ts';

/** Milliseconds until one answer must be there. */
const TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 5;

/** A log that is read over HTTP; `get` reads any other file under its URL. */
export interface HttpSource extends LogSource {
  get(path: string): Promise<Uint8Array>;
  /** The same of an entry of Rekor v1, of which a service that withholds it says so (410), beside what it does not withhold. */
  getEntry(path: string): Promise<{ readonly isWithheld: boolean; readonly bytes: Uint8Array }>;
}

const OK = 200;
const GONE = 410;

/** How a log is read. */
interface HttpSourceOptions {
  /** Shown as a bearer. */
  readonly accessToken?: string | undefined;
  /** What requests are sent with: a `fetch` that takes its own way, perhaps through a proxy. */
  readonly send?: typeof fetch | undefined;
  /** Ends all reading. */
  readonly deadline?: AbortSignal | undefined;
}

/** The log served under `url` (with or without a slash at its end). Redirects are followed within its origin only; a
 * server that says "later" (429, 503) is asked again, within {@link RETRY_LIMITS}. Throws {@link LogError} `LOG_STORAGE` when the server cannot be reached or answers anything but 200 and 404, and for an answer that is not of
 * the form of what was asked for: somebody on the way may have given it, and it says nothing of the log. */
export function httpSource(
  url: string,
  { accessToken, deadline, send = fetch }: HttpSourceOptions = {},
): HttpSource {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const headers: Record<string, string> =
    accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
  const ask = async (path: string, taken: readonly number[]): Promise<Answer> => {
    const url = `${base}/${path}`;
    const answer = await download(url, { headers, limit: mostBytes(path), deadline, send, taken });
    requireForm(url, path, answer.bytes);
    return answer;
  };
  const get = async (path: string): Promise<Uint8Array> => (await ask(path, [OK])).bytes;
  return {
    name: base,
    get,
    getEntry: async (path) => {
      const { status, bytes } = await ask(path, [OK, GONE]);
      return { isWithheld: status === GONE, bytes };
    },
    checkpoint: () => get('checkpoint'),
    witnessedCheckpoint: () => get('witnessed-checkpoint'),
    tile: (path) => tileOrFull(path, get),
    chainCertificate: (hex) => get(`issuer/${hex}`),
  };
}

interface Download {
  readonly headers: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly deadline: AbortSignal | undefined;
  readonly send: typeof fetch;
  /** Statuses of what is read; any other is a fault. */
  readonly taken: readonly number[];
}

interface Answer {
  readonly status: number;
  readonly bytes: Uint8Array;
}

async function download(url: string, { headers, limit, deadline, send, taken }: Download): Promise<Answer> {
  const request = (): Promise<Response> => {
    const own = AbortSignal.timeout(TIMEOUT_MS);
    const signal = deadline === undefined ? own : AbortSignal.any([own, deadline]);
    return fetchWithin(send, url, { headers, signal });
  };
  const failed = (error: unknown): LogError => {
    if (error instanceof LogError) return error;
    return deadline?.aborted === true ? tooLong(url) : unreachable(url, error);
  };
  const response = await retrying(request, delayOf, RETRY_LIMITS, deadline).catch((error: unknown) => {
    throw failed(error);
  });
  const { status } = response;
  // A body that nobody reads would keep its connection, and the program from ending.
  if (!taken.includes(status)) void response.body?.cancel();
  if (status === 404) throw new LogReadError('NOT_FOUND', `${url} does not exist`);
  if (status === 401) {
    throw new LogError('LOG_STORAGE', `${url} cannot be read: the log wants another access token, or one`, {
      hint: 'Name the file that holds it: --access-token-file FILE.',
    });
  }
  if (!taken.includes(status)) throw unreachable(url, `the server answered ${status}`, String(status));
  const bytes = await readBody(url, response, limit).catch((error: unknown) => {
    throw failed(error);
  });
  return { status, bytes };
}

/** Follows redirects, a few, and only to where the log was said to be: nobody else is asked, or shown a token. */
async function fetchWithin(send: typeof fetch, url: string, init: RequestInit): Promise<Response> {
  let at = new URL(url);
  for (let left = MAX_REDIRECTS; ; left--) {
    const response = await send(at, { ...init, redirect: 'manual' });
    const location =
      response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null) return response;
    await response.body?.cancel();
    const next = URL.parse(location, at.href);
    if (next?.origin !== at.origin || left === 0) throw redirected(url, next);
    at = next;
  }
}

const redirected = (url: string, to: URL | null): LogError =>
  new LogError('LOG_STORAGE', `${url} cannot be read: it redirects to ${to?.origin ?? 'no address'}`, {
    hint: 'Redirects are followed within one scheme, host and port, and not for ever. Give the address that it leads to.',
  });

/** A log that is read by many at once says when to come back. */
function delayOf({ status, headers, body }: Response): number | undefined {
  const delay = retryDelay(status, retryAfterSeconds(headers.get('retry-after'), Date.now()));
  // An answer that is not read keeps its connection.
  if (delay !== undefined) void body?.cancel();
  return delay;
}

async function readBody(url: string, response: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit) throw new LogError('LOG_STORAGE', `${url} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What lies at a path, and whether bytes have the form of it. A tile that is cut or changed is of the log's own, and judged by who reads it. */
const FORMS: readonly (readonly [at: RegExp, what: string, isOne: (bytes: Uint8Array) => boolean])[] = [
  [/(?:^|\/)(?:witnessed-)?checkpoint$/, 'a checkpoint', isCheckpoint],
  [/(?:^|\/)tile\/entries\//, 'a tile', (bytes) => !isText(bytes) || isEntryBundle(bytes)],
  [/(?:^|\/)tile\//, 'a tile', (bytes) => !isText(bytes)],
  [/^issuer\//, 'a certificate', (bytes) => !isText(bytes)],
  [/^/, 'JSON', isJson],
];

/** Throws for a page, such as that of a proxy, in the place of what should lie at `path`. */
function requireForm(url: string, path: string, bytes: Uint8Array): void {
  const [, what = '', isOne] = FORMS.find(([at]) => at.test(path)) ?? [];
  if (isOne === undefined || isOne(bytes)) return;
  throw new LogError('LOG_STORAGE', `${url} cannot be read: ${what} should be there, and ${cameAs(bytes)}`, {
    hint: 'A proxy, a gateway or a login page may have answered in the place of the log, of which this says nothing. Open the address in a browser, or ask from another network.',
  });
}

function isCheckpoint(bytes: Uint8Array): boolean {
  try {
    parseCheckpoint(bytes);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Enough to know text by. */
const BEGINNING = 4096;

/** Whether the bytes begin as text, or are none at all. No tile of hashes or certificates does: the times of entries begin with a zero, and hashes are of any bytes. */
function isText(bytes: Uint8Array): boolean {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    return !/[^\P{Cc}\t\n\r]/u.test(decoder.decode(bytes.subarray(0, BEGINNING), { stream: true }));
  } catch {
    return false;
  }
}

/** Whether the bytes are entries with their lengths before them (c2sp.org/tlog-tiles, "Log Entries"), which may be text throughout. */
function isEntryBundle(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + 2 <= bytes.length) at += 2 + view.getUint16(at);
  return at === bytes.length && at > 0;
}

function cameAs(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'nothing came';
  if (/^\s*<(?:!doctype|html|head|body|\?xml)/i.test(Buffer.from(bytes.subarray(0, 256)).toString('latin1')))
    return `a page of ${bytes.length} bytes came`;
  return `${bytes.length} other bytes came`;
}

function unreachable(url: string, error: unknown, status?: string): LogError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return new LogError('LOG_STORAGE', `${url} cannot be read: ${messageOf(cause)}`, {
    ...(status === undefined ? {} : { metadata: { status } }),
    hint: 'Check the URL, and that the server runs and lets you read the log.',
  });
}
