import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ConfigError } from './config-error.ts';
import type { LoadedConfig } from './load.ts';
import type { LoadAnswer } from './load-worker.ts';

/** What Node before 22.18 needs to run sources. */
const FOR_SOURCES: readonly string[] = ['--experimental-strip-types', '--experimental-transform-types'];

/** As `loadConfig`, in a thread of its own: a big file takes so long to read that requests would have to wait for it.
 * Throws {@link ConfigError}. */
export async function loadConfigApart(path: string): Promise<LoadedConfig> {
  // The compiler rewrites imports but not URLs. The process's own flags (an inspector's port) are not for the thread.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const execArgv = extension === 'ts' ? process.execArgv.filter((flag) => FOR_SOURCES.includes(flag)) : [];
  const file = new URL(`./load-worker.${extension}`, import.meta.url);
  const worker = new Worker(file, { workerData: path, execArgv });
  try {
    const ended = once(worker, 'exit').then(([code]) => {
      throw new Error(`the thread that loads ${path} ended with ${String(code)}`);
    });
    ended.catch(() => undefined);
    const [answer] = (await Promise.race([once(worker, 'message'), ended])) as [LoadAnswer];
    if ('config' in answer) return answer.config;
    throw new ConfigError(answer.code, path, answer.problems);
  } finally {
    await worker.terminate();
  }
}
