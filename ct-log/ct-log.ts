/** An open certificate log: the one object that the rest of the program holds. */
import type { LogError } from '../tlog/core/log-error.ts';
import type { LogStatus } from '../tlog/log-status.ts';
import { prepareLog, type LogOptions, type PreparedLog, type TileLog } from '../tlog/log.ts';
import type { Committed } from '../tlog/core/committed.ts';
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

/** A certificate log that this process writes; see `Sequencer.append` for what an append promises. */
export interface CtLog {
  readonly identity: CtLogIdentity;
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  append(entry: PrecertificateEntry): Promise<Committed<SctReceipt>>;
  /** What `append` would reject with at once; undefined when it would try. Cheap. */
  refusal(): LogError | undefined;
  readonly reader: LogReader;
  status(): LogStatus;
  /** Finishes what waits, writes the checkpoint file, releases the directory. Idempotent. */
  close(): Promise<void>;
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
    open: async () => withReader(identity, chain, await prepared.open()),
    close: () => prepared.close(),
  };
}

const withReader = (
  identity: CtLogIdentity,
  chain: readonly Uint8Array[],
  log: TileLog<PrecertificateEntry, SctReceipt, TileLeaf>,
): CtLog => ({
  identity,
  warnings: log.warnings,
  append: (entry) => log.append(entry),
  refusal: () => log.refusal(),
  reader: logReader(identity, log.tree, chain),
  status: () => log.status(),
  close: () => log.close(),
});
