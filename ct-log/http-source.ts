import { retryAfterSeconds, retryDelay, retrying } from '../core/retry.ts';
import { LogError, LogReadError, messageOf } from './log-error.ts';
import type { LogSource } from './source.ts';

/** What a server may send and take at most: no data tile of this log's entries comes near the first. */
const MAX_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** A log that is read over HTTP; `get` reads any other file under its URL. */
export interface HttpSource extends LogSource {
  get(path: string): Promise<Uint8Array>;
}

/** The log served under `url` (with or without a slash at its end); `accessToken` is shown as a bearer. A server that says
 * "later" (429, 503) is asked again, within {@link RETRY_LIMITS}. Throws {@link LogError} `LOG_STORAGE` when the server
 * cannot be reached or answers anything but 200 and 404. */
export function httpSource(url: string, accessToken?: string): HttpSource {
  const base = url.replace(/\/+$/, '');
  const headers: Record<string, string> =
    accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
  const get = (path: string): Promise<Uint8Array> => download(`${base}/${path}`, headers);
  return {
    name: base,
    get,
    checkpoint: () => get('checkpoint'),
    tile: get,
    issuer: (hex) => get(`issuer/${hex}`),
  };
}

async function download(url: string, headers: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const response = await retrying(() => request(url, headers), delayOf);
  if (response.status === 404) throw new LogReadError('NOT_FOUND', `${url} does not exist`);
  if (response.status === 401) {
    throw new LogError('LOG_STORAGE', `${url} cannot be read: the log wants another access token, or one`, {
      hint: 'Name the file that holds it: --access-token-file FILE.',
    });
  }
  if (response.status !== 200) throw unreachable(url, `the server answered ${response.status}`);
  return readBody(url, response).catch((error: unknown) => {
    throw error instanceof LogError ? error : unreachable(url, error);
  });
}

function request(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(url, { headers, signal }).catch((error: unknown) => {
    throw unreachable(url, error);
  });
}

/** A log that is read by many at once says when to come back. */
function delayOf({ status, headers, body }: Response): number | undefined {
  const delay = retryDelay(status, retryAfterSeconds(headers.get('retry-after'), Date.now()));
  // An answer that is not read keeps its connection.
  if (delay !== undefined) void body?.cancel();
  return delay;
}

async function readBody(url: string, response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new LogError('LOG_STORAGE', `${url} is larger than any tile`);
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
