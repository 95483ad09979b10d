/** A CA or a key for timestamps is asked for, and staged: verifiers trust it then, and it signs nothing yet. */
import type { KeyObject } from 'node:crypto';
import { utf8 } from '../core/bytes.ts';
import { shareOwner, writeDurably } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain } from '../trust/collect.ts';
import { recordTrust } from '../trust/ledger.ts';
import { systemFault } from './data-directory-error.ts';
import { openPrivateKey } from './private-key-file.ts';
import { RotationError } from './rotation-error.ts';
import {
  isSameFirst,
  requireKeyNotEnded,
  requirePublishedChain,
  requireSwitchFinished,
  type Chain,
  type Succession,
} from './succession.ts';

/** A chain that was checked with its key. */
export interface CheckedChain {
  readonly chain: Chain;
  /** As it is kept: PEM. */
  readonly chainPem: string;
}

/** The key that waits for its chain; undefined where nothing was asked for. Rejects with RotationError where it is in force already or its time was ended, and
 * as {@link openPrivateKey} does. */
export async function waitingKey(succession: Succession): Promise<KeyObject | undefined> {
  const { nextKey, passphrase } = succession;
  if (await isMissing(nextKey)) return undefined;
  const key = await openPrivateKey(nextKey, passphrase);
  await requireUsable(succession, key);
  return key;
}

/** The key of a request that was made, of which a chain was made now. Rejects with RotationError where there is none, and as {@link openPrivateKey} does. */
export async function requestedKey({ nextKey, passphrase }: Succession): Promise<KeyObject> {
  if (await isMissing(nextKey)) throw nothingAsked(nextKey);
  return openPrivateKey(nextKey, passphrase);
}

/** Keeps a chain of the key that waits as the staged one, and records it for verifiers. Staging again replaces the file; what was recorded stays so. A crash
 * leaves the chain unstaged, or staged and not recorded, which is published all the same. Rejects with RotationError where it may not follow, with
 * DataDirectoryError and TrustError. */
export async function stageSuccessor(
  succession: Succession,
  { chain, chainPem }: CheckedChain,
  key: KeyObject,
): Promise<void> {
  const { nextChain, paths } = succession;
  // What is in force is staged again only to finish a switch.
  if (!isSameFirst(chain, await readChain(succession.chain))) await requireUsable(succession, key);
  await requirePublishedChain(succession, chain);
  try {
    await writeDurably(nextChain, utf8(chainPem), 0o644);
    await shareOwner(nextChain, paths.chain);
  } catch (error) {
    throw systemFault(nextChain, 'write', error);
  }
  await recordTrust(paths);
}

async function requireUsable(succession: Succession, key: KeyObject): Promise<void> {
  await requireSwitchFinished(succession, key);
  await requireKeyNotEnded(succession, key);
}

/** The error where no key waits. */
export const nothingAsked = (nextKey: string): RotationError =>
  new RotationError('REFUSED', `nothing was asked for: there is no ${nextKey}`, {
    hint: 'Begin with --csr FILE: the key is made here, and the chain is the answer to its request. If you did, and put the chain in force already, there is nothing left to do but to start the service anew.',
  });
