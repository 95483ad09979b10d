/** Certificates and refusals by entry of the configuration. */
import { Counter, type Registry } from 'prom-client';

/** Names beyond this many share one label: configurations that follow each other must not make series for ever. */
const MAX_ENTRIES = 200;

/** Of a refusal before a token was verified and its audience chose an entry. */
const NONE = 'none';
const OTHER = 'other';

/** Counts decisions; `entry` is undefined before the token was verified and fell to one. */
export interface DecisionMetrics {
  readonly issued: (entry: string | undefined) => void;
  readonly refused: (reason: string, entry: string | undefined) => void;
}

/** Registers the counters. */
export function decisionMetrics(registers: Registry[]): DecisionMetrics {
  const certificates = new Counter({
    name: 'mayfly_certificates_total',
    help: 'Certificates released, by the entry of the configuration.',
    labelNames: ['entry'] as const,
    registers,
  });
  const refusals = new Counter({
    name: 'mayfly_refusals_total',
    help: 'Signing requests that got no certificate, by the entry that the token falls to and by reason.',
    labelNames: ['entry', 'reason'] as const,
    registers,
  });
  const labelOf = createLabels();
  // Finding a series by its labels costs more than adding to it.
  const series = new Map<string, Counter.Internal>();
  return {
    issued: (entry) => {
      const label = labelOf(entry);
      let one = series.get(label);
      if (one === undefined) series.set(label, (one = certificates.labels(label)));
      one.inc();
    },
    refused: (reason, entry) => {
      refusals.inc({ entry: labelOf(entry), reason });
    },
  };
}

/** Names come from the configuration only, and still there is an end to them. */
function createLabels(): (entry: string | undefined) => string {
  const known = new Set<string>();
  return (entry) => {
    if (entry === undefined) return NONE;
    if (known.has(entry)) return entry;
    if (known.size >= MAX_ENTRIES) return OTHER;
    known.add(entry);
    return entry;
  };
}
