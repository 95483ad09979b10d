/** The process of `load-apart.ts`: reads the configuration at the path that is its argument, and hands it over. */
import { ConfigError } from '../findings/config-error.ts';
import { loadConfig } from './load.ts';
import { packed, type LoadAnswer } from './packed-config.ts';

async function answer(path: string): Promise<LoadAnswer> {
  try {
    return packed(await loadConfig(path));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { code: error.code, problems: error.problems };
  }
}

// A Ctrl-C, and a service manager, reach every process of the service. They let the service end in order, and so with
// what it began.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

// Not by `exit`, which waits for the threads: one may hang in a file system that does not answer.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

process.send?.(await answer(process.argv[2] ?? ''));
