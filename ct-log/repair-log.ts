/** Puts right what is damaged of a certificate log. */
import { FormatError } from '../core/errors.ts';
import { toHex } from '../core/bytes.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { parseIdentityText } from '../tlog/core/log-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import {
  identityFromStore,
  repairLog,
  type RepairKind,
  type RepairOptions,
  type RepairReport,
} from '../tlog/repair.ts';
import { requireStoreOf } from '../tlog/require-identity.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import type { Damage, FileSource } from '../tlog/tree/tile-survey.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { entryFault, readCaKey, type CaKey } from './entry-check.ts';
import type { TileLeaf } from './format/leaf.ts';
import { parseIdentity, readIdentity, type CtLogIdentity } from './log-identity.ts';
import { logKeys } from './log-keys.ts';
import { chainCertificatesOf, TILE_LEAVES } from './tile-leaves.ts';

/** How a certificate log is repaired. */
export interface CtRepairOptions extends Omit<RepairOptions, 'found'> {
  /** Certificates of CAs, DER: what entries name and the log has lost may be among them. */
  readonly certificates: readonly Uint8Array[];
}

/** Looks at the log in `directory`, and puts right what is damaged when that is wanted. Throws LogError as `repairLog` does, and for a `log.json` that nothing proves. */
export async function repairCtLog(
  directory: string,
  { certificates, ...options }: CtRepairOptions,
): Promise<RepairReport & { readonly identity: CtLogIdentity }> {
  const { identity, found } = await identityIn(directory);
  const others = [...options.others, certificateSource(certificates)];
  const report = await repairLog(directory, kindOf(identity), { ...options, found, others });
  return { ...report, identity };
}

async function identityIn(
  directory: string,
): Promise<{ readonly identity: CtLogIdentity; readonly found: readonly Damage[] }> {
  try {
    const identity = await readIdentity(directory);
    requireStoreOf(identity, await (await chooseStores(directory)).commits.read());
    return { identity, found: [] };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    const parse = (text: string): CtLogIdentity => parseIdentityText(text, parseIdentity);
    const { identity, found } = await identityFromStore(directory, parse, logKeys, error);
    return { identity, found: [found] };
  }
}

const kindOf = (identity: CtLogIdentity): RepairKind<TileLeaf> => ({
  identity,
  entries: TILE_LEAVES,
  keys: logKeys(identity),
  companionsOf: chainCertificatesOf,
  judge: (companion) => {
    const keys = new Map<string, Promise<CaKey | undefined>>();
    const keyOf = async (path: string): Promise<CaKey | undefined> => {
      const der = await companion(path);
      try {
        return der === undefined ? undefined : readCaKey(der);
      } catch (error) {
        if (error instanceof FormatError) return undefined;
        throw error;
      }
    };
    return async (entry, index) => {
      const [issuer] = chainCertificatesOf(entry);
      if (issuer !== undefined && !keys.has(issuer)) keys.set(issuer, keyOf(issuer));
      const caKey = issuer === undefined ? undefined : await keys.get(issuer);
      const expected = { index, sctExtensions: identity.sctExtensions, caKey, leafHolds: true };
      return entryFault(entry, expected)?.message;
    };
  },
  mayKeep: () => true,
});

function certificateSource(certificates: readonly Uint8Array[]): FileSource {
  const byPath = new Map(certificates.map((der) => [chainCertificatePath(toHex(sha256(der))), der]));
  return { name: 'the chains of the CA', get: (path) => Promise.resolve(byPath.get(path)) };
}
