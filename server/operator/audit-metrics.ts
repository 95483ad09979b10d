/** The metrics of the audit. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Audit } from '../../audit/audit.ts';

/** Registers counters and gauges that read the audit when they are asked. */
export function registerAuditMetrics(registers: Registry[], audit: Pick<Audit, 'status'>): void {
  new Counter({
    name: 'mayfly_audit_lines_total',
    help: 'Decisions by what became of their line; suppressed ones are refusals that a summary counts.',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(audit.status().lines)) this.inc({ outcome }, count);
    },
  });
  new Counter({
    name: 'mayfly_audit_dropped_total',
    help: 'Lines that a place of the audit lost for good.',
    labelNames: ['place'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, lost } of audit.status().destinations) this.inc({ place: name }, lost);
    },
  });
  new Counter({
    name: 'mayfly_audit_file_incidents_total',
    help: 'What was done to the audit file from outside (truncated, deleted), or could not be done to it (not_rotated).',
    labelNames: ['kind'] as const,
    registers,
    collect() {
      this.reset();
      for (const { incidents } of audit.status().destinations) {
        if (incidents === undefined) continue;
        this.inc({ kind: 'truncated' }, incidents.truncated);
        this.inc({ kind: 'deleted' }, incidents.deleted);
        this.inc({ kind: 'not_rotated' }, incidents.notRotated);
      }
    },
  });
  new Gauge({
    name: 'mayfly_audit_failing',
    help: '1 while a place of the audit takes no lines.',
    labelNames: ['place'] as const,
    registers,
    collect() {
      for (const { name, isFailing } of audit.status().destinations)
        this.set({ place: name }, isFailing ? 1 : 0);
    },
  });
}
