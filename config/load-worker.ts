/** The thread of `load-apart.ts`: reads one configuration and answers with it. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ConfigError, type ConfigCode, type ConfigProblem } from './config-error.ts';
import { loadConfig, type LoadedConfig } from './load.ts';

/** The one answer. An error loses its class on the way, so its parts are sent. */
export type LoadAnswer =
  | { readonly config: LoadedConfig }
  | { readonly code: ConfigCode; readonly problems: readonly ConfigProblem[] };

async function answer(path: string): Promise<LoadAnswer> {
  try {
    return { config: await loadConfig(path) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { code: error.code, problems: error.problems };
  }
}

/** How much this thread gives way to the one that answers requests, where both want the same core: it gets about a
 * tenth. Much less would let a busy service wait for a rule that denies. */
const NICENESS = 10;

// Linux alone has priorities of single threads; elsewhere this would slow down the whole process.
if (process.platform === 'linux') setPriority(NICENESS);

parentPort?.postMessage(await answer(String(workerData)));
