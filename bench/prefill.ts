/**
 * Grows a log to a size without a request for each entry: precertificates that the directory's own CA signed, with short names (an entry takes some 900 bytes), appended through the
 * real sequencer and the real stores. A log that is there already grows on, so that what was interrupted can be given again.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { proveKey } from '../ca/possession.ts';
import { signPrecertificate } from '../ca/precertificate.ts';
import { newSerial } from '../ca/serial.ts';
import { openCtLog, type CtLog } from '../ct-log/ct-log.ts';
import type { PrecertificateEntry } from '../ct-log/format/leaf.ts';
import { certificateLog } from '../instance/certificate-logs.ts';
import { OpenedKeys } from '../instance/opened-keys.ts';
import { openDataDirectory } from '../instance/data-directory.ts';
import { openLogKeys } from '../instance/open-key.ts';
import { openAuthority } from '../service/open-authority.ts';
import { openCertificateSearch } from '../service/open-searches.ts';
import { cpuSeconds } from './process.ts';

/** Entries that wait for the log at once. */
const WAITING = 1000;

/** Precertificates that entries take in turns: to sign each would cost more than to log it. */
const DISTINCT = 1000;

/** Milliseconds between two lines about a fill that takes long. */
const NEWS = 30_000;

/** What filling a log cost. */
export interface Fill {
  readonly entries: number;
  readonly seconds: number;
  /** Of the whole process. */
  readonly cpuSeconds: number;
}

/** Appends entries until the log of the directory has at least `size`. `news` is called now and then with the size that it has. */
export async function prefill(data: string, size: number, news?: (reached: number) => void): Promise<Fill> {
  const { log, entries } = await openFilled(data);
  const start = log.status().size;
  const [begin, cpu] = [performance.now(), cpuSeconds(process.pid)];
  const reporting = setInterval(() => news?.(log.status().size), NEWS);
  const grow = async (): Promise<void> => {
    for (let at = log.status().size; at < size; at = log.status().size) {
      const entry = entries[at % entries.length];
      if (entry !== undefined) await log.append(entry);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WAITING, size) }, grow));
  clearInterval(reporting);
  const seconds = (performance.now() - begin) / 1000;
  // As a service leaves it, which is never so far ahead of its tiles: the next entry takes what is in them out of the commit store.
  while (log.status().tileBacklog > 0) await delay(10);
  const [one] = entries;
  if (one !== undefined && log.status().size > start) await log.append(one);
  const filled = { entries: log.status().size - start, seconds, cpuSeconds: cpuSeconds(process.pid) - cpu };
  await log.close();
  return filled;
}

/** Lets what its entries are found by reach the end of the log, as a service does in the background. */
export async function indexWhole(data: string, news?: (reached: number) => void): Promise<Fill> {
  const { log, directory } = await openFilled(data);
  const search = openCertificateSearch(log, directory);
  const [begin, cpu] = [performance.now(), cpuSeconds(process.pid)];
  const reporting = setInterval(() => news?.(search.covered), NEWS);
  let before: number | undefined;
  while (search.covered < log.status().size) {
    // It refuses after some seconds, and goes on without a rest while somebody waits.
    await search.ready().catch(() => delay(10));
    before ??= search.covered;
  }
  clearInterval(reporting);
  const entries = log.status().size - (before ?? 0);
  const seconds = (performance.now() - begin) / 1000;
  await search.close();
  await log.close();
  return { entries, seconds, cpuSeconds: cpuSeconds(process.pid) - cpu };
}

async function openFilled(
  data: string,
): Promise<{ log: CtLog; directory: string; entries: readonly PrecertificateEntry[] }> {
  const opened = await openDataDirectory(data, { mode: 'production', write: true });
  const { authority } = await openAuthority(opened.paths, new OpenedKeys({}), Date.now);
  const { directory, ecdsaKey, ed25519Key } = certificateLog(opened);
  const signers = await openLogKeys({ ecdsaKey, ed25519Key }, undefined);
  const log = await openCtLog({ directory, signers, chain: authority.chain, clock: Date.now });
  const entries: PrecertificateEntry[] = [];
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const content = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
  const notBefore = Math.floor(Date.now() / 1000) * 1000;
  const validity = { notBefore, notAfter: notBefore + 600_000 };
  for (let i = 0; i < DISTINCT; i++) {
    const challenge = `person-${i}@example.org`;
    const issuer = 'https://issuer.example';
    const principal = {
      issuer,
      subject: challenge,
      challenge,
      san: { type: 'email', value: challenge },
      extensions: new Map([
        [1, issuer],
        [8, issuer],
      ]),
    } as const;
    const proof = sign('sha256', Buffer.from(challenge), privateKey);
    const demands = { permit: () => undefined, csr: false };
    const key = proveKey({ kind: 'publicKey', content, proof }, principal, demands);
    const leaf = { key, principal, validity, serial: newSerial() };
    entries.push((await signPrecertificate(authority, leaf)).entry);
  }
  return { log, directory, entries };
}
