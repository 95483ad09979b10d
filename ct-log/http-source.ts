import { messageOf } from '../core/errors.ts';
import { RETRY_LIMITS, retryAfterSeconds, retryDelay, retrying } from '../core/retry.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { mostBytes } from '../tlog/core/log-file.ts';
import { tileOrFull, tooLong, type LogSource } from './source.ts';

/** Milliseconds until one answer must be there. */
const TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 5;

/** A log that is read over HTTP; `get` reads any other file under its URL. */
export interface HttpSource extends LogSource {
  get(path: string): Promise<Uint8Array>;
}

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
 * server that says "later" (429, 503) is asked again, within {@link RETRY_LIMITS}. Throws {@link LogError} `LOG_STORAGE` when the server cannot be reached or answers anything but 200 and 404. */
export function httpSource(
  url: string,
  { accessToken, deadline, send = fetch }: HttpSourceOptions = {},
): HttpSource {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const headers: Record<string, string> =
    accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
  const get = (path: string): Promise<Uint8Array> =>
    download(`${base}/${path}`, { headers, limit: mostBytes(path), deadline, send });
  return {
    name: base,
    get,
    checkpoint: () => get('checkpoint'),
    tile: (path) => tileOrFull(path, get),
    chainCertificate: (hex) => get(`issuer/${hex}`),
  };
}

interface Download {
  readonly headers: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly deadline: AbortSignal | undefined;
  readonly send: typeof fetch;
}

async function download(url: string, { headers, limit, deadline, send }: Download): Promise<Uint8Array> {
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
  // A body that nobody reads would keep its connection, and the program from ending.
  if (response.status !== 200) void response.body?.cancel();
  if (response.status === 404) throw new LogReadError('NOT_FOUND', `${url} does not exist`);
  if (response.status === 401) {
    throw new LogError('LOG_STORAGE', `${url} cannot be read: the log wants another access token, or one`, {
      hint: 'Name the file that holds it: --access-token-file FILE.',
    });
  }
  if (response.status !== 200) throw unreachable(url, `the server answered ${response.status}`);
  return readBody(url, response, limit).catch((error: unknown) => {
    throw failed(error);
  });
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

function unreachable(url: string, error: unknown): LogError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return new LogError('LOG_STORAGE', `${url} cannot be read: ${messageOf(cause)}`, {
    hint: 'Check the URL, and that the server runs and lets you read the log.',
  });
}
