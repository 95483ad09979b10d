/** How a command talks to a service: bounded in time and size, never redirected, and secrets only where they are safe. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { CommandError } from '../program/command.ts';
import { noteAuthorization } from '../program/sent-secrets.ts';
import { isLoopbackHostname } from '../../core/loopback.ts';
import { printable } from '../../core/printable.ts';
import { retryAfterSeconds } from '../../core/retry.ts';
import { USER_AGENT } from '../../core/version.ts';
import { addressOf } from '../../oidc/keys/proxy-environment.ts';
import { proxyFor, routedFetch, sendRouted } from './routes.ts';

// Node gives up one of several addresses of a host after 250 ms, so that one that is only slow counts as dead. `fetch` takes
// no such setting of its own. The other requests go without `fetch`: to load it takes longer than a whole request.
setDefaultAutoSelectFamilyAttemptTimeout(2_000);

/** A request. */
export interface HttpRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds until the whole answer must be there; default 30 000. */
  readonly timeoutMs?: number;
  /** Most bytes of an answer; default 1 MiB. */
  readonly maxBytes?: number;
  /** Ends a command of many requests, whatever this one would still have. */
  readonly end?: CommandEnd | undefined;
}

/** When a command of many requests ends. */
export interface CommandEnd {
  readonly signal: AbortSignal;
  /** What it had, for the sentence. */
  readonly seconds: number;
}

/** The whole time of a command, from now on. */
export const endIn = (seconds: number): CommandEnd => ({
  signal: AbortSignal.timeout(seconds * 1000),
  seconds,
});

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

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Uint8Array;
}

/** Sends a request and reads the whole answer. Throws {@link CommandError} `UNREACHABLE` when there is none or it comes
 * too late, and `FAILED` when it is too long or a redirect: a token must not follow one. `what` names the other side. */
export async function exchange(url: URL, what: string, request: HttpRequest = {}): Promise<HttpAnswer> {
  const { status, headers, bytes } = await exchangeBytes(url, what, request);
  return { status, text: new TextDecoder().decode(bytes), retryAfter: retryAfterOf(headers) };
}

/** {@link exchange} of bytes. */
export async function exchangeBytes(url: URL, what: string, request: HttpRequest = {}): Promise<RawAnswer> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES, end } = request;
  const own = AbortSignal.timeout(timeoutMs);
  const deadline = end === undefined ? own : AbortSignal.any([own, end.signal]);
  let response: IncomingMessage | undefined;
  try {
    response = await send(url, request, deadline);
    const { statusCode: status = 0, headers } = response;
    if (status >= 300 && status < 400) throw redirected(url, what);
    return { status, headers, bytes: Buffer.concat(await chunksOf(response, maxBytes, what)) };
  } catch (error) {
    // An answer that is not read to its end would keep the program from ending.
    response?.destroy();
    if (error instanceof CommandError) throw error;
    if (end?.signal.aborted === true) throw overTime(end, what);
    throw unreachable(deadline.aborted ? deadline.reason : error, url, what, timeoutMs);
  }
}

/** Whole seconds after which to try again, where an answer says so. */
export const retryAfterOf = (headers: IncomingHttpHeaders): number | undefined =>
  retryAfterSeconds(headers['retry-after'] ?? null, Date.now());

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_BYTES = 1 << 20;

/** Resolves with the head of the answer. */
function send(url: URL, request: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method = 'GET', headers, body } = request;
  const sent = { accept: 'application/json', ...headers, 'user-agent': USER_AGENT };
  noteAuthorization(headers?.['authorization']);
  return sendRouted(url, { method, headers: sent, signal, body });
}

/** {@link exchange} in the words of fetch, for a library that brings its own requests. */
export async function exchangeRaw(
  url: URL,
  what: string,
  init: RequestInit,
  {
    timeoutMs = DEFAULT_TIMEOUT_MS,
    maxBytes = DEFAULT_MAX_BYTES,
  }: Pick<HttpRequest, 'timeoutMs' | 'maxBytes'> = {},
): Promise<Response> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = init.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
  const sent = new Headers(init.headers);
  sent.set('user-agent', USER_AGENT);
  noteAuthorization(sent.get('authorization'));
  try {
    const response = await routedFetch(url, { ...init, headers: sent, redirect: 'manual', signal });
    if (response.status >= 300 && response.status < 400) throw redirected(url, what);
    const { status, headers } = response;
    return new Response(await readBounded(response, maxBytes, what), { status, headers });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw unreachable(deadline.aborted ? deadline.reason : error, url, what, timeoutMs);
  }
}

/** The body; null when there is none, as the statuses without a body demand. */
const readBounded = async (response: Response, maxBytes: number, what: string): Promise<Blob | null> =>
  response.body === null ? null : new Blob(await chunksOf(response.body, maxBytes, what));

async function chunksOf(body: unknown, maxBytes: number, what: string): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    length += chunk.length;
    if (length > maxBytes)
      throw new CommandError('FAILED', `the answer of ${what} is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return chunks;
}

/** The time for all that is asked of the other side is up. */
export const overTime = ({ seconds }: CommandEnd, what: string): CommandError =>
  new CommandError('UNREACHABLE', `${what} took more than the ${seconds} s for the whole command`, {
    hint: 'Give more with --timeout, if it is worth waiting for.',
  });

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
  PROXY_REFUSES: 'the proxy does not lead there',
  OTHER_PROTOCOL: 'it answers with another protocol',
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

/** The proxy, where there is one: what fails may be the way to it. */
function wayTo(url: URL): string {
  const proxy = proxyFor(url);
  return proxy === undefined ? '' : ` through the proxy ${addressOf(proxy)}`;
}

const PROXY_HINT =
  'Check that this machine can reach the proxy, and that it leads there. Hosts in NO_PROXY are asked without it.';

function unreachable(error: unknown, url: URL, what: string, timeoutMs: number): CommandError {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new CommandError(
      'UNREACHABLE',
      `${what} at ${url.origin} did not answer within ${timeoutMs / 1000} s${wayTo(url)}`,
      {
        cause: error,
      },
    );
  }
  const code = codeOf(error);
  const reason = (Object.hasOwn(REASONS, code) ? REASONS[code] : undefined) ?? (code || 'no answer');
  return new CommandError(
    'UNREACHABLE',
    `${what} at ${url.origin} cannot be reached${wayTo(url)}: ${reason}`,
    {
      hint: proxyFor(url) === undefined ? hintFor(url, code) : PROXY_HINT,
      cause: error,
    },
  );
}

/** The system's code of a fetch failure: it lies one or two causes deep. */
function codeOf(error: unknown): string {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    if (fault instanceof AggregateError && fault.errors.length > 0) return codeOf(fault.errors[0]);
    // Where TLS itself fails, one code stands for all reasons.
    if ('code' in fault && fault.code === 'EPROTO') return sslCode(fault.message);
    if ('code' in fault && typeof fault.code === 'string') return fault.code;
  }
  return '';
}

/** Of OpenSSL's line, such as `…:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:…`. */
function sslCode(line: string): string {
  const [, reason] = /:SSL routines:[^:]*:([^:]+)/.exec(line) ?? [];
  return reason === undefined ? 'EPROTO' : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
}
