/** Fetching an issuer's JSON documents within bounds: time, size, redirects. */
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { printable } from '../../core/printable.ts';
import { USER_AGENT } from '../../core/version.ts';
import { openConnections } from './connections.ts';
import type { Connection, Connections, ServerTrust } from './connections.ts';
import { ACCEPTED_ENCODING, decoded, tooLong } from './content-encoding.ts';
import { IssuerFault } from './issuer-fault.ts';
import type { EnvironmentVariables } from './proxy-environment.ts';

/** What one fetch may cost. */
export interface FetchLimits {
  /** For the whole document, redirects included, in milliseconds. */
  readonly timeout: number;
  /** Of the body, in bytes, as it is sent and after it was decompressed. */
  readonly size: number;
  /** Whether the host must have a public address; for hosts that no operator named. */
  readonly publicOnly?: boolean | undefined;
  /** Sent as `Authorization: Bearer` to `url` itself; never again after a redirect. */
  readonly bearer?: string | undefined;
}

/** Fetches the JSON at `url`. Throws {@link IssuerFault}. */
export type FetchDocument = (url: URL, limits: FetchLimits) => Promise<unknown>;

/** A {@link FetchDocument} with connections behind it. */
export interface DocumentFetcher {
  readonly fetch: FetchDocument;
  /** Closes the connections; a fetch under way fails. */
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;

/** A fetcher with this trust that goes through the proxy which `environment` names; see {@link openConnections}. Throws
 * {@link DefinitionError} for a proxy or a store of certificates that cannot be used. */
export function createDocumentFetcher(
  trust: ServerTrust = {},
  environment: EnvironmentVariables = process.env,
): DocumentFetcher {
  const connections = openConnections(trust, environment);
  return {
    fetch: (url, limits) => fetchDocument(connections, url, limits),
    close: () => connections.close(),
  };
}

async function fetchDocument(connections: Connections, start: URL, limits: FetchLimits): Promise<unknown> {
  const signal = AbortSignal.timeout(limits.timeout);
  // Redirects lead nowhere but to the same host.
  const connection = connections.to(start, limits.publicOnly === true);
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await send(connection, url, signal, redirects === 0 ? limits.bearer : undefined);
    const location = redirectOf(response);
    if (location === undefined) return readJson(response, { url, proxy: connection.proxy }, limits.size);
    discard(response);
    url = redirected(url, location);
  }
  throw new IssuerFault('UNUSABLE', `${start.href} redirects more than ${MAX_REDIRECTS} times`);
}

/** A Kubernetes API server offers its keys as `application/jwk-set+json` alone, and answers 406 to a client that does not
 * accept that. Some servers require `application/json`. */
const HEADERS = {
  accept: 'application/json, application/jwk-set+json, */*;q=0.1',
  'accept-encoding': ACCEPTED_ENCODING,
  'user-agent': USER_AGENT,
} as const;

async function send(
  { dispatcher, proxy }: Connection,
  url: URL,
  signal: AbortSignal,
  bearer: string | undefined,
): Promise<Dispatcher.ResponseData> {
  const authorization = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  try {
    return await request(url, { dispatcher, signal, headers: { ...HEADERS, ...authorization } });
  } catch (cause) {
    if (cause instanceof IssuerFault) throw cause;
    throw unreachable({ url, proxy }, cause);
  }
}

// Dropping an unread body makes its stream emit an error. Without a listener, that would end the process.
function discard(response: Dispatcher.ResponseData): void {
  response.body.on('error', () => undefined).destroy();
}

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

function redirectOf(response: Dispatcher.ResponseData): string | undefined {
  const { location } = response.headers;
  return REDIRECTS.includes(response.statusCode) && typeof location === 'string' ? location : undefined;
}

// Another host was not named by the operator. With a weaker scheme, anyone on the network path could replace the keys.
function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  if (to?.host !== from.host || to.protocol !== from.protocol) {
    throw new IssuerFault('UNUSABLE', `${from.href} redirects to another host, which is not followed`, {
      hint: 'Put the URL that really answers into the configuration.',
    });
  }
  return to;
}

/** What was requested, and through which proxy. */
interface Asked extends Pick<Connection, 'proxy'> {
  readonly url: URL;
}

async function readJson(response: Dispatcher.ResponseData, asked: Asked, size: number): Promise<unknown> {
  const { url } = asked;
  if (response.statusCode !== 200) {
    discard(response);
    throw refused(url, response.statusCode);
  }
  const body = await readBody(response, asked, size);
  const bytes = await decoded(body, response.headers['content-encoding'], size, url.href);
  try {
    // Removes a byte order mark, which Microsoft's servers send.
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw notJson(url, response.headers['content-type'], cause);
  }
}

const MAX_SHOWN = 100;

function notJson(url: URL, contentType: string | string[] | undefined, cause: unknown): IssuerFault {
  const type = contentType === undefined ? '' : ` (${printable(String(contentType).slice(0, MAX_SHOWN))})`;
  return new IssuerFault('UNUSABLE', `${url.href} answers with something that is not JSON${type}`, {
    hint: 'A login page or a proxy may answer in its place: ask that address with curl from this machine.',
    cause,
  });
}

const WANTS_A_CALLER =
  'It wants to know who asks, or a firewall refuses this machine. The keys of an issuer that cannot be asked can be ' +
  'handed over: mayfly.jwks-file of its issuer block.';

/** Hints by status: the most frequent cause of each. */
const STATUS_HINTS: ReadonlyMap<number, string> = new Map([
  [401, WANTS_A_CALLER],
  [403, WANTS_A_CALLER],
  [404, 'Nothing is published there: compare the URL of the issuer with what the issuer documents.'],
  [406, 'It offers neither application/json nor application/jwk-set+json there.'],
]);

const refused = (url: URL, status: number): IssuerFault =>
  new IssuerFault('UNREACHABLE', `${url.href} answers with status ${status}`, {
    hint: STATUS_HINTS.get(status),
    metadata: { status: String(status) },
  });

async function readBody(response: Dispatcher.ResponseData, asked: Asked, size: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      total += chunk.length;
      if (total > size) break;
    }
  } catch (cause) {
    throw unreachable(asked, cause);
  }
  if (total > size) throw tooLong(asked.url.href, size);
  return Buffer.concat(chunks);
}

function unreachable({ url, proxy }: Asked, cause: unknown): IssuerFault {
  const words = cause instanceof Error ? describe(cause) : 'it cannot be reached';
  const way = proxy === undefined ? '' : ` through the proxy ${proxy}`;
  return new IssuerFault('UNREACHABLE', `${url.href} does not answer${way}: ${words}`, {
    hint:
      proxy === undefined
        ? 'Check that this machine can reach the issuer and trusts its certificate (ca-cert).'
        : 'Check that this machine can reach the proxy, that the proxy lets it through to the issuer, and that the ' +
          "issuer's certificate is trusted (ca-cert). Hosts in NO_PROXY are asked without it.",
    cause,
  });
}

function describe(error: Error): string {
  if (error.name === 'TimeoutError') return 'it took too long';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && !code.startsWith('UND_') ? code : error.message;
}
