/** The metrics of what reads through the files of the logs, with a label for the log: the name of its directory. */
import { Gauge, type Registry } from 'prom-client';
import type { ScrubStatus, ServiceSources } from './service-sources.ts';

const ROWS: readonly (readonly [name: string, help: string, read: (status: ScrubStatus) => number])[] = [
  [
    'mayfly_log_damaged_files',
    'Stored files of a log that were found damaged or missing when they were read through.',
    ({ damaged }) => damaged,
  ],
  [
    'mayfly_log_scrub_ratio',
    'Share of the full bundles of a log that this pass has read.',
    ({ entries, of }) => (of === 0 ? 1 : entries / of),
  ],
  [
    'mayfly_log_scrub_last_pass_timestamp_seconds',
    'When all stored files of a log had been read through the last time, Unix time; 0 before the first.',
    ({ endedAt = 0 }) => endedAt / 1000,
  ],
];

/** Registers them, where something is read through. */
export function registerScrubMetrics(registers: Registry[], scrubbing: ServiceSources['scrubbing']): void {
  if (scrubbing === undefined) return;
  for (const [name, help, read] of ROWS)
    new Gauge({
      name,
      help,
      labelNames: ['log'] as const,
      registers,
      collect() {
        this.reset();
        for (const status of scrubbing.status()) this.set({ log: status.name }, read(status));
      },
    });
}
