import { readFile } from 'node:fs/promises';
import { loadAuthority, type Authority } from '../ca/authority.ts';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { systemFault } from '../instance/data-directory-error.ts';
import type { DataPaths } from '../instance/data-paths.ts';
import type { KeyPlace, OpenedKeys } from '../instance/opened-keys.ts';
import { parseKeyReference } from '../signers/key-reference.ts';
import type { Signer } from '../signers/signer.ts';
import { SignerError } from '../signers/signer-error.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains } from '../trust/collect.ts';

/** The CA of a data directory. */
export interface OpenedAuthority {
  readonly authority: Authority;
  /** Chains that issued before, and behind them the one that is staged; PEM, issuing CA first. */
  readonly otherChains: readonly (readonly string[])[];
}

/** Opens the issuing CA; the root key is never touched. Rejects with DataDirectoryError, KeyFileError, SignerError or what
 * `loadAuthority` rejects with. */
export async function openAuthority(
  paths: DataPaths,
  keys: OpenedKeys,
  clock: Clock,
): Promise<OpenedAuthority> {
  const chainPem = (await read(paths.chain)).toString();
  const signer = await signerOfChain(chainPem, keys.ca(paths), keys);
  const authority = await loadAuthority({ chainPem, signer, clock });
  const former = await readFormerChains(paths.formerChains, authority.chain);
  const chains = [...former, ...(await stagedChains(paths, authority))];
  return {
    authority,
    otherChains: chains.map((chain) => chain.map((der) => encodePem('CERTIFICATE', der))),
  };
}

/** The chain that a renewal staged. One that was interrupted when it put its chain in force left it staged too. */
async function stagedChains(
  { nextChain }: DataPaths,
  { chain: [issuing] }: Authority,
): Promise<readonly (readonly Uint8Array[])[]> {
  if (await isMissing(nextChain)) return [];
  const chain = await readChain(nextChain);
  const isInForce = equalBytes(chain[0] ?? new Uint8Array(), issuing ?? new Uint8Array());
  return isInForce ? [] : [chain];
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemFault(path, 'read', error);
  }
}

/** The signer of the first certificate of a chain. A renewal puts its chain in force first and then moves its key, which is the
 * second of the two until then, to the place of the first: where it was interrupted between the two, the second is the one. A first key that is elsewhere and cannot be
 * opened stops nothing where the second is the one. Rejects with DataDirectoryError, KeyFileError or SignerError. */
export async function signerOfChain(
  chainPem: string,
  [key, nextKey]: readonly [key: KeyPlace, nextKey: KeyPlace],
  keys: OpenedKeys,
): Promise<Signer> {
  const signer = await keys.open(key).catch(async (error: unknown) => {
    const next = error instanceof SignerError ? await followingSigner(chainPem, nextKey, keys) : undefined;
    if (next === undefined) throw error;
    return next;
  });
  if (isKeyOf(chainPem, signer) || (await isAbsent(nextKey))) return signer;
  const next = await keys.open(nextKey);
  return isKeyOf(chainPem, next) ? next : signer;
}

/** The second key if it is the one; undefined also where it cannot be opened: the first is to be heard of then. */
async function followingSigner(
  chainPem: string,
  nextKey: KeyPlace,
  keys: OpenedKeys,
): Promise<Signer | undefined> {
  if (await isAbsent(nextKey)) return undefined;
  const next = await keys.open(nextKey).catch(() => undefined);
  return next !== undefined && isKeyOf(chainPem, next) ? next : undefined;
}

const isAbsent = async ({ reference }: KeyPlace): Promise<boolean> =>
  parseKeyReference(reference).kind === 'file' && (await isMissing(reference));

/** Also true for a malformed chain: `loadAuthority` refuses that. */
function isKeyOf(chainPem: string, { publicKey }: Signer): boolean {
  try {
    const [first] = decodePem(chainPem);
    return first !== undefined && equalBytes(parseCertificate(first.bytes).spki, publicKey);
  } catch (error) {
    if (error instanceof FormatError) return true;
    throw error;
  }
}
