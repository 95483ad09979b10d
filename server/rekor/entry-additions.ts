/** The call that logs an entry, without a transport: both APIs hand it the bytes of a request whose turn has come. Nobody shows a token for an entry. */
import type { Audit } from '../../audit/audit.ts';
import type { RateLimiter } from '../../policy/rate-limit.ts';
import type { AddedEntry, ArtifactLog } from '../../rekor/artifact-log.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import type { AdmitVerifier, ProposedEntry } from '../../rekor/entries/proposed-entry.ts';
import { readV1Request } from '../../rekor/entries/v1-request.ts';
import { readV2Proposal } from '../../rekor/entries/v2-proposal.ts';
import type { LogError } from '../../tlog/core/log-error.ts';
import { clientNetwork } from '../http/client-address.ts';
import { problemOf } from '../reasons/problem.ts';
import type { EntryCaller, EntryRecords } from './entry-records.ts';

/** What all logs of a service share: who may log, and how often. */
export interface EntryAdmittance {
  /** Asked before a signature is checked. */
  readonly admission: AdmitVerifier;
  /** By client; without it nobody is limited. */
  readonly limiter: RateLimiter | undefined;
  /** Asked before anything is logged: what is not to be recorded is not to be logged either. */
  readonly audit: Pick<Audit, 'refusal'> | undefined;
}

const READERS: Readonly<Record<1 | 2, (bytes: Uint8Array, admit: AdmitVerifier) => Promise<ProposedEntry>>> =
  {
    1: readV1Request,
    2: readV2Proposal,
  };

/** What additions ask of a log. */
type EntryLog = Pick<ArtifactLog, 'api' | 'add' | 'refusal'>;

/** Adds entries to one log. */
export class EntryAdditions {
  readonly #log: EntryLog;
  readonly #admittance: EntryAdmittance;
  readonly #records: EntryRecords;

  constructor(log: EntryLog, admittance: EntryAdmittance, records: EntryRecords) {
    this.#log = log;
    this.#admittance = admittance;
    this.#records = records;
  }

  /** Takes what a client proposes to log, as the bytes of its request, which may not change before this resolves. Resolves when the entry is durable, published and recorded. Rejects
   * with EntryError, AuditError, and as the log does; each rejection is recorded. */
  readonly add = async (bytes: Uint8Array, caller: EntryCaller): Promise<AddedEntry> => {
    try {
      this.#takeFromLimit(caller);
      const { audit } = this.#admittance;
      const proposal = await this.#read(bytes);
      // A log that ended takes nothing, but still knows what it has.
      const refusal =
        this.#passingRefusal() ?? (this.#log.refusal() === undefined ? audit?.refusal() : undefined);
      if (refusal !== undefined) throw refusal;
      const added = await this.#log.add(proposal);
      await this.#records.logged(proposal, added, caller);
      return added;
    } catch (error) {
      this.refuse(error, caller);
      throw error;
    }
  };

  /** Records a refusal of a request whose turn did not come. */
  refuse(error: unknown, caller: EntryCaller): void {
    this.#records.refused(problemOf(error, caller.requestId), error, caller);
  }

  /** A log that takes nothing at the moment costs nobody a check of a signature; of one that ended, clients learn first what is wrong with their request, as of Rekor. */
  async #read(bytes: Uint8Array): Promise<ProposedEntry> {
    const refusal = this.#passingRefusal();
    if (refusal !== undefined) throw refusal;
    return READERS[this.#log.api](bytes, this.#admittance.admission);
  }

  #passingRefusal(): LogError | undefined {
    const refusal = this.#log.refusal();
    return refusal?.code === 'LOG_FROZEN' ? undefined : refusal;
  }

  #takeFromLimit({ address }: EntryCaller): void {
    const { limiter } = this.#admittance;
    const taken = limiter?.take(clientNetwork(address));
    if (taken === undefined || taken.ok) return;
    throw new EntryError('ENTRY_RATE_LIMITED', 'this address logs more entries than one may', {
      hint: `Try again in ${taken.retryAfterSeconds} s.`,
      metadata: { retryAfter: String(taken.retryAfterSeconds) },
    });
  }
}
