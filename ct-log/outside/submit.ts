/** One request to a log of somebody else, and its answer: bounded, and read strictly. */
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { fromBase64, toBase64, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { VERSION } from '../../core/version.ts';

/** Bytes of an answer. An SCT takes some 400. */
const ANSWER_LIMIT = 16 * 1024;

/** Where requests go, and what they say. */
export interface SubmissionTarget {
  /** URL of the log, no slash at the end. */
  readonly url: string;
  /** PEM of the certificates that are trusted for its TLS, in the place of the system's own. */
  readonly tlsRoots?: string | undefined;
  /** What the request says of who sends it (RFC 6454): the URL of the CA. */
  readonly origin?: string | undefined;
}

/** What became of a request. `wasSent`: whether the log may have taken the entry. */
export type SubmissionAnswer =
  | { readonly kind: 'sct'; readonly sct: SctAnswer }
  /** It may help to try again, after so many milliseconds where the log says so. */
  | {
      readonly kind: 'again';
      readonly why: string;
      readonly wasSent: boolean;
      readonly afterMs?: number | undefined;
    }
  /** It will not. */
  | { readonly kind: 'refused'; readonly why: string; readonly wasSent: boolean };

/** RFC 6962 §4.1, decoded. Nothing of it is verified. */
export interface SctAnswer {
  readonly id: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly extensions: Uint8Array;
  /** DigitallySigned. */
  readonly signature: Uint8Array;
}

/** Sends a precertificate with its chain (DER) to `add-pre-chain`, and gives up when `signal` aborts. Never rejects. Follows no redirect. */
export async function submit(
  target: SubmissionTarget,
  chain: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<SubmissionAnswer> {
  let wasSent = false;
  try {
    const body = Buffer.from(JSON.stringify({ chain: chain.map(toBase64) }));
    const answer = await exchange(target, body, signal, () => (wasSent = true));
    return judge(answer);
  } catch (error) {
    if (error instanceof FormatError) return { kind: 'refused', why: error.message, wasSent: true };
    const why = signal.aborted ? 'it did not answer in time' : `it cannot be reached (${codeOf(error)})`;
    return { kind: 'again', why, wasSent };
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Uint8Array;
}

function exchange(
  { url, tlsRoots, origin }: SubmissionTarget,
  body: Buffer,
  signal: AbortSignal,
  sent: () => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      Accept: 'application/json',
      'User-Agent': `mayfly/${VERSION}`,
      ...(origin === undefined ? {} : { Origin: origin }),
    };
    const send = url.startsWith('https:') ? requestHttps : requestHttp;
    const options = { method: 'POST', headers, signal, ...(tlsRoots === undefined ? {} : { ca: tlsRoots }) };
    const request = send(`${url}/ct/v1/add-pre-chain`, options, (response) => {
      read(response).then(resolve, reject);
    });
    request.on('error', reject);
    request.on('socket', (socket) => {
      // Before that nothing of the request left.
      if (socket.connecting) socket.once('connect', sent);
      else sent();
    });
    request.end(body);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_LIMIT) {
      response.destroy();
      throw new FormatError('TOO_LARGE', `it answers with more than ${ANSWER_LIMIT / 1024} KiB`);
    }
    chunks.push(chunk);
  }
  const { statusCode: status = 0, headers } = response;
  return { status, retryAfter: headers['retry-after'], body: Buffer.concat(chunks) };
}

/** Statuses after which Google's client tries again, too. */
const AGAIN: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

function judge({ status, retryAfter, body }: Answer): SubmissionAnswer {
  if (status === 200) return { kind: 'sct', sct: decode(body) };
  const why = `it answers with status ${status}`;
  if (!AGAIN.has(status)) return { kind: 'refused', why, wasSent: true };
  const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  return { kind: 'again', why, wasSent: true, afterMs: seconds === undefined ? undefined : seconds * 1000 };
}

/** Throws FormatError. */
function decode(body: Uint8Array): SctAnswer {
  const value = parseStrictJson(utf8Text(body), { length: ANSWER_LIMIT, depth: 2, parts: 32 });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw noSct();
  const {
    sct_version: version,
    id,
    timestamp,
    extensions,
    signature,
  } = value as Readonly<Record<string, JsonValue>>;
  const areTexts = typeof id === 'string' && typeof extensions === 'string' && typeof signature === 'string';
  if (version !== 0 || !areTexts || typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp))
    throw noSct();
  return {
    id: fromBase64(id),
    timestamp,
    extensions: fromBase64(extensions),
    signature: fromBase64(signature),
  };
}

const noSct = (): FormatError => new FormatError('MALFORMED', 'what it answers is no SCT');
