/** Sockets: limits that Fulcio has and a few it lacks, listening, and an orderly end. */
import { createServer as createPlainServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { explainListenFailure, urlHost, type ListenAddress } from './listen-address.ts';
import type { TlsPair } from './tls-certificate.ts';

/** Milliseconds a client may take for the head of a request, and for the whole of it. */
const REQUEST_TIMEOUT = 60_000;

/** Milliseconds a TLS handshake may take. */
const HANDSHAKE_TIMEOUT = 30_000;

/** Milliseconds an idle connection is kept unless the configuration says otherwise: longer than the pools of common proxies
 * keep theirs (Google's load balancer 600 s), so that the proxy closes it. Who closes a connection that the other side is
 * just using makes that side answer 502. */
const IDLE_TIMEOUT = 620_000;

/** A token of 32 KiB may travel in the Authorization header. */
const MAX_HEADER_SIZE = 64 * 1024;

const OPTIONS: ServerOptions = {
  maxHeaderSize: MAX_HEADER_SIZE,
  headersTimeout: REQUEST_TIMEOUT,
  requestTimeout: REQUEST_TIMEOUT,
  connectionsCheckingInterval: 5_000,
  noDelay: true,
};

/** A server with the limits above, speaking TLS when there is a pair for it. An idle connection is kept for `idleMs`
 * milliseconds. */
export function createHttpServer(tls: TlsPair | undefined, idleMs = IDLE_TIMEOUT): Server | TlsServer {
  const options: ServerOptions = { ...OPTIONS, keepAliveTimeout: idleMs };
  const server =
    tls === undefined
      ? createPlainServer(options)
      : createTlsServer({
          ...options,
          cert: tls.cert,
          key: tls.key,
          minVersion: 'TLSv1.2',
          handshakeTimeout: HANDSHAKE_TIMEOUT,
        });
  // Also a client that does not read its answer loses its place after a while.
  server.setTimeout(REQUEST_TIMEOUT);
  return server;
}

/** Starts listening; resolves to the base URL without a slash at the end. `option` names the setting in a complaint.
 * Rejects with ListenError. */
export async function listen(
  server: Server | TlsServer,
  address: ListenAddress,
  option: string,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const failed = (fault: Error): void => {
      reject(explainListenFailure(fault, address, option));
    };
    server.once('error', failed);
    server.listen(address.port, address.host, () => {
      server.off('error', failed);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const scheme = 'setSecureContext' in server ? 'https' : 'http';
  return `${scheme}://${urlHost(address.host)}:${port}`;
}

/** Stops accepting, lets what is under way finish, and cuts what is left after `graceMs`. */
export async function drain(server: Server | TlsServer, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  await closed;
  clearTimeout(timer);
}
