/** What is kept of each request to log an entry: numbers, the audit, and lines of the service log. */
import { hash } from 'node:crypto';
import type { Audit } from '../../audit/audit.ts';
import type { EntrySigner, LoggedEntryDecision } from '../../audit/entry-decision.ts';
import { toHex } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import type { AddedEntry, LoggedEntry } from '../../rekor/artifact-log.ts';
import {
  certificateVerifier,
  type EntryVerifier,
  type ProposedEntry,
} from '../../rekor/entries/proposed-entry.ts';
import { readBodyContent } from '../../rekor/format/body-content.ts';
import { certificateIssuers, certificateNames } from '../../core/certificate-names.ts';
import type { EntryMetrics } from '../operator/entry-metrics.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import { refusedLine } from '../operator/refused-line.ts';
import type { ServiceLog } from '../operator/service-log.ts';
import type { Problem } from '../reasons/problem.ts';

/** Who asked. */
export interface EntryCaller {
  readonly requestId: string;
  readonly address: string;
  /** Milliseconds since the request came in. */
  readonly ms: number;
}

/** Where it is kept. */
export interface EntryDestinations {
  readonly metrics: Pick<EntryMetrics, 'logged' | 'refused'>;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** With it, the service log has no lines for entries, and lines for the same refusals. */
  readonly audit?: Audit | undefined;
}

/** Names of a certificate, and digests, that a line has room for. */
const MAX_NAMES = 8;
const MAX_DIGESTS = 16;

/** Keeps them, for one log. */
export class EntryRecords {
  readonly #api: 1 | 2;
  readonly #log: string;
  readonly #destinations: EntryDestinations;

  /** `name` is what the directory of the log is called. */
  constructor(
    { api, name }: { readonly api: 1 | 2; readonly name: string },
    destinations: EntryDestinations,
  ) {
    this.#api = api;
    this.#log = `artifacts/${name}`;
    this.#destinations = destinations;
  }

  /** Whether no answer may leave before its line is written. */
  get isFailClosed(): boolean {
    return this.#destinations.audit?.isFailClosed === true;
  }

  /** Before the entry's answer leaves. Where this returns a promise, the answer has to wait for it; it rejects with AuditError. */
  logged(
    proposal: ProposedEntry,
    added: AddedEntry,
    caller: EntryCaller,
    needsLine: boolean,
  ): Promise<void> | undefined {
    const { metrics, serviceLog, audit } = this.#destinations;
    metrics.logged(this.#api, proposal.kind, added.isNew, caller.ms / 1000);
    if (!needsLine) return undefined;
    const decision = this.#decision(proposal, added, caller);
    if (audit !== undefined) return audit.logged(decision);
    const { log, logIndex, leafHash, kind, signers, digests } = decision;
    const facts = { log, logIndex, leafHash, kind, signers, digests };
    serviceLog.note('info', 'entry', { requestId: caller.requestId, client: caller.address, ...facts });
    return undefined;
  }

  #decision(
    { kind, version, body, verifiers, namedDigests }: ProposedEntry,
    { entry }: AddedEntry,
    caller: EntryCaller,
  ): LoggedEntryDecision {
    return {
      caller,
      log: this.#log,
      logIndex: entry.logIndex,
      leafHash: toHex(entry.leafHash),
      kind: `${kind} ${version}`,
      signers: verifiers.map(signerOf),
      digests: [...readBodyContent(body).digests, ...namedDigests].slice(0, MAX_DIGESTS),
    };
  }

  /** A refusal left. */
  refused(problem: Problem, error: unknown, caller: EntryCaller): void {
    const { metrics, serviceLog, refusalLog, audit } = this.#destinations;
    const { reason } = problem;
    metrics.refused(this.#api, reason);
    const hasLine =
      audit === undefined
        ? refusalLog.take(this.#log, reason)
        : audit.entryRefused({ caller, log: this.#log }, reason);
    if (hasLine) serviceLog.refused(refusedLine(problem, caller, error));
  }
}

/** The decision about an entry that is in a log, made after the service that took it has ended: who asked is not known any more. Undefined for one that is redacted. */
export function storedEntryDecision(log: string, entry: LoggedEntry): LoggedEntryDecision | undefined {
  const { logIndex, leafHash, body, namedDigests, redaction } = entry;
  if (redaction !== undefined) return undefined;
  const { kind, version, digests, verifiers } = readBodyContent(body);
  return {
    caller: { requestId: 'recovered', address: '', ms: 0 },
    log,
    logIndex,
    leafHash: toHex(leafHash),
    kind: `${kind} ${version}`,
    signers: verifiers.map(({ blocks: [der = new Uint8Array()], isCertificate }) =>
      signerOf(isCertificate ? certificateVerifier(parseCertificate(der)) : { spki: der }),
    ),
    digests: [...digests, ...namedDigests].slice(0, MAX_DIGESTS),
  };
}

function signerOf({ parsed, spki }: EntryVerifier): EntrySigner {
  if (parsed === undefined) return { keySha256: hash('sha256', spki, 'hex') };
  return {
    principals: certificateNames(parsed).slice(0, MAX_NAMES),
    issuer: certificateIssuers(parsed)[0],
    certificateSha256: hash('sha256', parsed.der, 'hex'),
  };
}
