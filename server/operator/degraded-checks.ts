/** Conditions that the operator should know of and that keep nobody from signing: the service stays ready. */
import type { Audit } from '../../audit/audit.ts';
import type { Clock } from '../../core/clock.ts';
import type { LogStatus } from '../../tlog/log-status.ts';
import type { ReadinessCheck } from './readiness.ts';
import type { TlsStatus } from '../http/tls-certificate.ts';

/** How long a loss of audit lines is reported, milliseconds. */
const LOSS_MEMORY = 86_400_000;

/** Files that readers of the log need. Signing does not. */
export function filesCheck({ unreadable, checkpointFailure }: LogStatus): ReadinessCheck {
  const troubles: string[] = [];
  if (unreadable !== undefined) {
    const others = unreadable.count === 1 ? '' : `, and ${unreadable.count - 1} more`;
    troubles.push(`reads of the log fail: ${unreadable.first}${others}`);
  }
  if (checkpointFailure !== undefined)
    troubles.push(`the checkpoint file is not written: ${checkpointFailure}`);
  const ok = troubles.length === 0;
  return { name: 'files', ok, detail: ok ? 'no read of the log missed a file' : troubles.join('; ') };
}

/** Of the certificate that is served. Where a proxy in front does not look at it, an old one serves as well as a new
 * one. */
export function tlsCheck(status: TlsStatus | undefined, clock: Clock): ReadinessCheck[] {
  if (status === undefined) return [];
  const { notAfter, failure } = status;
  const isOver = clock() >= notAfter;
  const told = [
    `the TLS certificate in use ${isOver ? 'ended' : 'ends'} on ${new Date(notAfter).toISOString()}`,
  ];
  if (failure !== undefined) told.push(`its files cannot be used: ${failure}`);
  return [{ name: 'tls', ok: !isOver && failure === undefined, detail: told.join('; ') }];
}

/** Lines that somebody took out of the audit file are lost for good, and no certificate is safer for being refused
 * now. */
export function auditFileCheck(audit: Pick<Audit, 'status'> | undefined, clock: Clock): ReadinessCheck[] {
  const losses = audit?.status().destinations.flatMap(({ incidents }) => incidents?.lastLoss ?? []) ?? [];
  const [last] = losses.filter((at) => clock() - at < LOSS_MEMORY);
  if (last === undefined) return [];
  const when = new Date(last).toISOString();
  const detail = `another program truncated or deleted the audit file at ${when}; lines may be lost`;
  return [{ name: 'audit-file', ok: false, detail }];
}
