import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let known: boolean | undefined;

/** Whether this machine has the openssl program. */
export function hasOpenssl(): boolean {
  if (known !== undefined) return known;
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    known = true;
  } catch {
    known = false;
  }
  return known;
}

/** A run of openssl in a directory of its own. */
export interface OpensslRun {
  /** What it printed. */
  readonly stdout: string;
  /** A file that it wrote. */
  readonly read: (name: string) => Uint8Array;
}

/** Runs openssl commands beside `files`, hands the last one's output to `then`, and removes the directory. */
export function openssl<T>(
  files: Readonly<Record<string, string | Uint8Array>>,
  commands: readonly (readonly string[])[],
  then: (run: OpensslRun) => T,
): T {
  const cwd = mkdtempSync(join(tmpdir(), 'mayfly-openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content);
    let stdout = '';
    for (const args of commands) stdout = execFileSync('openssl', args, { cwd, stdio: 'pipe' }).toString();
    return then({ stdout, read: (name) => new Uint8Array(readFileSync(join(cwd, name))) });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
