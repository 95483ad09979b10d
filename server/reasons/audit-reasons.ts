import type { AuditReason } from '../../audit/audit-error.ts';
import type { ReasonRows } from './reason-row.ts';

/** The decision could not be recorded. */
export const AUDIT_REASONS: ReasonRows<AuditReason> = {
  AUDIT_UNAVAILABLE: {
    grpc: 14,
    fulcioMessage: 'the decision cannot be recorded',
    retryAfter: 5,
    meaning:
      'The audit is `fail-closed` and one of its places did not take the line, so the certificate was not sent.',
    cause: 'A full disk, a file without rights, or a syslog server that is down.',
    remedy: 'Try again; the operator finds place and cause in the service log and in `mayfly_audit_failing`.',
  },
};
