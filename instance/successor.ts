/** The successor of a CA or of a key for timestamps: what may follow, and how one that is staged is given up. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { syncDirectory } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains } from '../trust/collect.ts';
import { entriesOf, withWindows, type TrustEntry } from '../trust/entries.ts';
import { changeTrust, readTrust } from '../trust/ledger.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { RotationError } from './rotation-error.ts';

/** Where the parts of one kind lie. */
export interface Succession {
  readonly paths: DataPaths;
  readonly list: 'certificateAuthorities' | 'timestampAuthorities';
  readonly chain: string;
  readonly nextChain: string;
  readonly nextKey: string;
  readonly formerChains: string;
}

/** Of the issuing CA. */
export const authoritySuccession = (paths: DataPaths): Succession => ({
  paths,
  list: 'certificateAuthorities',
  chain: paths.chain,
  nextChain: paths.nextChain,
  nextKey: paths.nextIntermediateKey,
  formerChains: paths.formerChains,
});

/** Of the key for timestamps. */
export const timestampSuccession = (paths: DataPaths): Succession => ({
  paths,
  list: 'timestampAuthorities',
  chain: paths.timestampChain,
  nextChain: paths.nextTimestampChain,
  nextKey: paths.nextTimestampKey,
  formerChains: paths.formerTimestampChains,
});

/** Whether the staged chain, or the waiting key, is in force already: a switch that was interrupted before its last step. */
export async function isSwitchInterrupted(
  { chain, nextChain }: Succession,
  waiting?: KeyObject,
): Promise<boolean> {
  const [current] = await readChain(chain);
  const [next] = (await isMissing(nextChain)) ? [] : await readChain(nextChain);
  const key = keyOf(current);
  return [keyOf(next), waiting && spkiOf(waiting)].some((other) => isSame(other, key));
}

/** Rejects with {@link RotationError} where {@link isSwitchInterrupted}. */
export async function requireSwitchFinished(succession: Succession, waiting?: KeyObject): Promise<void> {
  if (await isSwitchInterrupted(succession, waiting)) throw interrupted();
}

/** Rejects with {@link RotationError} where a successor is staged: another one is asked for when that one is in force, or given up. */
export async function requireNothingStaged(succession: Succession): Promise<void> {
  if (await isMissing(succession.nextChain)) return;
  await requireSwitchFinished(succession);
  throw new RotationError('REFUSED', `a successor is staged already: ${succession.nextChain}`, {
    hint: 'Put it in force with --switch. To give it up: --discard, which ends its time and removes chain and key.',
  });
}

/** Rejects with {@link RotationError} where the time of a certificate of this key was ended: the key may be known to others, and a certificate with another
 * window would have it believed again. */
export async function requireKeyNotEnded({ paths, list }: Succession, key: KeyObject): Promise<void> {
  const { root } = await readTrust(paths);
  const spki = spkiOf(key);
  const ended = root[list].find(
    ({ chain: [first], window: { end } }) =>
      end !== undefined && end < Date.now() && isSame(keyOf(first), spki),
  );
  if (ended === undefined) return;
  throw new RotationError(
    'REFUSED',
    `the time of the key that waits was ended, at ${rfc3339(ended.window.end ?? 0)}`,
    { hint: 'Give it up with --discard, and ask for another one with --csr.' },
  );
}

/** What was given up. */
export interface Discarded {
  /** What ended of it, as it was before; none where it had not been published. */
  readonly ended: readonly TrustEntry[];
  /** The files that were removed. */
  readonly removed: readonly string[];
}

/**
 * Gives up the successor that is staged or was asked for. It never signed anything, so its time ends where it began, in the ledger first; then its chain is
 * removed, and its key last. A crash leaves what the same call finishes. Rejects with {@link RotationError} where there is nothing, and where the key signs
 * already or did before; nothing is changed then. `open` opens the key that waits.
 */
export async function discardSuccessor(
  succession: Succession,
  open: (file: string) => Promise<KeyObject>,
): Promise<Discarded> {
  const { paths, list, nextChain, nextKey } = succession;
  const files: string[] = [];
  for (const file of [nextChain, nextKey]) if (!(await isMissing(file))) files.push(file);
  if (files.length === 0)
    throw new RotationError(
      'REFUSED',
      `nothing is staged or asked for: there is no ${nextChain} and no ${nextKey}`,
    );
  const key = files.includes(nextKey) ? await open(nextKey) : undefined;
  await requireSwitchFinished(succession, key);
  const [staged] = files.includes(nextChain) ? await readChain(nextChain) : [];
  const keys = [keyOf(staged), key && spkiOf(key)].filter((one) => one !== undefined);
  const hasKey = (der: Uint8Array | undefined): boolean => keys.some((one) => isSame(keyOf(der), one));
  const former = await readFormerChains(succession.formerChains, []);
  if (former.some(([first]) => hasKey(first)))
    throw new RotationError('REFUSED', 'the key that waits was in force before', {
      hint: `What it signed is still to be verified. Move ${files.join(' and ')} away yourself, and end its time with \`mayfly trust end\`.`,
    });
  const ended = await changeTrust(paths, ({ root }) => {
    const entries = entriesOf(root).filter(
      (entry) => entry.list === list && hasKey(root[list][entry.index]?.chain[0]),
    );
    // Trusted roots have whole seconds.
    const end = ({ window: { start } }: TrustEntry): number => Math.floor(start / 1000) * 1000;
    const windowOf = (entry: TrustEntry): TrustEntry['window'] => ({ ...entry.window, end: end(entry) });
    return { root: withWindows(root, entries, windowOf), result: entries };
  });
  for (const file of files) await remove(file);
  return { ended, removed: files };
}

async function remove(file: string): Promise<void> {
  try {
    await rm(file, { force: true });
    await syncDirectory(dirname(file));
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

const interrupted = (): RotationError =>
  new RotationError('REFUSED', 'the last switch was interrupted', {
    hint: 'Finish it: --switch, or the --install that was begun. The key that waits is in force already: do not delete it.',
  });

const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));

/** Of a foreign certificate that cannot be read: undefined. */
function keyOf(der: Uint8Array | undefined): Uint8Array | undefined {
  try {
    return der && parseCertificate(der).spki;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && equalBytes(a, b);
