/** Lines of the audit for entries that were logged by a service that did not live to write them. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditDefinition } from '../audit/audit-definition.ts';
import type { Audit } from '../audit/audit.ts';
import { loggedInDatabase, loggedInFile } from '../audit/logged-entries.ts';
import { toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import type { ArtifactLog, LoggedEntry } from '../rekor/artifact-log.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import { AuditedEntries } from '../server/rekor/audited-entries.ts';
import { storedEntryDecision } from '../server/rekor/entry-records.ts';

/** What it is done with. */
interface EntryLinesOptions {
  readonly audit: Audit | undefined;
  readonly definition: AuditDefinition | undefined;
  /** The directory that holds those of the logs. */
  readonly directory: string;
  readonly serviceLog: ServiceLog;
}

/** A log of artifacts by the name of its directory. */
interface NamedLog {
  readonly name: string;
  readonly log: Pick<ArtifactLog, 'entriesAt' | 'isShared' | 'tree'>;
}

const FILE = 'audited.json';

/** Entries that are read at once: those of a bundle. */
const AT_ONCE = 256;

/**
 * Writes the lines of the audit that entries of the logs lack, and follows which have theirs from now on: log → what is to know of each line. Without an audit nothing is remembered.
 * Never rejects: what could not be recorded is a warning, and the next start tries again.
 */
export async function openEntryLines(
  logs: readonly NamedLog[],
  { audit, definition, directory, serviceLog }: EntryLinesOptions,
): Promise<ReadonlyMap<string, AuditedEntries>> {
  const opened = new Map<string, AuditedEntries>();
  const warn = (sentence: string): void => {
    serviceLog.note('warn', 'warning', { sentence });
  };
  for (const { name, log } of logs) {
    const file = join(directory, name, FILE);
    if (audit === undefined || definition === undefined) {
      await rm(file, { force: true }).catch(() => undefined);
      continue;
    }
    const followed = { isShared: log.isShared, size: () => log.tree.head().head.size };
    const entries = await AuditedEntries.open(file, followed, warn);
    opened.set(name, entries);
    try {
      const count = await recordMissing(name, log, entries, { audit, definition });
      if (count > 0)
        serviceLog.note('info', 'audit lines recovered', { log: `artifacts/${name}`, lines: count });
    } catch (error) {
      warn(`entries of artifacts/${name} have no line in the audit yet: ${messageOf(error)}`);
    }
  }
  return opened;
}

async function recordMissing(
  name: string,
  log: NamedLog['log'],
  audited: AuditedEntries,
  { audit, definition }: { readonly audit: Audit; readonly definition: AuditDefinition },
): Promise<number> {
  const doubtful: LoggedEntry[] = [];
  const indexes = audited.doubtful(log.tree.head().head.size);
  for (let i = 0; i < indexes.length; i += AT_ONCE)
    for (const entry of await log.entriesAt(indexes.slice(i, i + AT_ONCE)))
      if (entry !== undefined) doubtful.push(entry);
  if (doubtful.length === 0) return 0;
  const title = `artifacts/${name}`;
  const hashes = new Set(doubtful.map(({ leafHash }) => toHex(leafHash)));
  const { file, database } = definition;
  const there = new Set([
    ...(file === undefined ? [] : await loggedInFile(file.path, title, hashes)),
    ...(database === undefined ? [] : await loggedInDatabase(database.place, title, hashes, audited.knownAt)),
  ]);
  let count = 0;
  for (const entry of doubtful) {
    const decision = there.has(toHex(entry.leafHash)) ? undefined : storedEntryDecision(title, entry);
    if (decision !== undefined) {
      await audit.logged(decision);
      count++;
    }
    audited.recorded(entry.index);
  }
  return count;
}
