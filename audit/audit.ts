/**
 * The audit: one line for each decision of the CA, issued or refused, in every destination that is configured.
 *
 * Fail-closed, a certificate may leave only when {@link Audit.issued} has resolved; otherwise lines go out in the
 * background, no request waits for them, and the operator gets a note when a destination fails.
 */
import { hostname } from 'node:os';
import type { Clock } from '../core/clock.ts';
import type { AuditError } from './audit-error.ts';
import type { AuditDefinition, SyslogDefinition } from './audit-definition.ts';
import type { IssuedDecision, RefusedDecision } from '../ca/decision.ts';
import {
  entryLine,
  entryRefusedLine,
  issuedLine,
  redactedLine,
  refusedLine,
  submittedLine,
  suppressedLine,
} from './audit-line.ts';
import type {
  LoggedEntryDecision,
  RedactedEntry,
  RefusedEntryDecision,
  SubmittedDecision,
} from './entry-decision.ts';
import { databaseDestination } from './database-destination.ts';
import { descriptorDestination } from './descriptor-destination.ts';
import type { Destination, FileIncidents, Note } from './destination.ts';
import { openFileDestination } from './file-destination.ts';
import { LineQueue, type LineQueueLimits } from './line-queue.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { readCa, SyslogConnection } from './syslog-connection.ts';
import { SyslogDatagrams } from './syslog-datagrams.ts';
import { syslogFormatter } from './syslog-message.ts';

/** What the audit did so far. */
interface AuditStatus {
  /** Decisions by what became of their line; `suppressed` ones were counted and stand in a summary. */
  readonly lines: Readonly<Record<'issued' | 'logged' | 'refused' | 'suppressed', number>>;
  /** Where lines go, in no order. */
  readonly destinations: readonly {
    readonly name: Destination['name'];
    readonly isFailing: boolean;
    /** Lines that are nowhere. */
    readonly lost: number;
    /** Of a file. */
    readonly incidents?: FileIncidents | undefined;
  }[];
}

/** Writes decisions down. */
export interface Audit {
  readonly isFailClosed: boolean;
  /** Fail-closed: resolves when every destination has the line, and rejects with AuditError when one has not.
   * Otherwise undefined: there is nothing to wait for. */
  issued(decision: IssuedDecision): Promise<void> | undefined;
  /** The same of an entry that an artifact log took. */
  logged(decision: LoggedEntryDecision): Promise<void> | undefined;
  /** The same of a certificate of another CA that the certificate log took. */
  submitted(decision: SubmittedDecision): Promise<void> | undefined;
  /** The same of an entry whose body is withheld. */
  redacted(entry: RedactedEntry): Promise<void> | undefined;
  /** Fail-closed, and a destination is known to take no lines: what {@link Audit.issued} would reject with at once. Cheap. */
  refusal(): AuditError | undefined;
  /** Whether the refusal, answered with `reason`, has a line of its own; else it will be in a summary. Never throws, and
   * returns at once. */
  refused(decision: RefusedDecision, reason: string): boolean;
  /** The same of a request to log an entry. */
  entryRefused(decision: RefusedEntryDecision, reason: string): boolean;
  status(): AuditStatus;
  /** Writes what waits and ends. Decisions after it are lost, which is noted. */
  close(): Promise<void>;
}

/** What {@link openAudit} needs beside the definition. */
export interface AuditOptions {
  readonly clock: Clock;
  readonly note: Note;
  readonly limits?: LineQueueLimits | undefined;
  /** Milliseconds between two summaries of suppressed refusals; default a minute. */
  readonly summaryMs?: number | undefined;
}

const STDOUT = 1;
const SUMMARY = 60_000;

/** Opens every destination. Rejects with AuditSinkError when the file or the certificates cannot be used, and then nothing
 * stays open; a syslog server may be down. */
export async function openAudit(definition: AuditDefinition, options: AuditOptions): Promise<Audit> {
  const destinations = await openDestinations(definition, options);
  const queues = destinations.map((destination) => new LineQueue(destination, options.note, options.limits));
  return new QueuedAudit(definition, options, queues);
}

class QueuedAudit implements Audit {
  readonly isFailClosed: boolean;
  readonly #clock: Clock;
  readonly #queues: readonly LineQueue[];
  readonly #budget: RefusalBudget;
  readonly #summaries: NodeJS.Timeout;
  readonly #lines = { issued: 0, logged: 0, refused: 0, suppressed: 0 };

  constructor(
    { failClosed, refusalsPerMinute }: AuditDefinition,
    options: AuditOptions,
    queues: LineQueue[],
  ) {
    this.isFailClosed = failClosed;
    this.#clock = options.clock;
    this.#queues = queues;
    this.#budget = new RefusalBudget(refusalsPerMinute, options.clock);
    this.#summaries = setInterval(() => {
      this.#sumUp();
    }, options.summaryMs ?? SUMMARY).unref();
  }

  issued(decision: IssuedDecision): Promise<void> | undefined {
    this.#lines.issued++;
    return this.#record(issuedLine(decision, this.#clock()));
  }

  logged(decision: LoggedEntryDecision): Promise<void> | undefined {
    this.#lines.logged++;
    return this.#record(entryLine(decision, this.#clock()));
  }

  submitted(decision: SubmittedDecision): Promise<void> | undefined {
    this.#lines.logged++;
    return this.#record(submittedLine(decision, this.#clock()));
  }

  redacted(entry: RedactedEntry): Promise<void> | undefined {
    return this.#record(redactedLine(entry, this.#clock()));
  }

  #record(line: string): Promise<void> | undefined {
    if (this.isFailClosed) return this.#pushAndWait(line);
    this.#push(line);
    return undefined;
  }

  refusal(): AuditError | undefined {
    if (!this.isFailClosed) return undefined;
    for (const queue of this.#queues) {
      const refusal = queue.refusal();
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  refused(decision: RefusedDecision, reason: string): boolean {
    return this.#refuse(decision.issuerBlock, reason, (now) => refusedLine(decision, reason, now));
  }

  entryRefused(decision: RefusedEntryDecision, reason: string): boolean {
    return this.#refuse(decision.log, reason, (now) => entryRefusedLine(decision, reason, now));
  }

  #refuse(entry: string | undefined, reason: string, lineAt: (now: number) => string): boolean {
    const hasLine = this.#budget.take(entry, reason);
    this.#lines[hasLine ? 'refused' : 'suppressed']++;
    if (hasLine) this.#push(lineAt(this.#clock()));
    return hasLine;
  }

  status(): AuditStatus {
    const destinations = this.#queues.map(({ name, isFailing, lost, incidents }) => ({
      name,
      isFailing,
      lost,
      incidents,
    }));
    return { lines: { ...this.#lines }, destinations };
  }

  async close(): Promise<void> {
    clearInterval(this.#summaries);
    this.#sumUp();
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }

  #sumUp(): void {
    for (const suppressed of this.#budget.takeSuppressed())
      this.#push(suppressedLine(suppressed, this.#clock()));
  }

  #push(line: string): void {
    for (const queue of this.#queues) queue.push(line);
  }

  async #pushAndWait(line: string): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.pushAndWait(line)));
  }
}

async function openDestinations(
  definition: AuditDefinition,
  { clock, note }: AuditOptions,
): Promise<Destination[]> {
  const { stdout, file, syslog, database, failClosed: isDurable } = definition;
  const destinations: Destination[] = [];
  if (stdout) destinations.push(descriptorDestination(STDOUT));
  if (database !== undefined) destinations.push(databaseDestination(database));
  // Before the file, which would have to be closed again.
  if (syslog !== undefined) destinations.push(await openSyslog(syslog, note));
  if (file !== undefined) destinations.push(await openFileDestination(file, { clock, note, isDurable }));
  return destinations;
}

async function openSyslog(definition: SyslogDefinition, note: Note): Promise<Destination> {
  const { facility, transport, caFile } = definition;
  const format = syslogFormatter({ facility, hostname: hostname(), processId: process.pid });
  if (transport === 'udp') return new SyslogDatagrams(definition, format, note);
  const ca = caFile === undefined || transport !== 'tls' ? undefined : await readCa(caFile);
  return new SyslogConnection(definition, format, ca);
}
