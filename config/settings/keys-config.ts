import { resolve } from 'node:path';
import { KeyReferenceError, parseKeyReference } from '../../signers/key-reference.ts';
import type { Path, Report } from '../findings/report.ts';
import type { KeysValues } from '../schema/keys-schema.ts';
import { findUnusableFile } from './file-checks.ts';

/** What stands under `mayfly.keys`. Each key is the absolute path of a file or a URI; without one, it is the file of the data directory. */
export interface KeysConfig {
  readonly ca?: string | undefined;
  readonly caNext?: string | undefined;
  readonly timestamps?: string | undefined;
  readonly timestampsNext?: string | undefined;
  /** By the names of the logs. */
  readonly logs: Readonly<Record<string, LogKeysConfig>>;
  /** The same. */
  readonly artifactLogs: Readonly<Record<string, string>>;
  /** Milliseconds that a signature of a key elsewhere may take. */
  readonly timeoutMs: number;
  /** Signatures that are asked of each of them at once. */
  readonly maxInFlight: number;
}

/** The two keys of a certificate log. */
interface LogKeysConfig {
  readonly ecdsa?: string | undefined;
  readonly ed25519?: string | undefined;
}

const AT = ['mayfly', 'keys'] as const;

/** What the values mean; reports references that cannot be understood, and warns of files that cannot be read. */
export function keysConfigOf(values: KeysValues, directory: string, report: Report): KeysConfig {
  const read = (text: string | undefined, ...at: string[]): string | undefined =>
    text === undefined ? undefined : referenceOf(text, directory, [...AT, ...at], report);
  const logs = Object.entries(values.logs).map(([name, { ecdsa, ed25519 }]) => [
    name,
    { ecdsa: read(ecdsa, 'logs', name, 'ecdsa'), ed25519: read(ed25519, 'logs', name, 'ed25519') },
  ]);
  const artifactLogs = Object.entries(values['artifact-logs']).map(([name, text]) => [
    name,
    read(text, 'artifact-logs', name),
  ]);
  return {
    ca: read(values.ca, 'ca'),
    caNext: read(values['ca-next'], 'ca-next'),
    timestamps: read(values.timestamps, 'timestamps'),
    timestampsNext: read(values['timestamps-next'], 'timestamps-next'),
    logs: Object.fromEntries(logs) as KeysConfig['logs'],
    artifactLogs: Object.fromEntries(artifactLogs) as KeysConfig['artifactLogs'],
    timeoutMs: values.timeout * 1000,
    maxInFlight: values['max-in-flight'],
  };
}

/** Not the text of a reference that is wrong: it may hold a PIN. */
function referenceOf(text: string, directory: string, path: Path, report: Report): string {
  try {
    const reference = parseKeyReference(text);
    if (reference.kind !== 'file') return text;
    const file = resolve(directory, reference.path);
    findUnusableFile(file, 'this key', path, report);
    return file;
  } catch (error) {
    if (!(error instanceof KeyReferenceError)) throw error;
    report.problem(path, `names no key: ${error.message}`, error.hint);
    return '';
  }
}
