/** Checks that what was acknowledged is in the log, and that the log is consistent. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';

const program = join(import.meta.dirname, '../../bin/mayfly.js');

/** Entries that one call asks for. */
const PAGE = 500;

interface Page {
  readonly entries: readonly { readonly extra_data: string }[];
}

/** Serial numbers of all entries of the log, in capital hexadecimal digits. */
export async function loggedSerials(logUrl: string): Promise<Set<string>> {
  const serials = new Set<string>();
  const sth = (await (await fetch(`${logUrl}/ct/v1/get-sth`)).json()) as { readonly tree_size: number };
  const size = sth.tree_size;
  for (let start = 0; start < size;) {
    const response = await fetch(`${logUrl}/ct/v1/get-entries?start=${start}&end=${start + PAGE - 1}`);
    if (!response.ok) throw new Error(`the log cannot be read: ${response.status} ${await response.text()}`);
    const { entries } = (await response.json()) as Page;
    if (entries.length === 0) throw new Error(`the log has no entry ${start}`);
    for (const entry of entries) serials.add(serialOf(Buffer.from(entry.extra_data, 'base64')));
    start += entries.length;
  }
  return serials;
}

/** Of the precertificate, which is the first of RFC 6962's PrecertChainEntry. */
const serialOf = (extraData: Buffer): string =>
  new X509Certificate(extraData.subarray(3, 3 + extraData.readUIntBE(0, 3))).serialNumber;

/** Runs `mayfly log check`. Returns what it complains of when it finds a fault. */
export function logFault(data: string): string | undefined {
  const words = [program, 'log', 'check', '--data', data];
  const { status, signal, stderr } = spawnSync(process.execPath, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  return status === 0 ? undefined : `ended with ${String(signal ?? status)}: ${stderr.trim()}`;
}
