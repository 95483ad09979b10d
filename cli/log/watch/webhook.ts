/** Where events are sent to. */
import { setTimeout as delay } from 'node:timers/promises';
import { exchange, parseUrl, requireSafeTransport } from '../../certificate/http.ts';
import { CommandError } from '../../program/command.ts';
import { readAccessToken } from '../../program/input-file.ts';

/** One thing to report. */
export type WatchEvent = Readonly<Record<string, unknown>> & {
  readonly event: string;
  /** The same for the same event however often it is sent. */
  readonly id: string;
};

/** Sends events, and resolves when the receiver has them. */
export type SendEvents = (events: readonly WatchEvent[]) => Promise<void>;

/** Events of one request. */
const MOST_EVENTS = 100;

/** Milliseconds until the next try after each one that failed. */
const DELAYS = [500, 2_000, 5_000, 10_000];
/** Seconds of a `Retry-After` that are waited for. */
const LONGEST_WAIT = 30;

const TIMEOUT_MS = 15_000;

/** Sends to the URL, by HTTPS or to this machine: nobody on the way is to read whom certificates are of. Sends nothing where there is none. Rejects with {@link CommandError} `USAGE`. */
export async function openWebhook(
  url: string | undefined,
  tokenFile: string | undefined,
): Promise<SendEvents> {
  if (url === undefined) {
    if (tokenFile !== undefined)
      throw new CommandError('USAGE', '--webhook-token-file is for --webhook: there is none');
    return () => Promise.resolve();
  }
  const target = parseUrl(url, '--webhook');
  requireSafeTransport(target, 'the webhook');
  const token = await readAccessToken(tokenFile, 'webhook token');
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return async (events) => {
    for (let at = 0; at < events.length; at += MOST_EVENTS)
      await deliver(target, headers, JSON.stringify({ events: events.slice(at, at + MOST_EVENTS) }));
  };
}

/** Rejects with {@link CommandError} `UNREACHABLE` when the receiver did not take it at any of the tries, or refuses it. */
async function deliver(url: URL, headers: Readonly<Record<string, string>>, body: string): Promise<void> {
  for (let tried = 0; ; tried++) {
    const { status, retryAfter } = await attempt(url, headers, body);
    if (status >= 200 && status < 300) return;
    const wait = DELAYS[tried];
    const mayPass = status === 0 || status === 408 || status === 429 || status >= 500;
    if (!mayPass || wait === undefined) throw undelivered(url, status);
    await delay(Math.max(wait, 1000 * Math.min(retryAfter ?? 0, LONGEST_WAIT)));
  }
}

async function attempt(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ readonly status: number; readonly retryAfter?: number | undefined }> {
  try {
    return await exchange(url, 'the webhook', { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (error instanceof CommandError && error.code === 'UNREACHABLE') return { status: 0 };
    throw error;
  }
}

/** The path of a webhook is often a secret: it is not repeated. */
const undelivered = (url: URL, status: number): CommandError =>
  new CommandError(
    'UNREACHABLE',
    `the webhook at ${url.origin} ${status === 0 ? 'does not answer' : `answered ${status}`}: events wait`,
    { hint: 'The resume point stays before them: they are sent again at the next try.' },
  );
