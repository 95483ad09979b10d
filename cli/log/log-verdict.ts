import { FormatError } from '../../core/errors.ts';
import { LogError, LogReadError, type LogReason } from '../../tlog/core/log-error.ts';

/** Faults that are in the log itself, and not on the way to it. */
const CONTRADICTIONS: ReadonlySet<LogReason> = new Set([
  'LOG_CORRUPT',
  'LOG_ROLLED_BACK',
  'LOG_WRONG_KEY',
  'LOG_HEAD_MOVED',
]);

/** Whether an error says that a log is wrong or does not have what it should, rather than that it could not be read. */
export function isLogVerdict(error: unknown): boolean {
  if (error instanceof LogError) return CONTRADICTIONS.has(error.code);
  return error instanceof LogReadError || error instanceof FormatError;
}
