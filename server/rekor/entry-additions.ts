/** The call that logs an entry, without a transport: both APIs hand it the bytes of a request whose turn has come. Nobody shows a token for an entry. */
import { hash } from 'node:crypto';
import type { Audit } from '../../audit/audit.ts';
import { rfc3339, type Clock } from '../../core/clock.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import type { AnyLimiter } from '../../policy/rate-limit.ts';
import type { AddedEntry, ArtifactLog } from '../../rekor/artifact-log.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import type { AdmitVerifier, EntryVerifier, ProposedEntry } from '../../rekor/entries/proposed-entry.ts';
import { readV1Request } from '../../rekor/entries/v1-request.ts';
import { readV2Proposal } from '../../rekor/entries/v2-proposal.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { clientNetwork } from '../http/client-address.ts';
import { OwedLines } from '../operator/owed-lines.ts';
import type { TrustedPart } from '../operator/service-sources.ts';
import { problemOf } from '../reasons/problem.ts';
import type { Admission } from './admission.ts';
import type { EntryCaller, EntryRecords } from './entry-records.ts';
import type { LoggedCertificates } from './logged-certificates.ts';
import type { AuditedEntries } from './audited-entries.ts';
import { redactedEntry } from './redacted-entry.ts';

/** What all logs of a service share: who may log, and how often. */
export interface EntryAdmittance {
  /** Asked before a signature is checked. */
  readonly admission: Admission;
  /** Asked when the signatures hold; undefined where certificates need not be in a log. */
  readonly certificates: Pick<LoggedCertificates, 'require'> | undefined;
  /** By client; without it nobody is limited. */
  readonly limiter: AnyLimiter | undefined;
  /** Asked before anything is logged: what is not to be recorded is not to be logged either. */
  readonly audit: Pick<Audit, 'refusal'> | undefined;
  readonly clock: Clock;
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
type EntryLog = Pick<
  ArtifactLog,
  'api' | 'identity' | 'isShared' | 'add' | 'find' | 'refusal' | 'signEntryTimestamp'
>;

type FormerEntryLog = Pick<ArtifactLog, 'identity' | 'isShared' | 'find' | 'signEntryTimestamp'> & {
  readonly tree: { readonly frozenAt?: number | undefined };
};

type TrustedWindow = TrustedPart['window'];

/** The logs of one API. */
export interface EntryLogs {
  /** The one that takes entries, unless it has ended. */
  readonly current: EntryLog;
  /** Those before it: what they have is not logged again. */
  readonly former: readonly FormerEntryLog[];
  /** When verifiers trust one of them, milliseconds since the epoch: what was logged at another time they refuse. Undefined where nothing is recorded. */
  readonly windowOf?: ((log: Pick<ArtifactLog, 'identity'>) => TrustedWindow) | undefined;
  /** Follows which entries of {@link current} have their line. */
  readonly audited?: Pick<AuditedEntries, 'begin' | 'recorded'> | undefined;
}

/** An entry that was added or is there, with the log that has it. */
export interface EntryAddition extends AddedEntry {
  readonly log: Pick<ArtifactLog, 'identity' | 'isShared' | 'signEntryTimestamp'>;
}

/** A request whose signatures were verified. */
interface ReadRequest {
  readonly proposal: ProposedEntry;
  /** Why it makes no new entry. */
  readonly refusal: Error | undefined;
}

/** Adds entries to the logs of one API. */
export class EntryAdditions {
  readonly #logs: EntryLogs;
  readonly #admittance: EntryAdmittance;
  readonly #records: EntryRecords;
  /** Hash of a body → when its entry is added and recorded, or neither. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** By the hash of the body. */
  readonly #lines: OwedLines;

  constructor(logs: EntryLogs, admittance: EntryAdmittance, records: EntryRecords) {
    this.#logs = logs;
    this.#admittance = admittance;
    this.#records = records;
    this.#lines = new OwedLines(records.isFailClosed);
  }

  /** Takes what a client proposes to log, as the bytes of its request, which may not change before this resolves. `mayRead`: whether it may read the log. Resolves when the entry is durable,
   * published and recorded. What is there already is answered whatever keeps new entries away: a log that has ended, a clock that is behind, an audit that cannot be written. That the certificate has ended
   * since, or that its log does not have it or cannot be read, keeps it from those alone who may not read it elsewhere either. Rejects with EntryError, AuditError, and as the log does; each rejection is recorded. */
  readonly add = async (bytes: Uint8Array, caller: EntryCaller, mayRead: boolean): Promise<EntryAddition> => {
    try {
      const charge = await this.#takeFromLimit(caller);
      const { proposal, refusal } = await this.#read(bytes, charge);
      if (refusal !== undefined && !mayRead) throw refusal;
      return await this.#addInTurn(proposal, caller, refusal);
    } catch (error) {
      this.refuse(error, caller);
      throw error;
    }
  };

  /** One after the other for the same body: the twin of an entry that is under way is answered when that one's line is written. */
  async #addInTurn(
    proposal: ProposedEntry,
    caller: EntryCaller,
    refusal: Error | undefined,
  ): Promise<EntryAddition> {
    const key = hash('sha256', proposal.body, 'hex');
    for (let first = this.#underWay.get(key); first !== undefined; first = this.#underWay.get(key))
      await first;
    const adding = this.#addAndRecord(key, proposal, caller, refusal);
    const done = (): void => {
      this.#underWay.delete(key);
    };
    this.#underWay.set(key, adding.then(done, done));
    return adding;
  }

  /** An entry that is in the log, or may be, without a line gets its line with the next request for it. */
  async #addAndRecord(
    key: string,
    proposal: ProposedEntry,
    caller: EntryCaller,
    refusal: Error | undefined,
  ): Promise<EntryAddition> {
    const refusalOfNew = refusal ?? this.#refusalOfNew();
    const underWay = this.#logs.audited?.begin();
    try {
      const added = await this.#addOrFind(proposal, refusalOfNew);
      if (added.isNew) underWay?.logged(added.entry.index);
      if (added.entry.redaction !== undefined) throw redactedEntry(added.entry);
      const needsLine = added.isNew || this.#lines.isOwed(key, added.log);
      await this.#records.logged(proposal, added, caller, needsLine);
      if (needsLine) this.#lines.written(key, added.log);
      if (needsLine && added.log === this.#logs.current) this.#logs.audited?.recorded(added.entry.index);
      return added;
    } catch (error) {
      const isWithoutEntry =
        error === refusalOfNew ||
        error instanceof EntryError ||
        (error instanceof LogError && !error.mayBeLogged);
      if (!isWithoutEntry) this.#lines.owe(key);
      throw error;
    } finally {
      underWay?.end();
    }
  }

  async #addOrFind(proposal: ProposedEntry, refusal: Error | undefined): Promise<EntryAddition> {
    const { current } = this.#logs;
    const there = await this.#inFormer(proposal);
    if (there !== undefined) return there;
    if (refusal === undefined) return { ...(await current.add(proposal)), log: current };
    const found = await current.find(proposal.body);
    if (found === undefined) throw refusal;
    const window = this.#logs.windowOf?.(current);
    const { integratedTime, redaction } = found.entry;
    const isRefused =
      window !== undefined && integratedTime !== undefined && !isWithin(window, integratedTime);
    if (isRefused && redaction === undefined) throw refusal;
    return { ...found, log: current };
  }

  /** A log has nothing by certificates that are younger than its end. What verifiers refuse of a log, because its time was ended before it was logged, is no entry that a client could use: it is logged
   * anew. What is redacted stays withheld. */
  async #inFormer(proposal: ProposedEntry): Promise<EntryAddition | undefined> {
    const { former } = this.#logs;
    if (former.length === 0) return undefined;
    const born = youngest(proposal);
    for (const log of former.toReversed()) {
      if (born !== undefined && log.tree.frozenAt !== undefined && born > log.tree.frozenAt) continue;
      const found = await log.find(proposal.body);
      if (found === undefined) continue;
      const isUsable = found.entry.redaction !== undefined || this.#isBelieved(log, found.entry, proposal);
      if (isUsable) return { ...found, log };
    }
    return undefined;
  }

  /** Whether verifiers take an entry of a former log for one of its time. An entry of the second API has no time of its own: where the end was put before that of the log itself, it may be from after it,
   * unless its certificates had ended by then. */
  #isBelieved(
    log: FormerEntryLog,
    { integratedTime }: AddedEntry['entry'],
    proposal: ProposedEntry,
  ): boolean {
    const window = this.#logs.windowOf?.(log);
    if (window === undefined) return true;
    if (integratedTime !== undefined) return isWithin(window, integratedTime);
    const { end = Infinity } = window;
    return (log.tree.frozenAt ?? 0) <= end || lastUse(proposal) <= end;
  }

  /** Why no new entry is logged at the moment. */
  #refusalOfNew(): Error | undefined {
    const { current } = this.#logs;
    const { audit, clock } = this.#admittance;
    const end = this.#logs.windowOf?.(current)?.end;
    return current.refusal() ?? (end !== undefined && clock() > end ? untrusted(end) : audit?.refusal());
  }

  /** Records a refusal of a request whose turn did not come. */
  refuse(error: unknown, caller: EntryCaller): void {
    this.#records.refused(problemOf(error, caller.requestId), error, caller);
  }

  /** A log that cannot work at the moment costs nobody a check of a signature; where it is one that takes nothing, clients learn first what is wrong with their request, as of
   * Rekor, and get what is there. */
  async #read(bytes: Uint8Array, charge: (entries: number) => void): Promise<ReadRequest> {
    this.#requireWorking();
    const { admission, certificates } = this.#admittance;
    let refusal: EntryError | undefined;
    let admitted = 0;
    const proposal = await READERS[this.#logs.current.api](bytes, (verifier) => {
      refusal ??= admission(verifier);
      // The request itself has been counted as one.
      charge(checkCost(verifier) - (admitted++ === 0 ? 1 : 0));
    });
    const unlogged = await certificates?.require(proposal.verifiers).then(() => undefined, refusalOf);
    this.#requireWorking();
    return { proposal, refusal: refusal ?? unlogged };
  }

  #requireWorking(): void {
    const refusal = this.#logs.current.refusal();
    if (refusal !== undefined && !STILL_KNOWS.has(refusal.code)) throw refusal;
  }

  /** Returns what counts further ones. */
  async #takeFromLimit({ address }: EntryCaller): Promise<(entries: number) => void> {
    const { limiter } = this.#admittance;
    if (limiter === undefined) return () => undefined;
    const taken = await limiter.take(clientNetwork(address));
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

/** What is wrong with the certificates of a request makes no new entry. Where there is one already, they were found right when it was logged. */
function refusalOf(error: unknown): Error {
  if (error instanceof EntryError || error instanceof LogError || error instanceof LogReadError) return error;
  throw error;
}

/** A log that refuses new entries for one of these still answers what it has. */
const STILL_KNOWS: ReadonlySet<LogError['code']> = new Set(['LOG_FROZEN', 'LOG_CLOCK']);

const untrusted = (end: number): EntryError =>
  new EntryError('ENTRY_LOG_UNTRUSTED', `verifiers trust the log until ${rfc3339(end)} and no longer`, {
    hint: 'Its operator puts another one in its place (`mayfly rekor rotate`).',
  });

/** Both ends belong to a window; the time of an entry is in seconds. */
const isWithin = ({ start, end = Infinity }: NonNullable<TrustedWindow>, integratedTime: number): boolean => {
  const time = integratedTime * 1000;
  return start <= time && time <= end;
};

/** After when nothing was signed with one of its certificates, in milliseconds since the epoch; never where keys signed that have none. */
const lastUse = ({ verifiers }: ProposedEntry): number =>
  Math.min(...verifiers.map(({ parsed }) => parsed?.notAfter ?? Infinity));

/** When the youngest of its certificates was issued, in milliseconds since the epoch; undefined where a key signed that has none. */
function youngest({ verifiers }: ProposedEntry): number | undefined {
  let born = 0;
  for (const { parsed } of verifiers) {
    if (parsed === undefined) return undefined;
    born = Math.max(born, parsed.notBefore);
  }
  return born;
}

/** Whether a refusal is for good, so that nobody is to send the request again: the log has ended, or verifiers' trust in it has. */
export const isEnded = (error: unknown): boolean =>
  (error instanceof LogError && error.code === 'LOG_FROZEN') ||
  (error instanceof EntryError && error.code === 'ENTRY_LOG_UNTRUSTED');
