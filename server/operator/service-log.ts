/**
 * The service's own log: one JSON line for each certificate and each refusal, and for what happens to the service.
 *
 * What a caller claims is written only after it was verified; tokens, proofs and keys are never handed to this file.
 */
import type { ReleasedDecision } from '../../ca/decision.ts';
import { MayflyError, systemCode } from '../../core/errors.ts';
import { printableJson } from '../../core/printable.ts';
import { pino, type DestinationStream, type Logger } from 'pino';

/** One refusal. */
export interface RefusedLine {
  readonly requestId: string;
  readonly client: string;
  readonly status: number;
  readonly reason: string;
  /** Our own sentence about the fault, free of secrets. */
  readonly sentence: string;
  readonly ms: number;
  /** An error for a fault of ours that no earlier line reported, a warning else. */
  readonly level: 'warn' | 'error';
  /** The fault underneath, where it is the server's. */
  readonly cause?: unknown;
}

/** Where the service says what it did. */
export interface ServiceLog {
  /** A certificate was released. */
  readonly issued: (decision: ReleasedDecision) => void;
  /** A request was refused. */
  readonly refused: (line: RefusedLine) => void;
  /** Something about the service itself. */
  readonly note: (
    level: 'info' | 'warn' | 'error',
    event: string,
    facts: Readonly<Record<string, unknown>>,
  ) => void;
  /** Writes what its destination holds back, as far as that goes without waiting. */
  readonly flush: () => void;
}

/** How much is written. No level writes tokens, proofs or keys. */
export type ServiceLogLevel = 'error' | 'warn' | 'info' | 'debug';

/** A log that writes to `destination` what is of `level` or graver. */
export function createServiceLog(
  destination: DestinationStream & { flushSync?(): void },
  level: ServiceLogLevel,
): ServiceLog {
  const logger: Logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // The log is read on terminals, and untrusted callers choose the names in it.
      hooks: { streamWrite: printableJson },
    },
    destination,
  );
  return {
    issued: ({ caller, issuer, principal, serial, log, leafIndex }) => {
      const { requestId, address: client } = caller;
      const ms = roundedMs(caller.ms);
      logger.info({ event: 'issued', requestId, client, issuer, principal, serial, log, leafIndex, ms });
    },
    refused: ({ cause, level, ...line }) => {
      const under = cause === undefined ? undefined : underText(cause);
      logger[level]({
        event: 'refused',
        ...line,
        ...(under === undefined ? {} : { cause: under }),
      });
    },
    note: (level, event, facts) => {
      logger[level]({ event, ...facts });
    },
    flush: () => {
      destination.flushSync?.();
    },
  };
}

/** Milliseconds as they stand in a line. */
export const roundedMs = (ms: number): number => Math.round(ms * 10) / 10;

/** Frames of a stack that a line holds. */
const FRAMES = 6;

/** The chain of faults, outermost first; the innermost with where it was thrown, unless it is one that was foreseen. For
 * log lines, never for an answer. */
export function causeText(cause: unknown): string {
  const lines: string[] = [];
  let at: unknown = cause;
  while (at instanceof Error && lines.length < 8) {
    lines.push(at.cause instanceof Error ? `${at.name}: ${at.message}` : innermost(at));
    at = at.cause;
  }
  return lines.length === 0 ? typeof cause : lines.join(' <- ');
}

/** What the system or one of our own errors says needs no stack. */
function innermost(error: Error): string {
  if (error instanceof MayflyError || systemCode(error) !== undefined)
    return `${error.name}: ${error.message}`;
  return (error.stack ?? error.message)
    .split('\n')
    .slice(0, FRAMES + 1)
    .join('\n');
}

/** What lies under an error whose own sentence is in the line already; undefined when nothing does. A text is what was made of it
 * elsewhere. */
export function underText(error: unknown): string | undefined {
  if (typeof error === 'string') return error;
  if (!(error instanceof MayflyError)) return causeText(error);
  return error.cause === undefined ? undefined : causeText(error.cause);
}
