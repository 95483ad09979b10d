/** Calls over gRPC, by the names of go-grpc-prometheus, so that dashboards for Fulcio keep working. */
import { Counter, Histogram, type Registry } from 'prom-client';

/** A method that is served. */
export interface GrpcMethodName {
  /** With its package. */
  readonly service: string;
  readonly method: string;
  readonly type: 'unary' | 'server_stream' | 'bidi_stream';
}

/** Counts the calls of one method. */
export interface MethodMetrics {
  readonly started: () => void;
  readonly received: () => void;
  readonly sent: () => void;
  /** A call ended, with a code of gRPC and after so many seconds. */
  readonly handled: (code: number, seconds: number) => void;
}

/** Names of the codes of gRPC, by number. */
const CODES = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange'],
  ...['Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];

/** Go's `prometheus.DefBuckets`. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const LABELS = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

/** Counts calls. A call of a method that is not served makes no series. */
export class GrpcMetrics {
  readonly #started: Counter<(typeof LABELS)[number]>;
  readonly #handled: Counter<(typeof LABELS)[number] | 'grpc_code'>;
  readonly #received: Counter<(typeof LABELS)[number]>;
  readonly #sent: Counter<(typeof LABELS)[number]>;
  readonly #seconds: Histogram<(typeof LABELS)[number]>;

  /** Registers the counters. */
  constructor(registers: Registry[]) {
    const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
      new Counter<Label>({ name: `grpc_server_${name}_total`, help, labelNames, registers });
    this.#started = counter('started', 'Calls over gRPC that began.', LABELS);
    this.#handled = counter('handled', 'Calls over gRPC that ended, by code.', [...LABELS, 'grpc_code']);
    this.#received = counter('msg_received', 'Messages of clients over gRPC.', LABELS);
    this.#sent = counter('msg_sent', 'Messages to clients over gRPC.', LABELS);
    this.#seconds = new Histogram({
      name: 'grpc_server_handling_seconds',
      help: 'Seconds from the head of a call over gRPC to its answer.',
      labelNames: LABELS,
      buckets: BUCKETS,
      registers,
    });
  }

  /** The counters of one method. Finding a series by its labels costs more than adding to it. */
  of({ service, method, type }: GrpcMethodName): MethodMetrics {
    const labels = { grpc_type: type, grpc_service: service, grpc_method: method };
    const [started, received, sent] = [this.#started, this.#received, this.#sent].map((counter) =>
      counter.labels(labels),
    );
    const seconds = this.#seconds.labels(labels);
    const handled = new Map<number, Counter.Internal>();
    const handledWith = (code: number): Counter.Internal => {
      let series = handled.get(code);
      if (series === undefined) {
        series = this.#handled.labels({ ...labels, grpc_code: CODES[code] ?? 'Unknown' });
        handled.set(code, series);
      }
      return series;
    };
    return {
      started: () => {
        started?.inc();
      },
      received: () => {
        received?.inc();
      },
      sent: () => {
        sent?.inc();
      },
      handled: (code, duration) => {
        handledWith(code).inc();
        seconds.observe(duration);
      },
    };
  }
}
