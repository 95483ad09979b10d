import { MayflyError } from '../core/errors.ts';

/** Codes of {@link AuditError}. */
export type AuditReason = 'AUDIT_UNAVAILABLE';

/** A decision that must be recorded before it counts could not be. The sentence names no file and no server; the cause
 * does. */
export class AuditError extends MayflyError<AuditReason> {}

type AuditSinkReason =
  'AUDIT_FILE_UNUSABLE' | 'AUDIT_CA_UNUSABLE' | 'AUDIT_SERVER_UNREACHABLE' | 'AUDIT_NOT_TAKEN';

/** A destination cannot be used: at the start (the first two), or while running. For the operator. */
export class AuditSinkError extends MayflyError<AuditSinkReason> {}
