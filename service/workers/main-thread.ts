/** The main thread, as a thread that takes connections uses it: everything of which a process has one. */
import type { Audit } from '../../audit/audit.ts';
import type { Caller, IssuedDecision, RefusedDecision, ReleasedDecision } from '../../ca/decision.ts';
import type { PrecertificateLog } from '../../ca/precertificate-log.ts';
import type { PolicyUse, Refund, UseCounter } from '../../policy/issuer-policy.ts';
import { lineOf, type Records } from '../../server/fulcio/decision-records.ts';
import type { GrpcMethodName, MethodMetrics } from '../../server/operator/grpc-metrics.ts';
import type { Readiness } from '../../server/operator/readiness.ts';
import { underText, type RefusedLine, type ServiceLog } from '../../server/operator/service-log.ts';
import { receivedCommitted, type EntryClaim } from '../../tlog/core/committed.ts';
import type {
  MainAsk,
  MainReport,
  SentCommit,
  SentRefund,
  WorkerAsk,
  WorkerStart,
  WorkerReport,
} from './messages.ts';
import { ownBytes, type TurnChannel } from './turn-channel.ts';

/** The conversation with it. */
export type MainChannel = TurnChannel<WorkerReport, WorkerAsk, MainReport, MainAsk>;

type Entry = Parameters<PrecertificateLog['append']>[0];

/** The log. Each entry is committed and its SCT signed in the main thread; only then it answers. */
export class MainLog implements PrecertificateLog {
  readonly #channel: MainChannel;
  #origin: string;
  #refusal: Error | undefined;

  constructor(channel: MainChannel, origin: string) {
    this.#origin = origin;
    this.#channel = channel;
  }

  /** The log that took the last entry. */
  get identity(): PrecertificateLog['identity'] {
    return { origin: this.#origin };
  }

  async append({ tbs, precertificate }: Entry, claim?: EntryClaim): ReturnType<PrecertificateLog['append']> {
    const sent = await this.#channel.ask<SentCommit>({
      type: 'append',
      tbs: ownBytes(tbs),
      precertificate: ownBytes(precertificate),
      claim: claim && { key: ownBytes(claim.key), expires: claim.expires },
    });
    const { index, timestamp, treeSize, origin, bytes } = sent;
    // Another log may be in use than at the start of this thread.
    if (origin !== undefined) this.#origin = origin;
    return receivedCommitted({
      index,
      timestamp,
      treeSize,
      leafHash: bytes.subarray(0, 32),
      root: bytes.subarray(32, 64),
      receipt: { sct: bytes.subarray(64), origin },
    });
  }

  refusal(): Error | undefined {
    return this.#refusal;
  }

  /** What it refuses every entry with from now on. */
  noteRefusal(refusal: Error | undefined): void {
    this.#refusal = refusal;
  }
}

/** The limits and the used tokens. */
export class MainCounter implements UseCounter {
  readonly #channel: MainChannel;

  constructor(channel: MainChannel) {
    this.#channel = channel;
  }

  async count(issuerBlock: string, { who, token }: PolicyUse): Promise<Refund | undefined> {
    const use = token === undefined ? { who } : { who, token: { ...token, key: ownBytes(token.key) } };
    const refund = await this.#channel.ask<SentRefund>({ type: 'count', issuerBlock, use });
    if (refund === undefined) return undefined;
    return (only) => {
      this.#channel.report({ type: 'refund', refund, only });
    };
  }
}

/** Audit, metrics and service log, for decisions. */
export class MainRecords implements Records, Pick<Audit, 'refusal'> {
  readonly #channel: MainChannel;
  readonly #audit: WorkerStart['audit'];
  #refusal: ReturnType<Audit['refusal']>;

  constructor(channel: MainChannel, audit: WorkerStart['audit']) {
    this.#channel = channel;
    this.#audit = audit;
  }

  /** The certificate waits, if not for its line to be written, then until the main thread is certain to get it: whatever
   * becomes of this thread, no certificate leaves without its line. */
  audit(decision: IssuedDecision): Promise<void> | undefined {
    if (this.#audit === 'none') return undefined;
    const { certificate, caller } = decision;
    const sent = { ...decision, caller: plain(caller), certificate: ownBytes(certificate) };
    if (this.#audit === 'fail-closed') return this.#channel.ask({ type: 'audit', decision: sent });
    this.#channel.report({ type: 'audit', decision: sent });
    return this.#channel.flushed();
  }

  issued(decision: ReleasedDecision): void {
    const sent = { ...decision, ...AUDITED, caller: plain(decision.caller) };
    this.#channel.report({ type: 'issued', decision: sent });
  }

  refused(decision: RefusedDecision, problem: Parameters<Records['refused']>[1]): void {
    const line = sentLine(lineOf(decision, problem));
    const sent = { ...decision, caller: plain(decision.caller), error: undefined };
    this.#channel.report({ type: 'refused', decision: sent, reason: problem.reason, line });
  }

  refusal(): ReturnType<Audit['refusal']> {
    return this.#refusal;
  }

  /** What the audit keeps every certificate from leaving with from now on. */
  noteRefusal(refusal: ReturnType<Audit['refusal']>): void {
    this.#refusal = refusal;
  }
}

/** What the audit alone has of a certificate. */
const AUDITED = { certificate: undefined, extensions: undefined };

/** A caller looks up what it is asked for; what travels is what it says now. */
const plain = ({ requestId, address, ms }: Caller): Caller => ({ requestId, address, ms });

/** An error would lose its class on the way, and the classes of what lies under it. */
const sentLine = (line: RefusedLine): RefusedLine =>
  line.cause === undefined ? line : { ...line, cause: underText(line.cause) };

/** The service log. */
export const mainServiceLog = (channel: MainChannel): ServiceLog => ({
  issued: () => undefined,
  refused: (line) => {
    channel.report({ type: 'line', line: sentLine(line) });
  },
  note: (...note) => {
    channel.report({ type: 'note', note });
  },
  flush: () => undefined,
});

/** The counters of calls over gRPC. */
export const mainGrpcMetrics = (
  channel: MainChannel,
): { readonly of: (name: GrpcMethodName) => MethodMetrics } => ({
  of: ({ service, method, type }) => {
    const name = { service, method, type };
    const count =
      (event: keyof MethodMetrics) =>
      (code = 0, seconds = 0): void => {
        channel.report({ type: 'grpc', method: name, event, code, seconds });
      };
    return {
      started: () => {
        count('started')();
      },
      received: () => {
        count('received')();
      },
      sent: () => {
        count('sent')();
      },
      handled: count('handled'),
    };
  },
});

/** Whether the service is ready; not, where the main thread does not say. */
export const mainReadiness = (channel: MainChannel) => (): Promise<Pick<Readiness, 'ready'>> =>
  channel.ask<Readiness>({ type: 'readiness' }).catch(() => ({ ready: false }));
