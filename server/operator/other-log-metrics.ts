/** The metrics of all logs of a service, with a label for the log. Its values are the names of directories, which no client chooses. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ServiceSources } from './service-sources.ts';

/** Registers what each log is, and of those beside the one in use how long they are and whether they fail. Returns what counts their
 * reads. The series without this label are those of the log in use. */
export function registerOtherLogMetrics(
  registers: Registry[],
  { otherLogs, shards }: Pick<ServiceSources, 'otherLogs' | 'shards'>,
): (log: string, status: number) => void {
  new Gauge({
    name: 'mayfly_logs',
    help: 'Always 1; the logs that are served, and what each is: current, staged, ending, frozen, unreadable.',
    labelNames: ['log', 'state'] as const,
    registers,
    collect() {
      this.reset();
      this.set({ log: otherLogs.currentName, state: 'current' }, 1);
      for (const { name, state } of otherLogs.status()) this.set({ log: name, state }, 1);
    },
  });
  new Gauge({
    name: 'mayfly_other_log_size',
    help: 'Entries of a log beside the one in use, as it was read last.',
    labelNames: ['log'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, size } of otherLogs.status()) if (size !== undefined) this.set({ log: name }, size);
    },
  });
  new Gauge({
    name: 'mayfly_other_log_trouble',
    help: '1 while a log beside the one in use cannot be read or ended; the detail is in /readyz and in the service log.',
    labelNames: ['log'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, failure } of otherLogs.status())
        this.set({ log: name }, failure === undefined ? 0 : 1);
    },
  });
  if (shards !== undefined) registerShardMetrics(registers, shards);
  const reads = new Counter({
    name: 'mayfly_other_log_reads_total',
    help: 'Answers of the read side of logs beside the one in use, by log and status.',
    labelNames: ['log', 'code'] as const,
    registers,
  });
  return (log, status) => {
    reads.inc({ log, code: status });
  };
}

function registerShardMetrics(registers: Registry[], shards: NonNullable<ServiceSources['shards']>): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge(
    'mayfly_log_shard_end_seconds',
    'When the log in use ends, by mayfly.log.shards, in seconds since the epoch; 0 where no time says so.',
    () => (shards.status().endsAt ?? 0) / 1000,
  );
  gauge(
    'mayfly_log_shard_staged',
    '1 while the log that is to follow the one in use is there, and trusted.',
    () => (shards.status().next === undefined ? 0 : 1),
  );
  gauge(
    'mayfly_log_shard_trouble',
    '1 while something keeps the next log from being there, or in use, in time; the detail is in /readyz and in the service log.',
    () => (shards.status().trouble === undefined ? 0 : 1),
  );
}
