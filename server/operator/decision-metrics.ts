/** Certificates and refusals by issuer block. */
import { Counter, type Registry } from 'prom-client';
import type { CertainFacts, IssuedDecision } from '../../ca/decision.ts';

/** Names beyond this many share one label: configurations that follow each other must not make series for ever. */
const MAX_NAMES = 200;

/** Of a refusal before a token was verified and its audience chose an issuer block. */
const NONE = 'none';
const OTHER = 'other';

/** Counts decisions. Every label has a closed set of values. */
export class DecisionMetrics {
  readonly #certificates: Counter<'entry'>;
  readonly #refusals: Counter<'entry' | 'reason'>;
  readonly #names = new Set<string>();
  /** Finding a series by its labels costs more than adding to it. */
  readonly #series = new Map<string, Counter.Internal>();

  /** Registers the counters. */
  constructor(registers: Registry[]) {
    this.#certificates = new Counter({
      name: 'mayfly_certificates_total',
      help: 'Certificates released, by the entry of the configuration.',
      labelNames: ['entry'] as const,
      registers,
    });
    this.#refusals = new Counter({
      name: 'mayfly_refusals_total',
      help: 'Signing requests that got no certificate, by the entry that the token falls to and by reason.',
      labelNames: ['entry', 'reason'] as const,
      registers,
    });
  }

  /** A certificate was released. */
  issued({ issuerBlock }: Pick<IssuedDecision, 'issuerBlock'>): void {
    const label = this.#labelOf(issuerBlock);
    let one = this.#series.get(label);
    if (one === undefined) this.#series.set(label, (one = this.#certificates.labels(label)));
    one.inc();
  }

  /** A request was refused; `reason` is the code of the answer. */
  refused({ issuerBlock }: CertainFacts, reason: string): void {
    this.#refusals.inc({ entry: this.#labelOf(issuerBlock), reason });
  }

  /** Names come from the configuration only, and are bounded in number all the same. */
  #labelOf(issuerBlock: string | undefined): string {
    if (issuerBlock === undefined) return NONE;
    if (this.#names.has(issuerBlock)) return issuerBlock;
    if (this.#names.size >= MAX_NAMES) return OTHER;
    this.#names.add(issuerBlock);
    return issuerBlock;
  }
}
