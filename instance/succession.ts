/** How a CA or a key for timestamps is followed by another one: where the parts of each lie, and what must hold before a step. A successor is asked for (its key waits),
 * staged (its chain is published), and switched to, or given up. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { rfc3339 } from '../core/clock.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain } from '../trust/collect.ts';
import { isWithin } from '../trust/format/trusted-root.ts';
import { keyOf } from '../trust/key-holders.ts';
import { readTrust, type InstanceTrust } from '../trust/ledger.ts';
import { authorityKey } from '../trust/union.ts';
import type { DataPaths } from './data-paths.ts';
import { notTrustedNow, RotationError } from './rotation-error.ts';

/** The parts of one kind. */
export interface Succession {
  readonly paths: DataPaths;
  /** Opens the keys. */
  readonly passphrase: string | undefined;
  readonly list: 'certificateAuthorities' | 'timestampAuthorities';
  readonly chain: string;
  readonly key: string;
  readonly nextChain: string;
  readonly nextKey: string;
  readonly formerChains: string;
}

/** Of the issuing CA. */
export const authoritySuccession = (paths: DataPaths, passphrase: string | undefined): Succession => ({
  paths,
  passphrase,
  list: 'certificateAuthorities',
  chain: paths.chain,
  key: paths.intermediateKey,
  nextChain: paths.nextChain,
  nextKey: paths.nextIntermediateKey,
  formerChains: paths.formerChains,
});

/** Of the key for timestamps. */
export const timestampSuccession = (paths: DataPaths, passphrase: string | undefined): Succession => ({
  paths,
  passphrase,
  list: 'timestampAuthorities',
  chain: paths.timestampChain,
  key: paths.timestampKey,
  nextChain: paths.nextTimestampChain,
  nextKey: paths.nextTimestampKey,
  formerChains: paths.formerTimestampChains,
});

/** A chain, DER, the certificate that signs first, root last. */
export type Chain = readonly Uint8Array[];

/** Whether two chains are those of one certificate. */
export const isSameFirst = ([a]: Chain, [b]: Chain): boolean => isSame(a, b);

/** Whether the staged chain, or the waiting key, is in force already: a switch that was interrupted before its last step. */
export async function isSwitchInterrupted(
  { chain, nextChain }: Succession,
  waiting?: KeyObject,
): Promise<boolean> {
  const [current] = await readChain(chain);
  const [next] = (await isMissing(nextChain)) ? [] : await readChain(nextChain);
  const key = current && keyOf(current);
  return [next && keyOf(next), waiting && spkiOf(waiting)].some((other) => isSame(other, key));
}

/** Rejects with {@link RotationError} where {@link isSwitchInterrupted}. */
export async function requireSwitchFinished(succession: Succession, waiting?: KeyObject): Promise<void> {
  if (!(await isSwitchInterrupted(succession, waiting))) return;
  throw new RotationError('REFUSED', 'the last switch was interrupted', {
    hint: 'Finish it: --switch. The key that waits is in force already: do not delete it.',
  });
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
      end !== undefined && end < Date.now() && isSame(first && keyOf(first), spki),
  );
  if (ended === undefined) return;
  throw new RotationError(
    'REFUSED',
    `the time of the key that waits was ended, at ${rfc3339(ended.window.end ?? 0)}`,
    { hint: GIVE_UP },
  );
}

/** Throws {@link RotationError} where verifiers do not trust the chain now, as after a theft: everything that it signed would be refused. */
export function requireTrustedNow({ list }: Succession, chain: Chain, { root }: InstanceTrust): void {
  const entry = root[list].find((one) => authorityKey(one) === authorityKey({ chain }));
  if (entry === undefined || isWithin(entry.window, Date.now())) return;
  throw notTrustedNow('the staged certificate', entry.window, GIVE_UP);
}

/** Rejects with {@link RotationError} where the certificate stands in what verifiers are given with another chain above it: that one is published, and they would not know this one. */
export async function requirePublishedChain({ paths, list }: Succession, chain: Chain): Promise<void> {
  const { root } = await readTrust(paths);
  const known = root[list].find((one) => authorityKey(one) === authorityKey({ chain }));
  if (known === undefined) return;
  const isThis =
    known.chain.length === chain.length && known.chain.every((der, at) => isSame(der, chain[at]));
  if (isThis) return;
  throw new RotationError('REFUSED', 'verifiers are given this certificate with another chain above it', {
    hint: 'Put the same certificates above it. For another root above it: --discard, ask for another key with --csr, and have that root sign it.',
  });
}

const GIVE_UP = 'Give it up with --discard, and ask for another one with --csr.';

/** The public half of a key, DER. */
export const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));

/** Whether both are there, and the same. */
export const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && equalBytes(a, b);
