/** What is kept of each request for a timestamp: numbers, and lines of the service log where they are worth one. */
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import type { Timestamp } from '../../tsa/timestamp-authority.ts';
import type { TimestampRequest } from '../../tsa/timestamp-request.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import { refusedLine } from '../operator/refused-line.ts';
import type { ServiceLog } from '../operator/service-log.ts';
import type { TimestampMetrics } from '../operator/timestamp-metrics.ts';
import type { Problem } from '../reasons/problem.ts';

/** Where it is kept. */
interface TimestampDestinations {
  readonly metrics: Pick<TimestampMetrics, 'granted' | 'refused'>;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** Whether each timestamp has a line of its own. The token itself says more, and the client has it. */
  readonly logsGrants: boolean;
}

/** Who asked. */
export interface TimestampCaller {
  readonly requestId: string;
  readonly address: string;
  /** Milliseconds since the request came in. */
  readonly ms: number;
}

/** Keeps them. */
export class TimestampRecords {
  readonly #destinations: TimestampDestinations;

  constructor(destinations: TimestampDestinations) {
    this.#destinations = destinations;
  }

  /** A timestamp left. */
  granted({ serial, time }: Timestamp, { hash, digest }: TimestampRequest, caller: TimestampCaller): void {
    const { metrics, serviceLog, logsGrants } = this.#destinations;
    metrics.granted(caller.ms / 1000);
    if (!logsGrants) return;
    serviceLog.note('info', 'timestamp', {
      requestId: caller.requestId,
      client: caller.address,
      time: rfc3339(time),
      serial: toHex(serial),
      digest: `${hash}:${toHex(digest)}`,
    });
  }

  /** A refusal left. */
  refused(problem: Problem, error: unknown, caller: TimestampCaller): void {
    const { metrics, serviceLog, refusalLog } = this.#destinations;
    const { reason } = problem;
    metrics.refused(reason);
    if (refusalLog.take(undefined, reason)) serviceLog.refused(refusedLine(problem, caller, error));
  }
}
