/** The process of `load-apart.ts`: reads the configuration at the path that is its argument, and hands it over. */
import { ConfigError } from '../findings/config-error.ts';
import { partsOf, type LoadPart } from './load-parts.ts';
import { loadConfig } from './load.ts';

async function* answer(path: string): AsyncGenerator<LoadPart, undefined> {
  try {
    yield* partsOf(await loadConfig(path));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    yield { code: error.code, problems: error.problems };
  }
}

// A Ctrl-C, and a service manager, reach every process of the service. They let the service end in order, and so with
// what it began.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

// Not by `exit`, which waits for the threads: one may hang in a file system that does not answer.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

const parts = answer(process.argv[2] ?? '');
process.on('message', () => {
  void parts.next().then(({ value }) => {
    if (value !== undefined) process.send?.(value);
  });
});
