/** Used tokens go where the logs go: what was used before a move cannot be used after it. */
import { statSync } from 'node:fs';
import { certificateLog } from '../instance/certificate-logs.ts';
import type { DataDirectory } from '../instance/data-directory.ts';
import { ReplayDatabase, type TokenUse } from '../policy/replay/replay-database.ts';
import { addUsedTokens, usedTokens } from '../policy/shared/shared-tokens.ts';
import { shareOwner } from '../storage/durable-file.ts';
import { isSameDatabase, readStorePlaces, type StorePlaces } from '../tlog/store/store-places.ts';

/** Tokens of one transaction. */
const AT_ONCE = 1000;

type UsedTokens = Iterable<readonly TokenUse[]> | AsyncIterable<readonly TokenUse[]>;

/** Copies used tokens from where they are now to where the logs are to go, as often as it is called: those that have expired are left, and those that are there. To be called before the logs are moved, so that no service goes on
 * without them, and once more afterwards, when none uses one in the old place any more. What is copied stays there, too. Rejects with ReplayFault and LogError. */
export async function usedTokensCopier(
  directory: DataDirectory,
  { commits: to }: StorePlaces,
): Promise<(now: number) => Promise<void>> {
  const { commits: from } = await readStorePlaces(certificateLog(directory).directory);
  if (isSameDatabase(from, to)) return () => Promise.resolve();
  const { replay, marker } = directory.paths;
  return async (now) => {
    const found = from === undefined ? inFile(replay, now) : usedTokens(from, now, AT_ONCE);
    if (to !== undefined) await addUsedTokens(to, found);
    else if (await intoFile(replay, found, now))
      for (const suffix of ['', '-wal', '-shm']) await shareOwner(`${replay}${suffix}`, marker);
  };
}

function* inFile(path: string, now: number): Iterable<readonly TokenUse[]> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return;
  const database = new ReplayDatabase(path);
  try {
    for (let behind: Uint8Array | undefined; ;) {
      const uses = database.uses(now, behind, AT_ONCE);
      if (uses.length === 0) return;
      yield uses;
      behind = uses.at(-1)?.key;
    }
  } finally {
    database.close();
  }
}

/** Whether there were any: otherwise it makes no file. */
async function intoFile(path: string, found: UsedTokens, now: number): Promise<boolean> {
  let database: ReplayDatabase | undefined;
  try {
    for await (const uses of found) {
      database ??= new ReplayDatabase(path);
      database.markUsed(uses, now);
    }
  } finally {
    database?.close();
  }
  return database !== undefined;
}
