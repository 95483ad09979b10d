/** What the main thread does for one thread that takes connections: it alone has the log, the limits, the used tokens, the audit,
 * the metrics and the service log. */
import type { Audit } from '../../audit/audit.ts';
import type { Authority } from '../../ca/authority.ts';
import type { CtLog } from '../../ct-log/ct-log.ts';
import type { EntryClaim } from '../../tlog/core/committed.ts';
import type { PolicyUse, Refund } from '../../policy/issuer-policy.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import { TransportError } from '../../server/http/transport-error.ts';
import type { GrpcMethodName, MethodMetrics } from '../../server/operator/grpc-metrics.ts';
import type { ServiceLog } from '../../server/operator/service-log.ts';
import type { ServingHandlers } from '../listeners.ts';
import { ForwardedRequests } from './forwarded-requests.ts';
import type { MainReport, SentCommit, SentRefund, WorkerAsk, WorkerReport } from './messages.ts';
import type { Listener } from './turn-channel.ts';

/** What of the service it uses. */
export interface DeskParts {
  readonly authority: Authority;
  readonly log: Pick<CtLog, 'identity' | 'append' | 'refusal'>;
  readonly audit: Audit | undefined;
  readonly policy: { readonly current: PolicySnapshot };
  readonly serviceLog: ServiceLog;
}

/** Milliseconds after which a use is not refunded any more: its request is long decided. */
const REFUNDABLE_MS = 120_000;

/** The desk of one thread. */
export class WorkerDesk implements Listener<WorkerReport, WorkerAsk> {
  readonly #parts: DeskParts;
  readonly #handlers: ServingHandlers;
  readonly #requests: ForwardedRequests;
  readonly #refunds = new Refunds();
  readonly #methods = new Map<string, MethodMetrics>();

  constructor(parts: DeskParts, handlers: ServingHandlers, report: (message: MainReport) => void) {
    this.#parts = parts;
    this.#handlers = handlers;
    this.#requests = new ForwardedRequests(handlers.public, report);
  }

  reported(message: WorkerReport): void {
    const { records, metrics } = this.#handlers;
    const { serviceLog } = this.#parts;
    switch (message.type) {
      case 'refund':
        this.#refunds.refund(message.refund, message.only);
        break;
      case 'audit':
        void records.audit(message.decision);
        break;
      case 'issued':
        records.issued(message.decision);
        break;
      case 'refused':
        records.keep(message.decision, message.reason, () => message.line);
        break;
      case 'answered':
        metrics.answered(message.status, message.method, message.seconds);
        break;
      case 'line':
        serviceLog.refused(message.line);
        break;
      case 'note':
        serviceLog.note(...message.note);
        break;
      case 'grpc':
        this.#methodOf(message.method)?.[message.event](message.code, message.seconds);
        break;
      case 'untrusted-proxy':
        this.#handlers.onUntrustedProxy(message.client);
        break;
      case 'request':
        this.#requests.open(message);
        break;
      case 'written':
        this.#requests.written(message.id);
        break;
      case 'done':
        this.#requests.done(message.id, message.isSent);
        break;
      case 'disconnected':
        this.#requests.disconnected(message.connection);
    }
  }

  asked(message: WorkerAsk): unknown {
    const { authority } = this.#parts;
    switch (message.type) {
      case 'append':
        return this.#append(message.tbs, message.precertificate, message.claim);
      case 'count':
        return this.#count(message.issuerBlock, message.use);
      case 'audit':
        return this.#handlers.records.audit(message.decision);
      case 'sign':
        return authority.signer.sign(message.data);
      case 'readiness':
        return this.#handlers.readiness();
    }
  }

  /** The thread ended, and with it the connections that its requests came on. What it had asked of the log stays logged. */
  end(): void {
    this.#requests.end();
  }

  async #append(
    tbs: Uint8Array,
    precertificate: Uint8Array,
    claim: EntryClaim | undefined,
  ): Promise<SentCommit> {
    const { authority, log } = this.#parts;
    const { issuerKeyHash, chainFingerprints } = authority;
    const committed = await log.append({ issuerKeyHash, chainFingerprints, tbs, precertificate }, claim);
    const { index, timestamp, treeSize, leafHash, root, receipt } = committed;
    const bytes = new Uint8Array(64 + receipt.sct.length);
    bytes.set(leafHash, 0);
    bytes.set(root, 32);
    bytes.set(receipt.sct, 64);
    return { index, timestamp, treeSize, origin: receipt.origin, bytes };
  }

  /** What is known to keep every certificate from leaving is asked about here once more: the token must still work when that
   * is over. */
  async #count(issuerBlock: string, use: PolicyUse): Promise<SentRefund> {
    const { authority, log, audit, policy } = this.#parts;
    const refusal = log.refusal() ?? authority.signer.remote?.refusal() ?? audit?.refusal();
    if (refusal !== undefined) throw refusal;
    const decider = policy.current.issuerPolicies.get(issuerBlock);
    // A configuration without it was put in force while the request was under way.
    if (decider === undefined) throw configurationChanged();
    return this.#refunds.keep(await decider.count(use));
  }

  #methodOf(name: GrpcMethodName): MethodMetrics | undefined {
    const key = `${name.service}/${name.method}`;
    let method = this.#methods.get(key);
    if (method === undefined) {
      method = this.#handlers.metrics.grpc?.of(name);
      if (method !== undefined) this.#methods.set(key, method);
    }
    return method;
  }
}

const configurationChanged = (): TransportError =>
  new TransportError('TOO_BUSY', 'the configuration changed while the request was under way', {
    hint: 'Try again in a second.',
  });

/** Uses that can be refunded, for a while. */
class Refunds {
  /** In the order of time. */
  readonly #kept = new Map<number, { readonly refund: Refund; readonly at: number }>();
  #last = 0;

  keep(refund: Refund | undefined): SentRefund {
    if (refund === undefined) return undefined;
    const now = performance.now();
    for (const [name, { at }] of this.#kept) {
      if (now - at < REFUNDABLE_MS) break;
      this.#kept.delete(name);
    }
    this.#kept.set(++this.#last, { refund, at: now });
    return this.#last;
  }

  refund(name: number, only: 'token' | undefined): void {
    this.#kept.get(name)?.refund(only);
    this.#kept.delete(name);
  }
}
