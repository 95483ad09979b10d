/** The metrics of the log's components that can fail. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { LogStatus } from '../../tlog/log-status.ts';
import { LOG_COMPONENTS } from './log-components.ts';
import { registerGauge } from './read-gauge.ts';
import type { LogStatusSource } from './service-sources.ts';

/** Logs of artifacts in use, with their names. */
interface NamedLogs {
  readonly logs: readonly LogStatusSource[];
  readonly names: readonly string[];
}

/** Registers a gauge for each component of the certificate log that can fail, how often it stopped, and the size of its write-ahead file; and what notices copies, of the logs of artifacts, too. */
export function registerLogMetrics(registers: Registry[], log: LogStatusSource, artifacts?: NamedLogs): void {
  new Gauge({
    name: 'mayfly_log_trouble',
    help: '1 while a part of the log fails; the detail is in /readyz and in the service log.',
    labelNames: ['part'] as const,
    registers,
    collect() {
      const status = log.status();
      for (const { name, failure } of LOG_COMPONENTS)
        this.set({ part: name }, failure(status) === undefined ? 0 : 1);
    },
  });
  new Counter({
    name: 'mayfly_log_stops_total',
    help: 'How often the log has stopped; it opens its files again by itself.',
    registers,
    collect() {
      this.reset();
      this.inc(log.status().stops);
    },
  });
  new Gauge({
    name: 'mayfly_log_anchor_lag',
    help: 'Entries that the anchor of the log does not know of yet, by its mode; no value without an anchor.',
    labelNames: ['mode'] as const,
    registers,
    collect() {
      this.reset();
      const { anchor, size } = log.status();
      if (anchor !== undefined) this.set({ mode: anchor.mode }, size - (anchor.size ?? 0));
    },
  });
  new Gauge({
    name: 'mayfly_log_copies',
    help: '1 for what of a copy of a log in use is noticed, of certificates or by the name of a log of artifacts: accidents, asynchronous, synchronous or database.',
    labelNames: ['log', 'level'] as const,
    registers,
    collect() {
      this.reset();
      const all = [log, ...(artifacts?.logs ?? [])];
      for (const [i, one] of all.entries()) {
        const { copies } = one.status();
        const name = i === 0 ? 'certificates' : (artifacts?.names[i - 1] ?? '');
        if (copies !== undefined) this.set({ log: name, level: copies }, 1);
      }
    },
  });
  registerGauge(
    registers,
    'mayfly_log_wal_bytes',
    'Bytes of commit.db-wal: some 8 MB, unless something keeps it from being emptied.',
    () => log.status().walBytes,
  );
}

/** Registers what the witnesses of the log in use have cosigned, where it has some. */
export function registerWitnessMetrics(registers: Registry[], log: LogStatusSource): void {
  if (log.status().witnesses === undefined) return;
  registerGauge(
    registers,
    'mayfly_log_witnessed_size',
    'Entries of the newest head that the quorum of witnesses has cosigned; mayfly_log_size less this is what waits for it.',
    () => log.status().witnesses?.witnessedSize ?? 0,
  );
  new Gauge({
    name: 'mayfly_log_witness_trouble',
    help: '1 while a witness has not cosigned the newest head that it was asked for; the detail is in /readyz.',
    labelNames: ['witness'] as const,
    registers,
    collect() {
      for (const { name, failure } of log.status().witnesses?.witnesses ?? [])
        this.set({ witness: name }, failure === undefined ? 0 : 1);
    },
  });
}

/** Whether something that is derived from the log, or its size on disk, is not as it should be. */
export const isDegraded = (status: LogStatus): boolean =>
  LOG_COMPONENTS.some(({ isDerived, failure }) => isDerived && failure(status) !== undefined);
