import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MayflyError } from '../../core/errors.ts';
import { ConfigError } from '../findings/config-error.ts';
import type { LoadedConfig } from './load.ts';
import { unpacked, type LoadAnswer } from './packed-config.ts';
import { startLoader, StarvedError, untilStarved } from './start-loader.ts';

/** Milliseconds after which it is stuck: the largest file takes some seconds, and ten times that on a busy core. */
const LONGEST = 120_000;

/** Characters of what the process says before it ends that are kept. */
const MAX_STDERR_LENGTH = 2_000;

type LoadProcessCode = 'LOAD_NOT_STARTED' | 'LOAD_ENDED' | 'LOAD_STUCK';

const HINTS: Readonly<Record<LoadProcessCode, string>> = {
  LOAD_NOT_STARTED: 'May this user start another process, and is there memory for it?',
  LOAD_ENDED: 'Is there memory for another process? The system says if it ended it.',
  LOAD_STUCK:
    'Do the file systems of the configuration and of the files that it names answer, and may it start threads (a limit of pids)?',
};

/** The process that should have loaded a configuration sent none. Says nothing about the configuration. */
export class LoadProcessError extends MayflyError<LoadProcessCode> {
  /** `fate`: what became of the process, without the subject of the sentence. */
  constructor(code: LoadProcessCode, fate: string, cause?: unknown) {
    super(code, `the process that loads it ${fate}`, { hint: HINTS[code], cause });
  }
}

/** How a configuration is loaded apart. */
interface LoadApartOptions {
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

/** Rejects as `broken` does, and with {@link StarvedError} where the process has a low priority and gets no core. */
async function loadBy(path: string, politely: boolean, broken: Promise<never>): Promise<LoadedConfig> {
  const child = start(path, politely);
  const settled = new AbortController();
  const { signal } = settled;
  const failed = [broken, ended(child), ...(politely ? [untilStarved(child, signal)] : [])];
  const sent = once(child, 'message', { signal });
  try {
    const [answer] = (await Promise.race([...failed, sent])) as [LoadAnswer];
    if ('code' in answer) throw new ConfigError(answer.code, path, answer.problems);
    return await Promise.race([unpacked(answer), broken]);
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

/** Rejects when the process cannot be started or ends, and says how. */
function ended(child: ChildProcess): Promise<never> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(0, MAX_STDERR_LENGTH);
  });
  return new Promise((_, reject) => {
    child.on('error', (cause) => {
      reject(cannotStart(cause));
    });
    child.on('close', (code, signal) => {
      const cause = stderr.trim() === '' ? undefined : new Error(`it wrote: ${stderr.trim()}`);
      reject(new LoadProcessError('LOAD_ENDED', `ended with ${code ?? String(signal)}`, cause));
    });
  });
}

/** Rejects with the reason of `signal`; stops listening once `settled`. */
async function aborted(signal: AbortSignal, settled: AbortSignal): Promise<never> {
  await once(signal, 'abort', { signal: settled });
  throw signal.reason;
}

/** Does not wait: a process that hangs in a file system that does not answer lives until that does. */
function end(child: ChildProcess): void {
  child.kill('SIGKILL');
  child.stderr?.destroy();
  if (child.connected) child.disconnect();
  child.unref();
}
