import type { PostgresPlace } from '../storage/postgres.ts';

/** Facilities of RFC 5424 §6.2.1 under which a decision may be filed, by the names that syslog daemons use. */
export const SYSLOG_FACILITIES = {
  auth: 4,
  authpriv: 10,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

/** The name of a facility. */
export type SyslogFacility = keyof typeof SYSLOG_FACILITIES;

/** A file that takes lines, and when another one is begun. */
export interface AuditFileDefinition {
  /** Absolute. */
  readonly path: string;
  /** Bytes after which the file is rotated. */
  readonly maxBytes: number;
  /** Milliseconds after which the file is rotated; undefined: only by size. */
  readonly maxAgeMs?: number | undefined;
  /** How many rotated files are kept. */
  readonly keep: number;
}

/** A syslog server. */
export interface SyslogDefinition {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
  readonly facility: SyslogFacility;
  /** With tls: absolute path of PEM certificates that are trusted instead of the system's own. */
  readonly caFile?: string | undefined;
}

/** A table that several services share. */
export interface AuditDatabaseDefinition {
  readonly place: PostgresPlace;
  /** The name of this service's chain in it. */
  readonly writer: string;
}

/** What is written of decisions, and where. At least one destination is there. */
export interface AuditDefinition {
  readonly stdout: boolean;
  readonly file?: AuditFileDefinition | undefined;
  readonly syslog?: SyslogDefinition | undefined;
  readonly database?: AuditDatabaseDefinition | undefined;
  /** Whether a certificate leaves only after every destination has taken its line. */
  readonly failClosed: boolean;
  /** Lines of refusals that one entry may cause for one reason in a minute; more are counted and summed up. */
  readonly refusalsPerMinute: number;
}
