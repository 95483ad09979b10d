/** `mayfly log accept-database`: goes on after a standby was promoted, or another server has come in its place. */
import { loadConfig } from '../../config/load/load.ts';
import { acceptDatabases } from '../../instance/accept-databases.ts';
import { changing } from '../../instance/change-lock.ts';
import type { Speaker } from '../program/command.ts';

/** Options of the command. */
export interface AcceptOptions {
  readonly data: string;
  readonly config?: string;
}

/** Holds each log to what this directory knows of it, and takes the server that answers where the configuration says for the log's own. */
export async function accept({ data, config }: AcceptOptions, speak: Speaker): Promise<undefined> {
  const accepted = await changing(data, async (directory) => {
    const { mayfly } = await loadConfig(config ?? directory.paths.config);
    return acceptDatabases(directory, mayfly.log.commits);
  });
  speak.answer(
    { logs: accepted },
    accepted.length === 0
      ? 'No log of this directory is in a database.'
      : [
          ...accepted.map(
            ({ origin, store, size }) =>
              `${origin}: ${store} has ${size} entries, and all that this directory knows of.`,
          ),
          'Give the command on every other machine that writes these logs, and start the services when it has succeeded on all of them.',
        ].join('\n'),
  );
  return undefined;
}
