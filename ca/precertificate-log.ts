import { isCommitted, type Committed, type EntryClaim } from '../tlog/core/committed.ts';
import type { PrecertificateEntry } from '../ct-log/format/leaf.ts';
import type { SctReceipt } from '../ct-log/format/sct.ts';
import { isOutsideSct, type OutsideSct } from '../ct-log/outside/outside-sct.ts';
import { isUnlogged, type Unlogged } from './no-log.ts';

/** What a certificate is signed for: an entry that is committed here, which has an index; the verified promise of a log of somebody else, which has none; or the operator's word
 * that there is no log, which has no SCT either. */
export type Logged = Committed<SctReceipt> | OutsideSct | Unlogged;

/** The check at release: whether a log made this value, whatever its type says. */
export const isLogged = (value: object): value is Logged =>
  isCommitted(value) || isOutsideSct(value) || isUnlogged(value);

/** In which log of this service an entry is, at which place, and the size of the signed head that covers it. */
interface LoggedPlace {
  /** Undefined where there is one log only. */
  readonly origin: string | undefined;
  readonly leafIndex: number;
  readonly treeSize: number;
}

/** Where an entry is; undefined where it is logged elsewhere, or nowhere. */
export const placeOf = (logged: Logged): LoggedPlace | undefined =>
  isOutsideSct(logged) || isUnlogged(logged)
    ? undefined
    : { origin: logged.receipt.origin, leafIndex: logged.index, treeSize: logged.treeSize };

/** All that issuing asks of a transparency log. */
export interface PrecertificateLog {
  /** Which log it is, for records. */
  readonly identity: { readonly origin: string };
  /** Resolves once the entry is durably in the tree and covered by a signed head, or the log that has it promised to log it and that was verified. Rejects, with an error of the log's
   * own, when that is not known to be so: then no certificate may leave. See {@link isNotLogged}. `claim`, which comes where the log takes such, is used up with the entry, or neither is; rejects with an error for which
   * `isClaimTaken` holds when it was used up before. */
  append(entry: PrecertificateEntry, claim?: EntryClaim): Promise<Logged>;
  /** What the log is known to refuse every entry with now; undefined while it takes entries. Cheap. */
  refusal(): Error | undefined;
}

/** Whether an error of the log says that the entry is certainly not in the tree. */
export const isNotLogged = (error: unknown): boolean =>
  error instanceof Error && 'mayBeLogged' in error && error.mayBeLogged === false;
