/** The way of a command to a server: straight, or through the proxy that the environment names, as the service itself and the clients of others go. */
import type { Agent, IncomingMessage } from 'node:http';
import type https from 'node:https';
import type { TLSSocket } from 'node:tls';
import { USER_AGENT } from '../../core/version.ts';
import { proxiesOf, type Proxies } from '../../oidc/keys/proxy-environment.ts';
import { noteAuthorization } from '../program/sent-secrets.ts';

/** Not imported: an import asks a module for everything that it has, and these then load `fetch` for its WebSocket. Nor is TLS loaded where it is not spoken. */
const clientFor = ({ protocol }: URL): Pick<typeof https, 'request'> & { Agent: typeof Agent } =>
  process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http');

let proxies: Proxies | undefined;
const agents = new Map<string, Agent>();

/** The proxy for a URL, if there is one; this machine is never asked for through one. Throws DefinitionError for an environment that names what is no proxy. */
export function proxyFor(url: URL): URL | undefined {
  proxies ??= proxiesOf(process.env);
  return proxies.for(url);
}

/** Connections that are kept for the next request. Never the engine's own ones, which the environment may lead through a proxy, whatever the URL is. */
function agentFor(url: URL): Agent {
  const agent = agents.get(url.protocol) ?? new (clientFor(url).Agent)({ keepAlive: true });
  agents.set(url.protocol, agent);
  return agent;
}

/** A request as it is sent. */
interface RoutedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly body: string | Uint8Array | undefined;
}

/** Sends a request on its way; resolves with the head of the answer. HTTPS goes through a proxy by CONNECT: that sees the name of the host, and no token. Rejects with the system's errors. */
export async function sendRouted(url: URL, request: RoutedRequest): Promise<IncomingMessage> {
  const { body, ...rest } = request;
  const proxy = proxyFor(url);
  if (proxy === undefined) return answerTo(clientFor(url), url, { ...rest, agent: agentFor(url) }, body);
  if (url.protocol === 'https:') {
    const socket = await tunnelTo(url, proxy, request.signal);
    return answerTo(clientFor(url), url, { ...rest, createConnection: () => socket }, body);
  }
  const headers = { ...rest.headers, host: url.host, ...credentialsOf(proxy) };
  return answerTo(
    clientFor(proxy),
    proxy,
    { ...rest, headers, path: url.href, agent: agentFor(proxy) },
    body,
  );
}

const answerTo = (
  client: Pick<typeof https, 'request'>,
  url: URL,
  options: https.RequestOptions,
  body: string | Uint8Array | undefined,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const sending = client.request(url, options, resolve);
    refuseNoAnswer(sending, reject);
    sending.end(body);
  });

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` };
}

/** A connection of TLS through the proxy to the very host of the URL. */
function tunnelTo(url: URL, proxy: URL, signal: AbortSignal): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const path = `${url.hostname}:${url.port || '443'}`;
  const { connect } = process.getBuiltinModule('node:tls');
  const { isIP } = process.getBuiltinModule('node:net');
  return new Promise((resolve, reject) => {
    const headers = { host: path, ...credentialsOf(proxy) };
    const asking = clientFor(proxy).request(proxy, {
      method: 'CONNECT',
      path,
      headers,
      signal,
      agent: false,
    });
    refuseNoAnswer(asking, reject);
    asking.on('connect', ({ statusCode = 0 }, socket) => {
      if (statusCode >= 200 && statusCode < 300)
        resolve(connect({ socket, host, ...(isIP(host) === 0 && { servername: host }) }));
      else {
        socket.destroy();
        reject(Object.assign(new Error(`the proxy answers ${statusCode}`), { code: 'PROXY_REFUSES' }));
      }
    });
    asking.end();
  });
}

/** `fetch` on these ways, without following redirects; of encodings, gzip is read. For what wants to be handed one. */
export async function routedFetch(input: URL | string | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const headers = new Headers(request.headers);
  if (!headers.has('user-agent')) headers.set('user-agent', USER_AGENT);
  headers.set('accept-encoding', 'gzip');
  noteAuthorization(headers.get('authorization'));
  const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
  const url = new URL(request.url);
  const options = {
    method: request.method,
    headers: Object.fromEntries(headers),
    // That of the request follows it only until the request is collected as garbage, and no deadline would end the answer.
    signal: init?.signal ?? (input instanceof Request ? input : request).signal,
    body,
  };
  const message = await sendRouted(url, options);
  return responseOf(message, request.method);
}

/** Whatever ends a connection without an answer, the caller hears of it. */
function refuseNoAnswer(sending: ReturnType<typeof https.request>, reject: (error: Error) => void): void {
  sending.on('error', reject);
  sending.on('upgrade', (_, socket) => {
    socket.destroy();
    reject(Object.assign(new Error('another protocol'), { code: 'OTHER_PROTOCOL' }));
  });
  sending.on('close', () => {
    reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
  });
}

const BODYLESS: ReadonlySet<number> = new Set([204, 205, 304]);

function responseOf(message: IncomingMessage, method: string): Response {
  const { statusCode: status = 0, rawHeaders } = message;
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '');
  if (method === 'HEAD' || BODYLESS.has(status)) {
    message.resume();
    return new Response(null, { status, headers });
  }
  const { Readable, pipeline } = process.getBuiltinModule('node:stream');
  const isPacked = headers.get('content-encoding')?.toLowerCase() === 'gzip';
  const body = isPacked
    ? pipeline(message, process.getBuiltinModule('node:zlib').createGunzip(), () => undefined)
    : message;
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array<ArrayBuffer>>, { status, headers });
}
