import {
  refusedDecision as recordOf,
  type IssuedDecision,
  type RefusedDecision,
} from '../../../ca/decision.ts';

/** A certificate; `requestId` distinguishes it from others. */
export const issuedDecision = (requestId = 'r1'): IssuedDecision => ({
  outcome: 'issued',
  caller: { requestId, address: '192.0.2.1', ms: 1 },
  issuerBlock: 'people',
  issuer: 'https://login.example.com',
  principal: 'alice@example.com',
  rule: 'staff',
  serial: '0a1b',
  log: 'ca.example.org/log/2026',
  leafIndex: 7,
  treeSize: 8,
  certificate: Buffer.from('certificate'),
  extensions: new Map(),
  notAfter: Date.UTC(2026, 0, 1),
});

/** A refusal of which nothing but the issuer block was verified. */
export const refusedDecision = (issuerBlock?: string, requestId = 'r2'): RefusedDecision =>
  recordOf({ requestId, address: '192.0.2.1', ms: 1 }, new Error('refused'), { issuerBlock });

/** Notes in memory, and a wait for one. */
export class Notes {
  readonly all: {
    readonly level: string;
    readonly event: string;
    readonly facts: Readonly<Record<string, unknown>>;
  }[] = [];
  #waiting: (() => void)[] = [];

  readonly note = (level: string, event: string, facts: Readonly<Record<string, unknown>>): void => {
    this.all.push({ level, event, facts });
    for (const wake of this.#waiting.splice(0)) wake();
  };

  get events(): string[] {
    return this.all.map(({ level, event }) => `${level}: ${event}`);
  }

  /** Resolves when a note of that event is there. */
  async until(event: string): Promise<void> {
    while (!this.all.some((note) => note.event === event))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
