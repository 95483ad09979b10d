/** Calls over gRPC: one table of all methods, and the order in which a call meets it. */
import { constants } from 'node:http2';
import type { ClientAddress } from '../http/client-address.ts';
import type { AcceptHost } from '../http/http-listener.ts';
import { TransportError } from '../http/transport-error.ts';
import type { Http2Request } from '../http2/http2-request.ts';
import type { GrpcMethodName, GrpcMetrics, MethodMetrics } from '../operator/grpc-metrics.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import { logUnforeseen } from '../operator/refused-line.ts';
import { causeText, type ServiceLog } from '../operator/service-log.ts';
import { problemOf } from '../reasons/problem.ts';
import { GRPC, GrpcCall } from './grpc-call.ts';

/** A method that is served. */
export interface GrpcMethod extends GrpcMethodName {
  /** Answers the call exactly once, or never when its client is gone. */
  readonly serve: (call: GrpcCall) => void | Promise<void>;
}

/** What an endpoint works with. */
interface GrpcEndpointOptions {
  readonly methods: readonly GrpcMethod[];
  readonly metrics: Pick<GrpcMetrics, 'of'>;
  readonly clientAddress: ClientAddress;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** Asked before anything else; without it every name will do. */
  readonly acceptHost?: AcceptHost | undefined;
}

interface ServedMethod {
  readonly serve: GrpcMethod['serve'];
  readonly metrics: MethodMetrics;
}

/** Counts calls that are not served: nothing that a client sends makes a series. */
const UNCOUNTED: MethodMetrics = {
  started: () => undefined,
  received: () => undefined,
  sent: () => undefined,
  handled: () => undefined,
};

/** With parameters, and with the one encoding of messages that is taken. */
const CONTENT_TYPE = /^application\/grpc(?:\+proto)?(?:;.*)?$/i;

/** Answers the requests of connections that speak HTTP/2. */
export class GrpcEndpoint {
  readonly #options: GrpcEndpointOptions;
  readonly #methods: ReadonlyMap<string, ServedMethod>;

  constructor(options: GrpcEndpointOptions) {
    this.#options = options;
    this.#methods = new Map(
      options.methods.map((one) => [
        `/${one.service}/${one.method}`,
        { serve: one.serve, metrics: options.metrics.of(one) },
      ]),
    );
  }

  /** Answers one request whose client still waits. */
  readonly answer = (request: Http2Request): void => {
    if (request.isGone) return;
    const { headers } = request;
    if (headers[':method'] !== 'POST' || !CONTENT_TYPE.test(headers['content-type'] ?? '')) {
      refuseHttp(request);
      return;
    }
    const method = this.#methods.get(headers[':path'] ?? '');
    const call = new GrpcCall(request, this.#options.clientAddress, method?.metrics ?? UNCOUNTED);
    if (method === undefined) call.fail(GRPC.unimplemented, 'there is no such method here');
    else if ((headers['grpc-encoding'] ?? 'identity') !== 'identity')
      call.fail(GRPC.unimplemented, 'messages are taken as they are, with no grpc-encoding', IDENTITY);
    else if (this.#options.acceptHost?.(headers[':authority'] ?? headers.host) === false)
      this.#refuse(call, hostRefused());
    else void this.#serve(call, method);
  };

  async #serve(call: GrpcCall, { serve }: ServedMethod): Promise<void> {
    try {
      call.readDeadline();
      await serve(call);
    } catch (error) {
      call.request.attempt(() => {
        this.#refuse(call, error);
      });
    }
  }

  /** Logs what the work for a request threw outside of its call. Never throws. */
  readonly report = (error: unknown): void => {
    if (this.#options.refusalLog.take(undefined, 'INTERNAL'))
      this.#options.serviceLog.note('error', 'request over HTTP/2 failed', { cause: causeText(error) });
  };

  #refuse(call: GrpcCall, error: unknown): void {
    const problem = problemOf(error, call.requestId);
    call.refuse(problem);
    logUnforeseen(problem, call, error, this.#options);
  }
}

const IDENTITY = { 'grpc-accept-encoding': 'identity' };

const hostRefused = (): TransportError =>
  new TransportError('HOST_REFUSED', 'this service does not answer to that host name', {
    hint: 'Use the address that it printed at its start.',
  });

const NOT_GRPC =
  'This is gRPC: send application/grpc. The HTTP API is at the address of the service, over HTTP/1.1.\n';

/** The statuses that gRPC wants (PROTOCOL-HTTP2, Requests). */
function refuseHttp(request: Http2Request): void {
  const { stream, headers } = request;
  const isPost = headers[':method'] === 'POST';
  request.made(NOT_GRPC.length);
  stream.respond({
    ':status': isPost ? 415 : 405,
    'content-type': 'text/plain; charset=utf-8',
    ...(isPost ? {} : { allow: 'POST' }),
  });
  if (headers[':method'] === 'HEAD') stream.end();
  else stream.end(NOT_GRPC);
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}
