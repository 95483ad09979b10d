/** `mayfly log move`: takes the logs to where the configuration says. */
import { loadConfig } from '../../config/load/load.ts';
import { changing } from '../../instance/change-lock.ts';
import { moveLogs, type MovedLogReport } from '../../instance/move-logs.ts';
import { usedTokensCopier } from '../../service/move-used-tokens.ts';
import type { Speaker } from '../program/command.ts';

/** Options of the command. */
export interface MoveOptions {
  readonly data: string;
  readonly config?: string;
}

/** Moves what is elsewhere. Rejects with what reading the configuration and {@link moveLogs} reject with. */
export async function move(options: MoveOptions, speak: Speaker): Promise<undefined> {
  const { logs: moved, isTufMoved } = await changing(options.data, async (directory) => {
    const { mayfly } = await loadConfig(options.config ?? directory.paths.config);
    const copyUsedTokens = await usedTokensCopier(directory, mayfly.log);
    await copyUsedTokens(Date.now());
    const moved = await moveLogs(directory, mayfly.log);
    await copyUsedTokens(Date.now());
    return moved;
  });
  for (const { origin, warnings } of moved)
    for (const sentence of warnings) speak.note(`${origin}: ${sentence}`);
  speak.answer(
    {
      logs: moved.map(({ origin, store, isMoved, to = null, files = null, warnings }) => ({
        origin,
        store,
        moved: isMoved,
        tiles: to,
        copied: files,
        warnings,
      })),
      tufMoved: isTufMoved,
    },
    [
      ...moved.map(line),
      ...(isTufMoved ? ['The TUF repository is where the history of the logs is now.'] : []),
      ...(moved.some(isChanged) ? [KEPT] : []),
    ].join('\n'),
  );
  return undefined;
}

const KEPT = 'What was copied is in its old place, too, where nothing needs it any more.';

const isChanged = ({ isMoved, files }: MovedLogReport): boolean => isMoved || files !== undefined;

function line({ origin, store, isMoved, to, files }: MovedLogReport): string {
  const where = to === undefined ? 'in its files' : to === 'postgres' ? 'in the database' : `in ${to}`;
  const history = isMoved ? `its history is in ${store} now; ` : '';
  if (files === undefined) return `${origin}: ${history}its tiles are there already: ${where}`;
  return `${origin}: ${history}${files} files copied; its tiles are ${where}`;
}
