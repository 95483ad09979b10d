/**
 * The lines of the audit: JSON, one object in each, ASCII only. Whatever is not printable ASCII is escaped, so that no
 * name can break a line, turn its direction or hide in it, and every sink may take the text as it is. The schema is
 * `docs/audit.schema.json`.
 */
import { hash } from 'node:crypto';
import type { ExtensionValues } from '../core/fulcio-extensions.ts';
import type { IssuedDecision, RefusedDecision } from '../ca/decision.ts';
import type {
  LoggedEntryDecision,
  RedactedEntry,
  RefusedEntryDecision,
  SubmittedDecision,
} from './entry-decision.ts';
import { asciiJson } from '../core/printable.ts';

/** Version of the schema; it changes when a reader of the old one would misread a line. */
const AUDIT_VERSION = 1;

/** Refusals that got no line of their own. Times are milliseconds since the epoch. */
export interface SuppressedRefusals {
  readonly entry: string | undefined;
  readonly reason: string;
  readonly count: number;
  /** Time of the first and of the last of them. */
  readonly from: number;
  readonly to: number;
}

/** The line for a certificate, decided at `now`. No line has a newline at its end. */
export function issuedLine(decision: IssuedDecision, now: number): string {
  return line(now, 'issued', {
    requestId: decision.caller.requestId,
    client: decision.caller.address,
    entry: decision.issuerBlock,
    issuer: decision.issuer,
    principal: decision.principal,
    rule: decision.rule,
    serial: decision.serial,
    log: decision.log,
    leafIndex: decision.leafIndex,
    certificateSha256: hash('sha256', decision.certificate, 'hex'),
    notAfter: rfc3339ms(decision.notAfter),
    ...sourceOf(decision.extensions),
  });
}

/** Where a CI job came from, by the extensions for it or else by the older ones of GitHub alone. */
const sourceOf = (extensions: ExtensionValues): Record<string, string | undefined> => ({
  repository: valueOf(extensions, 12, 5),
  commit: valueOf(extensions, 13, 3),
  run: valueOf(extensions, 21),
});

/** The first that is there; the certificate leaves empty ones out. */
function valueOf(extensions: ExtensionValues, ...numbers: readonly number[]): string | undefined {
  const number = numbers.find((candidate) => (extensions.get(candidate) ?? '') !== '');
  return number === undefined ? undefined : extensions.get(number);
}

/** The line for a refusal, decided at `now`; `reason` is the code of the answer. */
export const refusedLine = (decision: RefusedDecision, reason: string, now: number): string =>
  line(now, 'refused', {
    requestId: decision.caller.requestId,
    client: decision.caller.address,
    entry: decision.issuerBlock,
    issuer: decision.issuer,
    principal: decision.principal,
    rule: decision.rule,
    reason,
    serial: decision.serial,
    log: decision.log,
    leafIndex: decision.leafIndex,
  });

/** The line for an entry of an artifact log, added at `now`. */
export const entryLine = ({ caller, ...facts }: LoggedEntryDecision, now: number): string =>
  line(now, 'logged', { requestId: caller.requestId, client: caller.address, ...facts });

/** The line for a certificate of another CA that was logged at `now`. */
export const submittedLine = ({ caller, ...facts }: SubmittedDecision, now: number): string =>
  line(now, 'submitted', { requestId: caller.requestId, client: caller.address, ...facts });

/** The line for a redaction, written at `now` by the first service that is started after it. */
export const redactedLine = ({ redactedAt, ...facts }: RedactedEntry, now: number): string =>
  line(now, 'redacted', { ...facts, redactedAt: rfc3339ms(redactedAt) });

/** The line for a request to log an entry that was refused at `now`; `reason` is the code of the answer. */
export const entryRefusedLine = (
  { caller, log }: RefusedEntryDecision,
  reason: string,
  now: number,
): string => line(now, 'entry-refused', { requestId: caller.requestId, client: caller.address, log, reason });

/** The line that stands for refusals without one. */
export function suppressedLine({ entry, reason, count, from, to }: SuppressedRefusals, now: number): string {
  return line(now, 'suppressed', { entry, reason, count, from: rfc3339ms(from), to: rfc3339ms(to) });
}

const line = (now: number, event: string, facts: Readonly<Record<string, unknown>>): string =>
  asciiJson(JSON.stringify({ version: AUDIT_VERSION, time: rfc3339ms(now), event, ...facts }));

const rfc3339ms = (ms: number): string => new Date(ms).toISOString();
