/** The keys in a data directory that sign snapshot and timestamp: the one in use, and the one that is to follow. */
import type { Signer } from '../signers/signer.ts';
import { isMissing } from '../storage/read-whole.ts';
import { isOnlineKey } from '../trust/tuf/online-metadata.ts';
import type { Repository } from '../trust/tuf/repository.ts';
import type { DataPaths } from './data-paths.ts';
import { openKey } from './open-key.ts';

/** An online key that could be opened. */
interface OnlineKey {
  /** One of `paths`. */
  readonly file: string;
  readonly signer: Signer;
}

/** A key that could not be opened. */
interface UnopenedKey {
  readonly file: string;
  readonly error: unknown;
}

/** What was found. */
interface OnlineKeys {
  readonly opened: readonly OnlineKey[];
  /** Keys that nobody needs, as `root` names another one. */
  readonly unopened: readonly UnopenedKey[];
}

/** Opens those that are there. One that does not open stops nothing as long as another one is the one that `root` names; where none is, rejects
 * with the error of the first that did not open, as {@link openKey} does. */
export async function openTufOnlineKeys(
  { tufOnlineKey, nextTufOnlineKey }: Pick<DataPaths, 'tufOnlineKey' | 'nextTufOnlineKey'>,
  root: Repository['root'],
  passphrase: string | undefined,
): Promise<OnlineKeys> {
  const opened: OnlineKey[] = [];
  const unopened: UnopenedKey[] = [];
  for (const file of [tufOnlineKey, nextTufOnlineKey]) {
    if (await isMissing(file)) continue;
    try {
      opened.push({ file, signer: await openKey(file, { passphrase }) });
    } catch (error) {
      unopened.push({ file, error });
    }
  }
  const [first] = unopened;
  if (first !== undefined && !opened.some(({ signer }) => isOnlineKey(root, signer.publicKey)))
    throw first.error;
  return { opened, unopened };
}
