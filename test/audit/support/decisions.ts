import type { IssuedDecision, RefusedDecision } from '../../../audit/audit-line.ts';

/** A certificate; `requestId` tells it from others. */
export const issuedDecision = (requestId = 'r1'): IssuedDecision => ({
  requestId,
  client: '192.0.2.1',
  entry: 'people',
  issuer: 'https://login.example.com',
  principal: 'alice@example.com',
  rule: 'staff',
  serial: '0a1b',
  leafIndex: 7,
  certificate: Buffer.from('certificate'),
  extensions: new Map(),
  notAfter: Date.UTC(2026, 0, 1),
});

/** A refusal before anything was verified. */
export const refusedDecision = (reason = 'TOKEN_EXPIRED', entry?: string): RefusedDecision => ({
  requestId: 'r2',
  client: '192.0.2.1',
  reason,
  entry,
});

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
