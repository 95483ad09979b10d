/** The call that logs an entry, without a transport: both APIs hand it the bytes of a request whose turn has come. Nobody shows a token for an entry. */
import { hash } from 'node:crypto';
import type { Audit } from '../../audit/audit.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import type { RateLimiter } from '../../policy/rate-limit.ts';
import type { AddedEntry, ArtifactLog } from '../../rekor/artifact-log.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import type { AdmitVerifier, EntryVerifier, ProposedEntry } from '../../rekor/entries/proposed-entry.ts';
import { readV1Request } from '../../rekor/entries/v1-request.ts';
import { readV2Proposal } from '../../rekor/entries/v2-proposal.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { clientNetwork } from '../http/client-address.ts';
import { problemOf } from '../reasons/problem.ts';
import type { EntryCaller, EntryRecords } from './entry-records.ts';
import type { LoggedCertificates } from './logged-certificates.ts';
import { redactedEntry } from './redacted-entry.ts';

/** What all logs of a service share: who may log, and how often. */
export interface EntryAdmittance {
  /** Asked before a signature is checked. */
  readonly admission: AdmitVerifier;
  /** Asked when the signatures hold; undefined where certificates need not be in a log. */
  readonly certificates: Pick<LoggedCertificates, 'require'> | undefined;
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

/** What one check of a signature costs, in such checks by P-256. */
const CHECK_COSTS = { 'P-256': 1, 'P-384': 5, 'P-521': 12, rsa: 1, ed25519: 5 } as const;

function checkCost({ spki }: EntryVerifier): number {
  const key = parsePublicKey(spki);
  return CHECK_COSTS[key.type === 'ec' ? key.curve : key.type];
}

/** What additions ask of a log. */
type EntryLog = Pick<ArtifactLog, 'api' | 'add' | 'refusal'>;

/** Entries without a line that are remembered. While a line cannot be written, or an entry not be stored, further ones are refused before they are logged. */
const MAX_UNRECORDED = 16_384;

/** Adds entries to one log. */
export class EntryAdditions {
  readonly #log: EntryLog;
  readonly #admittance: EntryAdmittance;
  readonly #records: EntryRecords;
  /** Hash of a body → when its entry is added and recorded, or neither. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Hashes of bodies whose entries are in the log, or may be, and have no line. */
  readonly #unrecorded = new Set<string>();

  constructor(log: EntryLog, admittance: EntryAdmittance, records: EntryRecords) {
    this.#log = log;
    this.#admittance = admittance;
    this.#records = records;
  }

  /** Takes what a client proposes to log, as the bytes of its request, which may not change before this resolves. Resolves when the entry is durable, published and recorded. Rejects
   * with EntryError, AuditError, and as the log does; each rejection is recorded. */
  readonly add = async (bytes: Uint8Array, caller: EntryCaller): Promise<AddedEntry> => {
    try {
      const charge = this.#takeFromLimit(caller);
      const { audit } = this.#admittance;
      const proposal = await this.#read(bytes, charge);
      // A log that ended takes nothing, but still knows what it has.
      const refusal =
        this.#passingRefusal() ?? (this.#log.refusal() === undefined ? audit?.refusal() : undefined);
      if (refusal !== undefined) throw refusal;
      return await this.#addInTurn(proposal, caller);
    } catch (error) {
      this.refuse(error, caller);
      throw error;
    }
  };

  /** One after the other for the same body: the twin of an entry that is under way is answered when that one's line is written. */
  async #addInTurn(proposal: ProposedEntry, caller: EntryCaller): Promise<AddedEntry> {
    const key = hash('sha256', proposal.body, 'hex');
    for (let first = this.#underWay.get(key); first !== undefined; first = this.#underWay.get(key))
      await first;
    const adding = this.#addAndRecord(key, proposal, caller);
    const done = (): void => {
      this.#underWay.delete(key);
    };
    this.#underWay.set(key, adding.then(done, done));
    return adding;
  }

  /** An entry that is in the log, or may be, without a line gets its line with the next request for it. */
  async #addAndRecord(key: string, proposal: ProposedEntry, caller: EntryCaller): Promise<AddedEntry> {
    try {
      const added = await this.#log.add(proposal);
      if (added.entry.redaction !== undefined) throw redactedEntry(added.entry);
      const isNew = added.isNew || this.#unrecorded.has(key);
      await this.#records.logged(proposal, { ...added, isNew }, caller);
      this.#unrecorded.delete(key);
      return added;
    } catch (error) {
      const isWithoutEntry = error instanceof EntryError || (error instanceof LogError && !error.mayBeLogged);
      if (!isWithoutEntry) this.#remember(key);
      throw error;
    }
  }

  #remember(key: string): void {
    const [oldest] = this.#unrecorded;
    if (oldest !== undefined && this.#unrecorded.size >= MAX_UNRECORDED) this.#unrecorded.delete(oldest);
    this.#unrecorded.add(key);
  }

  /** Records a refusal of a request whose turn did not come. */
  refuse(error: unknown, caller: EntryCaller): void {
    this.#records.refused(problemOf(error, caller.requestId), error, caller);
  }

  /** A log that takes nothing at the moment costs nobody a check of a signature; of one that ended, clients learn first what is wrong with their request, as of Rekor. */
  async #read(bytes: Uint8Array, charge: (entries: number) => void): Promise<ProposedEntry> {
    const refusal = this.#passingRefusal();
    if (refusal !== undefined) throw refusal;
    const { admission, certificates } = this.#admittance;
    let admitted = 0;
    const proposal = await READERS[this.#log.api](bytes, (verifier) => {
      admission(verifier);
      // The request itself has been counted as one.
      charge(checkCost(verifier) - (admitted++ === 0 ? 1 : 0));
    });
    await certificates?.require(proposal.verifiers);
    return proposal;
  }

  #passingRefusal(): LogError | undefined {
    const refusal = this.#log.refusal();
    return refusal?.code === 'LOG_FROZEN' ? undefined : refusal;
  }

  /** Returns what counts further ones. */
  #takeFromLimit({ address }: EntryCaller): (entries: number) => void {
    const { limiter } = this.#admittance;
    if (limiter === undefined) return () => undefined;
    const taken = limiter.take(clientNetwork(address));
    if (taken.ok)
      return (entries) => {
        limiter.charge(taken, entries);
      };
    throw new EntryError('ENTRY_RATE_LIMITED', 'this address logs more entries than one may', {
      hint: `Try again in ${taken.retryAfterSeconds} s.`,
      metadata: { retryAfter: String(taken.retryAfterSeconds) },
    });
  }
}
