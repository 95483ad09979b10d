/** The process of `load-apart.ts`: reads the configuration at the path that is its argument, and hands it over. */
import { ConfigError } from './config-error.ts';
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

// A Ctrl-C reaches every process of the session. It lets the service end in order, and so with what it began.
process.on('SIGINT', () => undefined);

const parts = answer(process.argv[2] ?? '');
process.on('message', () => {
  void parts.next().then(({ value }) => {
    if (value !== undefined) process.send?.(value);
  });
});
