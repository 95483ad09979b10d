/** The process that loads a configuration for another one, found in the system's own list. Linux only. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Its id, once the process `parent` has one. Rejects after ten seconds. */
export async function loaderOf(parent: number): Promise<number> {
  for (let look = 0; look < 2_000; look++) {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      if (await loadsFor(pid, parent)) return Number(pid);
    await delay(5);
  }
  throw new Error('no process loads a configuration');
}

/** Resolves once no process has that id, or one that has ended and waits to be noticed. Rejects after `ms` milliseconds
 * or more. */
export async function gone(pid: number, ms = 10_000): Promise<void> {
  for (let look = 0; look < ms / 5; look++) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tZ');
    if (status.includes('State:\tZ')) return;
    await delay(5);
  }
  throw new Error(`process ${pid} is still there`);
}

/** A process may be gone between two looks. */
async function loadsFor(pid: string, parent: number): Promise<boolean> {
  try {
    if (!(await readFile(`/proc/${pid}/status`, 'utf8')).includes(`PPid:\t${parent}\n`)) return false;
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('load-process');
  } catch {
    return false;
  }
}
