import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditDefinition, AuditFileDefinition } from '../../../audit/audit-definition.ts';
import { openAudit, type Audit, type AuditOptions } from '../../../audit/audit.ts';
import { auditLines } from './audit-schema.ts';
import { Notes } from './decisions.ts';

/** An audit into a file of its own. */
export interface FileAudit {
  readonly audit: Audit;
  readonly directory: string;
  readonly path: string;
  readonly notes: Notes;
  /** Milliseconds that its clock is ahead. */
  readonly time: { skew: number };
  /** Request ids in one file; the audit's own by default. */
  ids(name?: string): Promise<unknown[]>;
  /** Names in the directory, in order. */
  names(): Promise<string[]>;
  remove(): Promise<void>;
}

/** What a test may say otherwise. */
export interface FileAuditOptions {
  readonly file?: Partial<AuditFileDefinition>;
  readonly definition?: Partial<AuditDefinition>;
  readonly parts?: Partial<AuditOptions>;
  readonly name?: string;
}

/** Opens one in a new directory. */
export async function openFileAudit(options: FileAuditOptions = {}): Promise<FileAudit> {
  const directory = await mkdtemp(join(tmpdir(), 'mayfly-audit-'));
  const path = join(directory, options.name ?? 'audit.jsonl');
  const notes = new Notes();
  const time = { skew: 0 };
  const definition: AuditDefinition = {
    stdout: false,
    file: { path, maxBytes: 1_000_000, keep: 1000, ...options.file },
    failClosed: false,
    refusalsPerMinute: 60,
    ...options.definition,
  };
  const audit = await openAudit(definition, {
    clock: () => Date.now() + time.skew,
    note: notes.note,
    ...options.parts,
  });
  return {
    audit,
    directory,
    path,
    notes,
    time,
    ids: async (name = path) =>
      auditLines(await readFile(join(directory, name.replace(`${directory}/`, '')), 'latin1')).map(
        ({ requestId }) => requestId,
      ),
    names: async () => (await readdir(directory)).sort(),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
