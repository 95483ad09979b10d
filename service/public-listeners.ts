/** The listeners that clients come to, of one thread: plain HTTP or TLS, and gRPC without TLS where it has an address of its own. */
import type { RequestListener, Server as HttpServer } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Server } from 'node:net';
import { createClientAddress, createProxyCheck } from '../server/http/client-address.ts';
import { guardConnections, type ConnectionGuard } from '../server/http/connection-guard.ts';
import { watchConnections, type Drain } from '../server/http/drain.ts';
import {
  createHttpServer,
  createPlainHttp2Server,
  listen,
  onHttp2,
  type Listening,
} from '../server/http/http-listener.ts';
import { lameDuck } from '../server/http/lame-duck.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import type { TlsPair } from '../server/http/tls-certificate.ts';
import { Http2Connections, MAX_SESSIONS } from '../server/http2/http2-connections.ts';
import type { GrpcEndpoint } from '../server/grpc/grpc-endpoint.ts';

/** Where and how. */
export interface PublicAddresses {
  readonly listen: ListenAddress;
  /** Where gRPC is taken without TLS. */
  readonly grpcListen: ListenAddress | undefined;
  /** Whether it is taken beside HTTP, where there is TLS. */
  readonly grpcWithTls: boolean;
  readonly idleTimeoutMs: number;
  /** Connections, of all threads together; default 4096. */
  readonly maxConnections: number | undefined;
  readonly trustedProxies: readonly string[];
}

/** Where they really listen. */
export interface PublicListening extends Listening {
  readonly grpcAddress: string | undefined;
}

/** What answers. */
export interface PublicHandlers {
  readonly public: RequestListener;
  readonly grpc: Pick<GrpcEndpoint, 'answer' | 'report'> | undefined;
  /** Called with the first peer that passes calls on without being trusted to say whose they are. */
  readonly onUntrustedProxy: (client: string) => void;
}

const CONNECTIONS = 4096;
const GRPC_CONNECTIONS = 1024;

/** Milliseconds for which requests that are under way may go on at the end. */
const GRACE = 25_000;

/** A listener that is not on the network yet. */
interface PlainGrpc {
  readonly address: ListenAddress;
  readonly server: Server;
  readonly drain: Drain;
  readonly connections: ConnectionGuard;
}

/** The listeners; nothing is on the network before {@link listen}. */
export class PublicListeners {
  readonly #addresses: PublicAddresses;
  readonly #sharers: number;
  readonly #server: HttpServer | TlsServer;
  readonly #drain: Drain;
  readonly #connections: ConnectionGuard;
  readonly #plainGrpc: PlainGrpc | undefined;
  #http2: Http2Connections | undefined;

  /** Without a pair it speaks plain HTTP. Each of `sharers` threads has its part of the bounds on connections and memory. */
  constructor(addresses: PublicAddresses, pair: TlsPair | undefined, sharers = 1) {
    const { idleTimeoutMs, grpcWithTls, maxConnections = CONNECTIONS, grpcListen } = addresses;
    this.#addresses = addresses;
    this.#sharers = sharers;
    this.#server = createHttpServer(pair, idleTimeoutMs, grpcWithTls, sharers);
    this.#drain = watchConnections(this.#server);
    this.#connections = guardConnections(this.#server, Math.ceil(maxConnections / sharers), sharers);
    this.#plainGrpc = grpcListen && openPlainGrpc(grpcListen, sharers);
  }

  /** The number of connections accepted so far. */
  readonly accepted = (): number =>
    this.#connections.accepted() + (this.#plainGrpc?.connections.accepted() ?? 0);

  /** Has `handlers` answer. To be called once, before {@link listen}. */
  serve(handlers: PublicHandlers): void {
    const { idleTimeoutMs, trustedProxies, grpcWithTls } = this.#addresses;
    const { grpc, onUntrustedProxy } = handlers;
    if (grpc !== undefined) {
      const http2 = new Http2Connections(
        idleTimeoutMs,
        grpc.answer,
        Math.ceil(MAX_SESSIONS / this.#sharers),
        grpc.report,
        {
          isProxy: createProxyCheck(trustedProxies),
          clientAddress: createClientAddress(trustedProxies),
          onUntrustedProxy,
        },
      );
      if (grpcWithTls) onHttp2(this.#server, http2.serve);
      if (this.#plainGrpc !== undefined) onHttp2(this.#plainGrpc.server, http2.serve);
      this.#http2 = http2;
    }
    this.#server.on('request', handlers.public);
  }

  /** Listens: gRPC first, so that everything is up when the one for HTTP answers. Rejects with ListenError. With `reusePort`
   * other threads listen there too. */
  async listen(reusePort = false): Promise<PublicListening> {
    const plain = this.#plainGrpc;
    const grpc = plain && (await listen(plain.server, plain.address, '--grpc-listen', reusePort));
    const listening = await listen(this.#server, this.#addresses.listen, '--listen', reusePort);
    return { ...listening, grpcAddress: grpc?.address };
  }

  /** Speaks TLS with this pair from now on. */
  renew({ cert, key }: TlsPair): void {
    if (!('setSecureContext' in this.#server)) throw new TypeError('this service does not speak TLS');
    this.#server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** Goes on for so many milliseconds, then stops accepting and finishes what is under way. */
  async end(delayMs: number): Promise<void> {
    const plain = this.#plainGrpc;
    const end = async (one: Server, drain: Drain): Promise<void> => {
      await lameDuck(one, delayMs);
      this.#http2?.end();
      await drain(GRACE);
    };
    await Promise.all([
      end(this.#server, this.#drain),
      plain === undefined ? undefined : end(plain.server, plain.drain),
    ]);
  }

  /** Ends what a start that failed has on the network; there is nothing to drain in order. */
  async abandon(): Promise<void> {
    await this.#plainGrpc?.drain(0);
  }
}

function openPlainGrpc(address: ListenAddress, sharers: number): PlainGrpc {
  const server = createPlainHttp2Server(sharers);
  const drain = watchConnections(server);
  const connections = guardConnections(server, Math.ceil(GRPC_CONNECTIONS / sharers), sharers);
  return { address, server, drain, connections };
}
