/** Gives up a CA or a key for timestamps that was to follow. */
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains } from '../trust/collect.ts';
import { keyOf } from '../trust/key-holders.ts';
import { endUnused, NOTHING_LEFT, removeDurably, type Discarded } from './discarded.ts';
import { openPrivateKey } from './private-key-file.ts';
import { RotationError } from './rotation-error.ts';
import { isSame, requireSwitchFinished, spkiOf, type Succession } from './succession.ts';

/**
 * Gives up the successor that is staged or was asked for. It never signed anything, so its time ends where it began, in the ledger first; then its chain is
 * removed, and its key last. A crash leaves what the same call finishes. Resolves with {@link NOTHING_LEFT} where there is nothing. Rejects with {@link RotationError} where the key signs
 * already or did before, and with KeyFileError where the key that waits does not open; nothing is changed then.
 */
export async function discardSuccessor(succession: Succession): Promise<Discarded> {
  const { paths, passphrase, list, nextChain, nextKey } = succession;
  const files: string[] = [];
  for (const file of [nextChain, nextKey]) if (!(await isMissing(file))) files.push(file);
  if (files.length === 0) return NOTHING_LEFT;
  const key = files.includes(nextKey) ? await openPrivateKey(nextKey, passphrase) : undefined;
  await requireSwitchFinished(succession, key);
  const [staged] = files.includes(nextChain) ? await readChain(nextChain) : [];
  const keys = [staged && keyOf(staged), key && spkiOf(key)];
  const hasKey = (der: Uint8Array | undefined): boolean =>
    der !== undefined && keys.some((one) => isSame(keyOf(der), one));
  const former = await readFormerChains(succession.formerChains, []);
  if (former.some(([first]) => hasKey(first)))
    throw new RotationError('REFUSED', 'the key that waits was in force before', {
      hint: `What it signed is still to be verified. Move ${files.join(' and ')} away yourself, and end its time with \`mayfly trust end\`.`,
    });
  const ended = await endUnused(paths, list, ({ chain: [first] }) => hasKey(first));
  for (const file of files) await removeDurably(file);
  return { ended, removed: files };
}
