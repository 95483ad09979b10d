import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { PostgresPlace } from '../../storage/postgres.ts';
import type { AuditDefinition, AuditFileDefinition, SyslogDefinition } from '../../audit/audit-definition.ts';
import { syslogAddress } from '../schema/addresses.ts';
import type { AuditValues } from '../schema/audit-schema.ts';
import { findUnusableFile } from './file-checks.ts';
import type { Report } from '../findings/report.ts';

const MIB = 1024 * 1024;
const HOUR = 3_600_000;

const AT = ['mayfly', 'audit'] as const;

/** What `mayfly.audit` means, with absolute paths; `store` is the database of the logs. Reports what does not fit together. */
export function auditDefinitionOf(
  values: AuditValues,
  store: PostgresPlace | undefined,
  directory: string,
  report: Report,
): AuditDefinition {
  const syslog = syslogOf(values.syslog, directory);
  checkAudit(values, syslog, report);
  if (values.database && store === undefined)
    report.problem(
      [...AT, 'database'],
      'needs a database, and the logs are in files',
      'Name it in mayfly.log.store, or use a file.',
    );
  return {
    stdout: values.stdout,
    file: fileOf(values.file, directory),
    syslog,
    ...(values.database && store !== undefined ? { database: { place: store, writer: hostname() } } : {}),
    failClosed: values['fail-closed'],
    refusalsPerMinute: values['refusals-per-minute'],
  };
}

function fileOf(file: AuditValues['file'], directory: string): AuditFileDefinition | undefined {
  if (file === undefined) return undefined;
  const hours = file['max-age'];
  return {
    path: resolve(directory, file.path),
    maxBytes: Math.round(file['max-size'] * MIB),
    maxAgeMs: hours === undefined ? undefined : hours * HOUR,
    keep: file.keep,
  };
}

function syslogOf(syslog: AuditValues['syslog'], directory: string): SyslogDefinition | undefined {
  const address = syslog && syslogAddress(syslog.address);
  if (syslog === undefined || address === undefined) return undefined;
  const caFile = syslog['ca-file'];
  return {
    ...address,
    facility: syslog.facility,
    caFile: caFile === undefined ? undefined : resolve(directory, caFile),
  };
}

function checkAudit(values: AuditValues, syslog: SyslogDefinition | undefined, report: Report): void {
  if (!values.stdout && values.file === undefined && values.syslog === undefined && !values.database)
    report.problem(
      AT,
      'names no place for its lines',
      'Add file, stdout: true, syslog or database: true below it.',
    );
  if (values['fail-closed'] && syslog?.transport === 'udp')
    report.problem(
      [...AT, 'fail-closed'],
      'needs a place that says whether it took a line, and syslog over UDP does not',
      'Use tcp:// or tls:// for syslog, or a file beside a service that is not fail-closed.',
    );
  if (values.syslog?.['ca-file'] !== undefined && syslog !== undefined && syslog.transport !== 'tls')
    report.finding('NO_EFFECT', [...AT, 'syslog', 'ca-file'], `has no effect: the address is not tls://`);
  if (syslog?.caFile !== undefined && syslog.transport === 'tls')
    findUnusableFile(syslog.caFile, 'these certificates', [...AT, 'syslog', 'ca-file'], report);
}
