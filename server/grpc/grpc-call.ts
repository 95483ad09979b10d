/** One call over gRPC: who made it, until when an answer is wanted, and the single way in which it is answered. */
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { constants, type OutgoingHttpHeaders } from 'node:http2';
import type { Caller } from '../../ca/decision.ts';
import type { ClientAddress } from '../http/client-address.ts';
import { requestIdOf } from '../http/exchange.ts';
import { TransportError } from '../http/transport-error.ts';
import type { Http2Request } from '../http2/http2-request.ts';
import type { MethodMetrics } from '../operator/grpc-metrics.ts';
import type { Problem } from '../reasons/problem.ts';
import { ErrorInfoSchema } from './protobuf/google/rpc/error_details_pb.ts';
import { StatusSchema } from './protobuf/google/rpc/status_pb.ts';

/** Codes of gRPC that are not of a reason. */
export const GRPC = { ok: 0, notFound: 5, exhausted: 8, unimplemented: 12 } as const;

/** Bytes of a status in the trailers. Clients take 8 KiB of metadata, in which it stands as base64, 4 KiB then. */
const MAX_STATUS = 3072;

/** Characters of a message in a status that is too long otherwise. */
const SHORT_MESSAGE = 512;

/** Bytes of a message in the trailers, as it is escaped. */
const MAX_MESSAGE = 2048;

/** A call that is being served. */
export class GrpcCall implements Caller {
  readonly request: Http2Request;
  readonly requestId: string;
  readonly #clientAddress: ClientAddress;
  readonly #metrics: MethodMetrics;
  readonly #startedAt = performance.now();
  #deadline = Infinity;
  #isOver = false;

  constructor(request: Http2Request, clientAddress: ClientAddress, metrics: MethodMetrics) {
    this.request = request;
    this.requestId = requestIdOf(request.headers['x-request-id']);
    this.#clientAddress = clientAddress;
    this.#metrics = metrics;
    metrics.started();
    request.stream.once('close', () => {
      // Its client took it back.
      this.#end(CANCELLED);
    });
  }

  /** Reads until when its client waits. Throws TransportError. */
  readDeadline(): void {
    this.#deadline = this.#startedAt + timeoutMs(this.request.headers['grpc-timeout']);
  }

  /** Looked up where it is read: the address costs something to find out. */
  get address(): string {
    const { connection, headers } = this.request;
    return this.#clientAddress({ socket: connection.socket, headers });
  }

  /** Milliseconds since the call came in. */
  get ms(): number {
    return performance.now() - this.#startedAt;
  }

  /** Whether no client is left to answer. */
  get isGone(): boolean {
    return this.#isOver || this.request.isGone;
  }

  /** Milliseconds of `performance.now()` after which its client does not wait; infinite without a deadline. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Whether its deadline is over. */
  get isLate(): boolean {
    return performance.now() >= this.#deadline;
  }

  /** A message of the client came. */
  received(): void {
    this.#metrics.received();
  }

  /** Sends the one answer: a frame with its message. A second answer is not sent. */
  reply(frame: Uint8Array, metadata: OutgoingHttpHeaders = {}): void {
    if (this.isGone) return;
    this.begin(metadata);
    this.#end(GRPC.ok);
    this.request.made(frame.length);
    this.#metrics.sent();
    this.request.stream.end(frame);
  }

  /** Sends the head of an answer; {@link write} and {@link finish} follow. */
  begin(metadata: OutgoingHttpHeaders = {}): void {
    if (this.isGone) return;
    const { stream } = this.request;
    stream.respond({ ...this.#head(), ...metadata }, { waitForTrailers: true });
    stream.once('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' });
    });
  }

  /** Sends one of several messages. */
  write(frame: Uint8Array): void {
    if (this.isGone) return;
    this.#metrics.sent();
    this.request.stream.write(frame);
  }

  /** Ends an answer of several messages. */
  finish(): void {
    if (this.isGone) return;
    this.#end(GRPC.ok);
    this.request.made(0);
    this.request.stream.end();
  }

  /** Refuses the call, in trailers alone. */
  refuse(problem: Problem): void {
    const { grpcCode: code, message, retryAfter } = problem;
    const retry = retryAfter === undefined ? {} : { 'grpc-retry-pushback-ms': `${retryAfter}000` };
    this.fail(code, message, { 'grpc-status-details-bin': statusDetails(problem), ...retry });
  }

  /** Ends the call with a code and a message, in trailers alone. */
  fail(code: number, message: string, metadata: OutgoingHttpHeaders = {}): void {
    if (this.isGone) return;
    const { stream } = this.request;
    this.#end(code);
    if (stream.headersSent) {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    const status = { 'grpc-status': String(code), 'grpc-message': escaped(message), ...metadata };
    this.request.made(MAX_STATUS);
    stream.respond({ ...this.#head(), ...status }, { endStream: true });
    // What its client may still be sending is of no use.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #head(): OutgoingHttpHeaders {
    return { ':status': 200, 'content-type': 'application/grpc', 'x-request-id': this.requestId };
  }

  #end(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#metrics.handled(code, this.ms / 1000);
  }
}

const CANCELLED = 1;

/** The status of a refusal, in whose details stands what the JSON of the same refusal has in its own. */
function statusDetails({ grpcCode: code, message: text, info }: Problem): string {
  const status = (metadata: Readonly<Record<string, string>>, message = text): Uint8Array => {
    const error = create(ErrorInfoSchema, { ...info, metadata: { ...metadata } });
    return toBinary(
      StatusSchema,
      create(StatusSchema, { code, message, details: [anyPack(ErrorInfoSchema, error)] }),
    );
  };
  const whole = status(info.metadata);
  const { requestId = '' } = info.metadata;
  const bytes =
    whole.length <= MAX_STATUS
      ? whole
      : status({ requestId }, Array.from(text).slice(0, SHORT_MESSAGE).join(''));
  return Buffer.from(bytes).toString('base64');
}

/** A message as the trailers take it: bytes that are not printable ASCII, and the percent sign, as hexadecimal digits. */
function escaped(message: string): string {
  if (message.length <= MAX_MESSAGE && /^[ -$&-~]*$/.test(message)) return message;
  let out = '';
  for (const byte of Buffer.from(message)) {
    if (out.length > MAX_MESSAGE - 3) break;
    out +=
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte);
  }
  return out;
}

const UNITS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds of a `grpc-timeout`; infinite without one. Throws TransportError. */
function timeoutMs(header: string | string[] | undefined): number {
  if (header === undefined) return Infinity;
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? [];
  const ms = UNITS[unit];
  if (ms !== undefined) return Number(digits) * ms;
  throw new TransportError('BODY_MALFORMED', 'grpc-timeout is not digits with a unit', {
    hint: 'For example 10S for ten seconds.',
  });
}
