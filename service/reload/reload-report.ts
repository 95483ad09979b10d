/** What the log says about loading the configuration again. Names only: no value of it is written. */
import type { LoadedConfig } from '../../config/load/load.ts';
import type { PolicyChanges } from '../../policy/changes.ts';
import type { ServiceLog } from '../../server/operator/service-log.ts';
import { causeText } from '../../server/operator/service-log.ts';
import { configWarnings } from '../config-warnings.ts';
import type { LoadFailure } from './failure-text.ts';

/** A configuration that was put in force. */
interface LoadedReport {
  readonly before: LoadedConfig;
  readonly after: LoadedConfig;
  readonly changes: PolicyChanges;
  /** Paths of the files whose content changed. */
  readonly files: readonly string[];
  /** Settings that differ from those that the service was started with and cannot follow. */
  readonly restart: readonly string[];
  /** Milliseconds from the first look at the file until it was in force. */
  readonly ms: number;
}

/** Names of a list that are written; more are counted. */
const MAX_NAMES = 50;

/** Logs what was loaded and what it changed. `program` is how a shell calls this program. */
export function reportLoaded(log: ServiceLog, report: LoadedReport, program: string): void {
  const { before, after, changes, files, restart } = report;
  log.note('info', 'configuration loaded', {
    files: bounded(files),
    issuers: after.issuers.length,
    rules: ruleCount(after),
    ...Object.fromEntries(
      Object.entries(changes)
        .filter(([, names]) => (names as readonly string[]).length > 0)
        .map(([list, names]) => [list, bounded(names as readonly string[])]),
    ),
    ms: Math.round(report.ms),
  });
  const known = new Set(before.findings.map(({ path, message }) => `${path}: ${message}`));
  const fresh = after.findings.filter(({ path, message }) => !known.has(`${path}: ${message}`));
  for (const warning of configWarnings(after.files[0] ?? '', fresh, program))
    log.note('warn', 'warning', { ...warning });
  if (restart.length === 0) return;
  const sentence = `these settings changed and need a restart: ${restart.join(', ')}`;
  log.note('warn', 'needs a restart', { settings: restart, sentence });
}

/** Logs why a configuration is not in force, and that the last good one is. */
export function reportFailure(log: ServiceLog, failure: LoadFailure): void {
  log.note('error', 'configuration not loaded', {
    sentence: 'the configuration cannot be used; the last good one stays in force',
    problems: failure.problems,
    ...(failure.cause === undefined ? {} : { cause: causeText(failure.cause) }),
  });
}

/** Rules of all issuer blocks. */
export const ruleCount = ({ issuers }: Pick<LoadedConfig, 'issuers'>): number =>
  issuers.reduce((sum, { policy }) => sum + policy.rules.length, 0);

const bounded = (names: readonly string[]): string[] =>
  names.length <= MAX_NAMES
    ? [...names]
    : [...names.slice(0, MAX_NAMES), `… and ${names.length - MAX_NAMES} more`];
