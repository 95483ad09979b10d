/** Starts the process of `load-apart.ts`, so that neither the processor nor the memory that it takes is missed by the
 * service. */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { moduleBeside } from '../../storage/module-beside.ts';

/** How much lower the priority is than that of the process that answers requests. Where both want the same core, it gets
 * about a tenth. */
const NICENESS = 10;

/** The lowest priority of all. */
const LOWEST = 19;

/** Megabytes of its heap: a few times what the largest file needs. */
const HEAP = 1_024;

/** Bytes of memory from which on the engine would by itself let the heap grow beyond that. */
const LARGE_MEMORY = 4 * 1024 ** 3;

/** Starts the process that loads the configuration at `path`; throws the system's error. `politely`: with a lower
 * priority than this one. Before it runs its first line, it is the one that Linux ends when memory runs out. */
export function startLoader(path: string, politely: boolean): ChildProcess {
  const { url, execArgv } = moduleBeside(import.meta.url, 'load-process');
  // In the same session: Linux may weigh sessions against each other, whatever the priorities in them.
  const child = fork(fileURLToPath(url), [path], {
    // The engine's helpers would have the priority of this process. And SIGUSR1 opens no debugger.
    execArgv: [...execArgv, ...heapLimit(), '--single-threaded', '--disable-sigusr1'],
    env: { ...process.env, NODE_OPTIONS: '' },
    serialization: 'advanced',
    // The service's log is lines of JSON: what the engine says when it runs out of memory is not.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  // It could not be started, and will say so.
  if (child.pid === undefined) return child;
  endFirst(child.pid);
  if (politely) lowerPriority(child.pid);
  return child;
}

function heapLimit(): string[] {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return memory >= LARGE_MEMORY ? [`--max-old-space-size=${HEAP}`] : [];
}

/** Not left to the process: it would be late, for most of the memory that it takes goes to the modules that it loads. */
function endFirst(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // No Linux, or no /proc.
  }
}

/** Before it has threads: they get the priority that it has then. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, Math.min(LOWEST, getPriority() + NICENESS));
  } catch {
    // Where the system does not allow that, the reload is only less polite.
  }
}

/** Milliseconds between two looks. */
const LOOK_INTERVAL = 250;

/** Milliseconds of waiting for a core that are no reason for anything. */
const FAIR_WAIT = 1_000;

/** Others leave a process hardly a core. */
export class StarvedError extends Error {}

/** Rejects with {@link StarvedError} when the process has waited for a core for a second, and twice as long as it had one;
 * never where the system does not say. Rejects with another error once `settled`. */
export async function untilStarved({ pid }: ChildProcess, settled: AbortSignal): Promise<never> {
  for (;;) {
    await delay(LOOK_INTERVAL, undefined, { signal: settled, ref: false });
    const [ran = 0, waited = 0] = scheduled(pid);
    if (waited > FAIR_WAIT && waited > 2 * ran) throw new StarvedError();
  }
}

/** Milliseconds for which a process had a core, and waited for one; empty where that is not known. */
function scheduled(pid = 0): number[] {
  try {
    const fields = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ');
    return fields.slice(0, 2).map((nanoseconds) => Number(nanoseconds) / 1e6);
  } catch {
    return [];
  }
}
