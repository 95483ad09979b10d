/** How a command talks to a service: bounded in time and size, never redirected, and secrets only where they are safe. */
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { CommandError } from '../program/command.ts';
import { isLoopbackHostname } from '../../core/loopback.ts';
import { printable } from '../../core/printable.ts';
import { retryAfterSeconds } from '../../core/retry.ts';
import { USER_AGENT } from '../../core/version.ts';

// Node gives up one of several addresses of a host after 250 ms, so that one that is only slow counts as dead. `fetch` takes
// no such setting of its own.
setDefaultAutoSelectFamilyAttemptTimeout(2_000);

/** A request. */
export interface HttpRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds until the whole answer must be there; default 30 000. */
  readonly timeoutMs?: number;
  /** Most bytes of an answer; default 1 MiB. */
  readonly maxBytes?: number;
}

/** An answer with any status. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** Whole seconds after which to try again, where the answer says so. */
  readonly retryAfter?: number | undefined;
}

/** Throws {@link CommandError} unless a secret may be sent to `url`: over TLS, or to this very machine. `what` names
 * the secret's target in the sentence, e.g. "the service". */
export function requireSafeTransport(url: URL, what: string): void {
  if (url.protocol === 'https:') return;
  if (url.protocol === 'http:' && isLoopbackHostname(url.hostname)) return;
  if (url.protocol === 'http:') {
    throw new CommandError(
      'REFUSED',
      `${what} at ${url.origin} is reached over plain HTTP: no token goes there`,
      {
        hint: 'Anyone who can read the line could use the token. Use an https:// address.',
      },
    );
  }
  throw new CommandError('USAGE', `${printable(url.href)} is not an https:// or http:// address`);
}

/** The URL that a person typed; throws {@link CommandError} `USAGE`. */
export function parseUrl(text: string, option: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new CommandError('USAGE', `${option}: "${printable(text)}" is not an http:// or https:// address`, {
    hint: `For example ${option} http://127.0.0.1:5555`,
  });
}

/** Sends a request and reads the whole answer. Throws {@link CommandError} `UNREACHABLE` when there is none or it comes
 * too late, and `FAILED` when it is too long or a redirect: a token must not follow one. `what` names the other side. */
export async function exchange(url: URL, what: string, request: HttpRequest = {}): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, ...limits } = request;
  const sent = { accept: 'application/json', ...headers };
  const init = { method, headers: sent, ...(body === undefined ? {} : { body }) };
  const response = await exchangeRaw(url, what, init, limits);
  const retryAfter = retryAfterSeconds(response.headers.get('retry-after'), Date.now());
  return { status: response.status, text: await response.text(), retryAfter };
}

/** {@link exchange} in the words of fetch, for a library that brings its own requests. */
export async function exchangeRaw(
  url: URL,
  what: string,
  init: RequestInit,
  { timeoutMs = 30_000, maxBytes = 1 << 20 }: Pick<HttpRequest, 'timeoutMs' | 'maxBytes'> = {},
): Promise<Response> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = init.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
  const sent = new Headers(init.headers);
  sent.set('user-agent', USER_AGENT);
  try {
    const response = await fetch(url, { ...init, headers: sent, redirect: 'manual', signal });
    if (response.status >= 300 && response.status < 400) throw redirected(url, what);
    const { status, headers } = response;
    return new Response(await readBounded(response, maxBytes, what), { status, headers });
  } catch (error) {
    throw error instanceof CommandError ? error : unreachable(error, url, what, timeoutMs);
  }
}

/** The body; null when there is none, as the statuses without a body demand. */
async function readBounded(response: Response, maxBytes: number, what: string): Promise<Blob | null> {
  if (response.body === null) return null;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new CommandError('FAILED', `the answer of ${what} is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return new Blob(chunks);
}

const redirected = (url: URL, what: string): CommandError =>
  new CommandError('FAILED', `${what} at ${url.origin} answers with a redirect, which is not followed`, {
    hint: 'Give the address that it redirects to.',
  });

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve just now',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its TLS certificate is not trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: 'its TLS certificate is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its TLS certificate is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its TLS certificate is not trusted here',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what it answers is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what it answers is not TLS',
  HPE_INVALID_CONSTANT: 'what it answers is not HTTP',
  CERT_HAS_EXPIRED: 'its TLS certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another name',
};

const UNTRUSTED =
  'If it is of a CA of your own: NODE_EXTRA_CA_CERTS=ca.pem in the environment, with its certificate in that file.';
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Is it running? `npm start` starts one for development; --url names another.',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: 'Use the name that stands in its certificate.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Does it speak plain HTTP? Try http://, which is good for this machine only.',
  ERR_SSL_PACKET_LENGTH_TOO_LONG:
    'Does it speak plain HTTP? Try http://, which is good for this machine only.',
};

/** How a TLS listener ends a plain HTTP request: it hangs up, or sends an alert that is no HTTP. */
const isTlsAnswer = (url: URL, code: string): boolean =>
  url.protocol === 'http:' && /^(ECONNRESET|UND_ERR_SOCKET|HPE_.*)$/.test(code);

function hintFor(url: URL, code: string): string | undefined {
  if (isTlsAnswer(url, code)) return 'Does it speak TLS? Try https://.';
  return Object.hasOwn(HINTS, code) ? HINTS[code] : undefined;
}

function unreachable(error: unknown, url: URL, what: string, timeoutMs: number): CommandError {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new CommandError(
      'UNREACHABLE',
      `${what} at ${url.origin} did not answer within ${timeoutMs / 1000} s`,
      {
        cause: error,
      },
    );
  }
  const code = codeOf(error);
  const reason = (Object.hasOwn(REASONS, code) ? REASONS[code] : undefined) ?? (code || 'no answer');
  return new CommandError('UNREACHABLE', `${what} at ${url.origin} cannot be reached: ${reason}`, {
    hint: hintFor(url, code),
    cause: error,
  });
}

/** The system's code of a fetch failure: it lies one or two causes deep. */
function codeOf(error: unknown): string {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    if (fault instanceof AggregateError && fault.errors.length > 0) return codeOf(fault.errors[0]);
    if ('code' in fault && typeof fault.code === 'string') return fault.code;
  }
  return '';
}
