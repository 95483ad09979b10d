import type { Committed } from '../tlog/core/committed.ts';
import type { PrecertificateEntry } from '../ct-log/format/leaf.ts';
import type { SctReceipt } from '../ct-log/format/sct.ts';

/** All that issuing asks of a transparency log. */
export interface PrecertificateLog {
  /** Resolves once the entry is durably in the tree and covered by a signed head. Rejects, with an error of the log's
   * own, when that is not known to be so: then no certificate may leave. See {@link isNotLogged}. */
  append(entry: PrecertificateEntry): Promise<Committed<SctReceipt>>;
  /** What the log is known to refuse every entry with now; undefined while it takes entries. Cheap. */
  refusal(): Error | undefined;
}

/** Whether an error of the log says that the entry is certainly not in the tree. */
export const isNotLogged = (error: unknown): boolean =>
  error instanceof Error && 'mayBeLogged' in error && error.mayBeLogged === false;
