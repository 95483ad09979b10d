/** An open certificate log: the one object that the rest of the program holds. */
import type { TileLog } from '../tlog/live-log.ts';
import { prepareLog, type LogOptions, type PreparedLog } from '../tlog/log.ts';
import { ctLogKind } from './ct-log-kind.ts';
import type { PrecertificateEntry, TileLeaf } from './format/leaf.ts';
import type { SctReceipt } from './format/sct.ts';
import { readIdentity, type CtLogIdentity } from './log-identity.ts';
import type { LogSigners } from './log-keys.ts';
import { logReader, type LogReader } from './reader.ts';

/** How a certificate log is opened. */
export interface CtLogOptions extends LogOptions {
  readonly signers: LogSigners;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
}

/** A certificate log that this process writes. */
export interface CtLog extends TileLog<PrecertificateEntry, SctReceipt, TileLeaf> {
  readonly identity: CtLogIdentity;
  readonly reader: LogReader;
}

/** Opens the certificate log in `directory` for writing, in the order of `prepareLog`. Throws LogError as that does. */
export async function openCtLog(options: CtLogOptions): Promise<CtLog> {
  return (await prepareCtLog(options)).open();
}

/** The first half of {@link openCtLog}: what is refused here left every file as it was. */
export async function prepareCtLog(options: CtLogOptions): Promise<PreparedLog<CtLog>> {
  const { directory, signers, chain } = options;
  const identity = await readIdentity(directory);
  const prepared = await prepareLog(ctLogKind(identity, signers, chain), options);
  return {
    open: async () => {
      const log = await prepared.open();
      return { ...log, identity, reader: logReader(identity, log.tree, chain) };
    },
    close: () => prepared.close(),
  };
}
