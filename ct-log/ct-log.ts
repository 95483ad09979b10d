/** An open certificate log: the one object that the rest of the program holds. */
import type { TileLog } from '../tlog/live-log.ts';
import { prepareLog, type LogOptions, type PreparedLog } from '../tlog/log.ts';
import { ChainCertificates } from './chain-certificates.ts';
import { ctLogKind, SctMaker } from './ct-log-kind.ts';
import type { CtLogEntry, TileLeaf } from './format/leaf.ts';
import type { SctReceipt } from './format/sct.ts';
import { readIdentity, type CtLogIdentity } from './log-identity.ts';
import type { LogSigners } from './log-keys.ts';
import { describeCtLog, type ServedAs } from './published-description.ts';
import { logReader, type LogReader } from './reader.ts';

/** How a certificate log is opened. */
export interface CtLogOptions extends LogOptions {
  readonly signers: LogSigners;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** DER of further roots whose certificates are taken from others: what `get-roots` lists beside that of the chain. */
  readonly acceptedRoots?: readonly Uint8Array[] | undefined;
  /** What its `log.v3.json` says where others read its tiles in the place of the service. */
  readonly servedAs?: ServedAs | undefined;
}

/** A certificate log that this process writes. */
export interface CtLog extends TileLog<CtLogEntry, SctReceipt, TileLeaf> {
  readonly identity: CtLogIdentity;
  readonly reader: LogReader;
  /** Makes a certificate (DER) durable that entries of other CAs name: such an entry is refused before. Rejects with LogError as the store does. */
  readonly admit: (certificate: Uint8Array) => Promise<void>;
  /** Another SCT for an entry that is under a signed head, with the time and the extensions that it has there. Rejects when the key cannot be reached. */
  readonly signAgain: (entry: Pick<TileLeaf, 'leaf' | 'timestamp' | 'extensions'>) => Promise<SctReceipt>;
}

/** Opens the certificate log in `directory` for writing, in the order of `prepareLog`. Throws LogError as that does. */
export async function openCtLog(options: CtLogOptions): Promise<CtLog> {
  return (await prepareCtLog(options)).open();
}

/** The first half of {@link openCtLog}: what is refused here left every file as it was. */
export async function prepareCtLog(options: CtLogOptions): Promise<PreparedLog<CtLog>> {
  const { directory, signers, chain, acceptedRoots = [], servedAs = {} } = options;
  const identity = await readIdentity(directory);
  const companions = new ChainCertificates(chain);
  const describe = describeCtLog(identity, servedAs);
  const prepared = await prepareLog({ ...ctLogKind(identity, signers, companions), describe }, options);
  return {
    open: async () => {
      const log = await prepared.open();
      return {
        ...log,
        identity,
        reader: logReader(identity, log.tree, chain, acceptedRoots),
        admit: (certificate) => companions.admit(certificate),
        signAgain: (entry) => signAgain(entry, identity, signers),
      };
    },
    close: () => prepared.close(),
  };
}

async function signAgain(
  entry: Pick<TileLeaf, 'leaf' | 'timestamp' | 'extensions'>,
  identity: CtLogIdentity,
  { treeHead }: LogSigners,
): Promise<SctReceipt> {
  const [receipt] = await new SctMaker(identity, treeHead).sign([entry], entry.timestamp);
  if (receipt === undefined) throw new TypeError('each entry has its SCT');
  return receipt;
}
