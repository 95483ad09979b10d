/** HTTP servers, with limits that Fulcio has and a few more, and listening. */
import { createServer as createPlainServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import {
  createServer as createNetServer,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import type { TLSSocket } from 'node:tls';
import { addressText, explainListenFailure, urlHost, type ListenAddress } from './listen-address.ts';
import { CountedResponse, MAX_HELD, openAccounts } from './connection-account.ts';
import { limitParser } from './parser-limits.ts';
import { MAX_HEAD, REQUEST_TIMEOUT, SILENCE_TIMEOUT } from './request-limits.ts';
import type { TlsPair } from './tls-certificate.ts';

/** Milliseconds an idle connection is kept unless the configuration says otherwise. It is longer than the pools of common
 * proxies keep theirs (Google's load balancer 600 s), so that the proxy closes it. If this side closes a connection that the
 * proxy has just begun to use, the proxy answers 502. */
const IDLE_TIMEOUT = 620_000;

const OPTIONS: ServerOptions = {
  maxHeaderSize: MAX_HEAD,
  headersTimeout: REQUEST_TIMEOUT,
  requestTimeout: REQUEST_TIMEOUT,
  connectionsCheckingInterval: 1_000,
  noDelay: true,
  ServerResponse: CountedResponse,
};

/** Connections that the kernel may hold until they are accepted, where it allows as many. It drops what comes then, and
 * the client tries again a second later. With Node's default of 511, some clients of a burst would wait that long. */
const BACKLOG = 4096;

/** A server with the limits above, speaking TLS when there is a pair for it. An idle connection is kept for `idleMs`
 * milliseconds. It is one of `sharers` servers of the process that share the memory that connections may hold. With TLS and `offersHttp2`, clients that offer HTTP/2 alone get that, as those of gRPC do: {@link onHttp2} takes their
 * connections. Who offers HTTP/1.1 too gets that, so that nothing changes for clients of the HTTP API. */
export function createHttpServer(
  tls: TlsPair | undefined,
  idleMs = IDLE_TIMEOUT,
  offersHttp2 = false,
  sharers = 1,
): Server | TlsServer {
  const options: ServerOptions = { ...OPTIONS, keepAliveTimeout: idleMs };
  const server =
    tls === undefined
      ? createPlainServer(options)
      : createTlsServer({
          ...options,
          cert: tls.cert,
          key: tls.key,
          minVersion: 'TLSv1.2',
          handshakeTimeout: REQUEST_TIMEOUT,
          // The server's order decides.
          ALPNProtocols: offersHttp2 ? ['http/1.1', 'h2'] : ['http/1.1'],
        });
  if (tls !== undefined && offersHttp2) divertHttp2(server);
  // Also closes the connection of a client that does not read its answer.
  server.setTimeout(SILENCE_TIMEOUT);
  openAccounts(server, MAX_HELD / sharers);
  limitParser(server);
  return server;
}

/** Keeps connections of HTTP/2 from the runtime's parser of HTTP/1, which is what a new server of its hands every connection to. */
function divertHttp2(server: Server | TlsServer): void {
  const parsers = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[];
  server.removeAllListeners('secureConnection');
  for (const parse of parsers)
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol !== 'h2') parse.call(server, socket);
    });
}

/** A server of connections that speak HTTP/2 from their first byte, without TLS; it keeps accounts. It is one of `sharers`. */
export function createPlainHttp2Server(sharers = 1): NetServer {
  const server = createNetServer({ noDelay: true });
  openAccounts(server, MAX_HELD / sharers);
  return server;
}

/** Calls `serve` with each connection of `server` that speaks HTTP/2. */
export function onHttp2(server: NetServer, serve: (socket: Socket) => void): void {
  if ('setSecureContext' in server)
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') serve(socket);
    });
  else server.on('connection', serve);
}

/** Whether to answer a request with this `Host` header, as sent; undefined when it has none. */
export type AcceptHost = (host: string | undefined) => boolean;

/** Where a server listens. */
export interface Listening {
  /** Base URL for clients on this machine, without a slash at the end. */
  readonly url: string;
  /** HOST:PORT as it was asked for, with the port that was picked. */
  readonly address: string;
}

/** Starts listening. `option` names the setting in a complaint. With `reusePort` other servers of this user may listen there
 * too, each of which gets its part of the connections from the kernel. Rejects with ListenError. */
export async function listen(
  server: NetServer,
  address: ListenAddress,
  option: string,
  reusePort = false,
): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    const failed = (fault: Error): void => {
      reject(explainListenFailure(fault, address, option));
    };
    server.once('error', failed);
    server.listen({ port: address.port, host: address.host, backlog: BACKLOG, reusePort }, () => {
      server.off('error', failed);
      // One connection could not be accepted, because the process has no file descriptor left: the next may be.
      server.on('error', () => undefined);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  const url = `${scheme}://${urlHost(address.host)}:${port}`;
  return { url, address: addressText({ host: address.host, port }) };
}
