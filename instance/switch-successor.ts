/** Puts the staged CA or key for timestamps in force. */
import { createHash, type KeyObject } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toHex, utf8 } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { encodePem } from '../core/pem.ts';
import {
  makeDirectory,
  replaceDurably,
  shareOwner,
  syncDirectory,
  writeDurably,
} from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains } from '../trust/collect.ts';
import { recordTrust } from '../trust/ledger.ts';
import { systemFault } from './data-directory-error.ts';
import { openPrivateKey, readKeyFile } from './private-key-file.ts';
import { RotationError } from './rotation-error.ts';
import { nothingAsked, type CheckedChain } from './stage-successor.ts';
import {
  isSameFirst,
  isSwitchInterrupted,
  requireKeyNotEnded,
  requireTrustedNow,
  type Chain,
  type Succession,
} from './succession.ts';

/** What is in force afterwards. */
export interface Switched extends CheckedChain {
  /** The chain before it; undefined where that is not known any more. */
  readonly former: Chain | undefined;
  /** What it was when the call came: staged; or in force already, by a switch that was interrupted and is finished now, or by one that left nothing to do. */
  readonly was: 'staged' | 'interrupted' | 'in force';
}

/** Checks a chain, PEM, with its key as the service will. Rejects with what is wrong. */
export type ChainCheck = (chainPem: string, key: KeyObject) => CheckedChain | Promise<CheckedChain>;

/**
 * Puts the staged chain in force from the next start of the service on. The order makes every crash harmless, and the same call finishes: first the ledger and the
 * folder of former chains keep the old chain, for verifiers; then the new chain is put in force by one rename; then its key takes the place of the old one; then what
 * was staged is removed, the chain last. Between chain and key, `serve` finds the key of the new chain where it waited.
 * Where all of that was done, and only the answer was missed, it resolves with what is in force. Rejects with {@link RotationError} where nothing was ever staged, or it may not follow, with what `check` rejects with, and with DataDirectoryError, KeyFileError and
 * TrustError; nothing is in force then that was not.
 */
export async function switchSuccessor(succession: Succession, check: ChainCheck): Promise<Switched> {
  const { nextKey, passphrase } = succession;
  const key = (await isMissing(nextKey)) ? undefined : await openPrivateKey(nextKey, passphrase);
  const current = await readChain(succession.chain);
  if (key === undefined && (await isMissing(succession.nextChain)))
    return switchedBefore(succession, current);
  const staged = await stagedChain(succession, key);
  // What is damaged is named by its file.
  const next = await readChain(staged);
  if (key === undefined) {
    // Only the staged chain was left to be removed.
    if (!isSameFirst(next, current)) throw nothingAsked(nextKey);
    await removeStaged(succession);
    return { ...inForce(current), was: 'interrupted', former: await youngest(succession) };
  }
  const checked = await check(await textOf(staged), key);
  // What is in force already is finished, whatever became of its time: then it can be followed.
  const isResumed = isSameFirst(checked.chain, current);
  if (!isResumed) {
    requireTrustedNow(succession, checked.chain, await recordTrust(succession.paths));
    await requireKeyNotEnded(succession, key);
    await keepFormer(succession, current);
  }
  await putInForce(succession, checked);
  if (isResumed) return { ...checked, was: 'interrupted', former: await youngest(succession) };
  return { ...checked, was: 'staged', former: current };
}

/** A switch leaves the chain before it. */
async function switchedBefore(succession: Succession, current: Chain): Promise<Switched> {
  const former = await youngest(succession);
  if (former === undefined) throw nothingStaged(succession);
  return { ...inForce(current), was: 'in force', former };
}

const inForce = (chain: Chain): CheckedChain => ({ chain, chainPem: pemOf(chain) });

/** The file of the chain that is switched to. Of an interrupted switch it may be the one in force. */
async function stagedChain(succession: Succession, key: KeyObject | undefined): Promise<string> {
  const { chain, nextChain } = succession;
  if (!(await isMissing(nextChain))) return nextChain;
  if (key !== undefined && (await isSwitchInterrupted(succession, key))) return chain;
  throw nothingStaged(succession);
}

const nothingStaged = ({ nextChain }: Succession): RotationError =>
  new RotationError('REFUSED', `nothing is staged: there is no ${nextChain}`, {
    hint: 'Stage one first with --stage.',
  });

async function putInForce(succession: Succession, { chainPem }: CheckedChain): Promise<void> {
  const { chain, key, nextKey, paths } = succession;
  try {
    await replaceDurably(chain, utf8(chainPem));
    await replaceDurably(key, await readKeyFile(nextKey));
    await rm(nextKey);
    await syncDirectory(dirname(nextKey));
  } catch (error) {
    throw systemFault(paths.root, 'write', error);
  }
  await removeStaged(succession);
}

async function removeStaged({ nextChain }: Succession): Promise<void> {
  try {
    await rm(nextChain, { force: true });
    await syncDirectory(dirname(nextChain));
  } catch (error) {
    throw systemFault(nextChain, 'write', error);
  }
}

/** Keeps the chain as it was read. */
async function keepFormer({ formerChains, paths }: Succession, former: Chain): Promise<void> {
  const name = toHex(
    createHash('sha256')
      .update(former[0] ?? '')
      .digest(),
  ).slice(0, 32);
  const file = join(formerChains, `${name}.pem`);
  try {
    await makeDirectory(formerChains, paths.root);
    await shareOwner(formerChains, paths.chain);
    await writeDurably(file, utf8(pemOf(former)), 0o644);
    await shareOwner(file, paths.chain);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

/** The youngest of the chains that were kept: a switch keeps the one before it first of all. */
async function youngest({ formerChains, chain }: Succession): Promise<Chain | undefined> {
  const kept = await readFormerChains(formerChains, await readChain(chain));
  const begin = ([first]: Chain): number => (first === undefined ? 0 : parseCertificate(first).notBefore);
  return kept.toSorted((a, b) => begin(b) - begin(a))[0];
}

const pemOf = (chain: Chain): string => chain.map((der) => encodePem('CERTIFICATE', der)).join('');

const textOf = (file: string): Promise<string> =>
  readFile(file, 'latin1').catch((error: unknown) => {
    throw systemFault(file, 'read', error);
  });
