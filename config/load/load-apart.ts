import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../findings/config-error.ts';
import { LoadProcessError } from './load-process-error.ts';
import { joinParts, type LoadPart } from './load-parts.ts';
import type { LoadedConfig } from './load.ts';
import { startLoader, StarvedError, untilStarved } from './start-loader.ts';

/** Milliseconds after which it is stuck: the largest file takes some seconds, and ten times that on a busy core. */
const LONGEST = 120_000;

/** Characters of what the process says before it ends that are kept. */
const MAX_STDERR_LENGTH = 2_000;

/** How a configuration is loaded apart. */
export interface LoadApartOptions {
  /** Ends the process; the load rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that it may take; default two minutes. */
  readonly longest?: number | undefined;
}

/** As `loadConfig`, in a process of its own: a big file takes a second of a core, and requests would have to wait for
 * it. A thread would not do: what the engine compiles and collects for it is done by threads of the whole process,
 * which have as much right to the core as the one that answers. And a file that eats all memory of a process of its own
 * ends no service. Throws {@link ConfigError}, and {@link LoadProcessError} when the process does not answer. No process
 * is left when it settles, or one that the system will end as soon as it can.
 *
 * The process has a low priority. A machine that is so busy that this leaves it no core would keep a rule that denies
 * waiting for long, and a user without rights cannot raise the priority again: there it is started anew, with that of the
 * service. */
export async function loadConfigApart(path: string, options: LoadApartOptions = {}): Promise<LoadedConfig> {
  const { signal, longest = LONGEST } = options;
  signal?.throwIfAborted();
  const settled = new AbortController();
  const late = delay(longest, undefined, { signal: settled.signal }).then(() => {
    throw new LoadProcessError('LOAD_STUCK', `took longer than ${longest / 1000} s and was ended`);
  });
  const broken = Promise.race([late, ...(signal === undefined ? [] : [aborted(signal, settled.signal)])]);
  broken.catch(() => undefined);
  try {
    return await loadBy(path, true, broken).catch((error: unknown) => {
      if (error instanceof StarvedError) return loadBy(path, false, broken);
      throw error;
    });
  } finally {
    settled.abort();
  }
}

/** Rejects as `broken` does, and with {@link StarvedError} where the process gives way and gets no core. */
async function loadBy(path: string, politely: boolean, broken: Promise<never>): Promise<LoadedConfig> {
  const child = start(path, politely);
  const settled = new AbortController();
  const starving = politely ? [untilStarved(child, settled.signal)] : [];
  const ending = Promise.race([broken, ended(child), ...starving]);
  ending.catch(() => undefined);
  const next = async (): Promise<LoadPart> => {
    // Reading a part takes a while too: those who ask get their turn in between.
    await Promise.race([delay(1), ending]);
    const answer = once(child, 'message', { signal: settled.signal });
    // What cannot be sent any more has its reason in how the process ended.
    child.send('next', () => undefined);
    const [part] = (await Promise.race([answer, ending])) as [LoadPart];
    return part;
  };
  try {
    return await joinParts(next, (code, problems) => new ConfigError(code, path, problems));
  } finally {
    settled.abort();
    end(child);
  }
}

function start(path: string, politely: boolean): ChildProcess {
  try {
    return startLoader(path, politely);
  } catch (cause) {
    throw cannotStart(cause);
  }
}

const cannotStart = (cause: unknown): LoadProcessError =>
  new LoadProcessError('LOAD_NOT_STARTED', 'could not be started', cause);

/** Rejects when the process cannot be started or ends, and tells how. */
function ended(child: ChildProcess): Promise<never> {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, MAX_STDERR_LENGTH);
  });
  return new Promise((_, reject) => {
    child.on('error', (cause) => {
      reject(cannotStart(cause));
    });
    child.on('close', (code, signal) => {
      const cause = words.trim() === '' ? undefined : new Error(`its last words: ${words.trim()}`);
      reject(new LoadProcessError('LOAD_ENDED', `ended with ${code ?? String(signal)}`, cause));
    });
  });
}

/** Rejects with the reason of `signal`; hears no more of it once `settled`. */
async function aborted(signal: AbortSignal, settled: AbortSignal): Promise<never> {
  await once(signal, 'abort', { signal: settled });
  throw signal.reason;
}

/** One that hangs in a file system that does not answer lives until that does: nobody waits for it. */
function end(child: ChildProcess): void {
  child.kill('SIGKILL');
  child.stderr?.destroy();
  if (child.connected) child.disconnect();
  child.unref();
}
