import type { Audit } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import type { Clock } from '../core/clock.ts';
import type { CtLog } from '../tlog/log.ts';
import type { ReplayGuardStatus } from '../policy/replay/replay-guard.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { ConfigurationState } from '../server/operator/configuration-state.ts';
import type { AcceptHost } from '../server/http/http-listener.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import type { LogAccessRule } from '../server/log/log-access.ts';
import type { RequestLog } from '../server/operator/request-log.ts';
import type { TlsFiles, TlsStatus } from '../server/http/tls-certificate.ts';

/** Everything a service is made of. `log`, `policy` and `audit` belong to the service from here on: it closes them. */
export interface ServiceValues {
  readonly authority: Authority;
  /** Chains that issued before, PEM, issuing CA first: verifiers go on trusting them. */
  readonly formerChains?: readonly (readonly string[])[] | undefined;
  readonly log: CtLog;
  readonly policy: ServicePolicy;
  /** Of the configuration that is followed while the service runs; without it none is. */
  readonly configuration?: (() => ConfigurationState) | undefined;
  /** Of used tokens; undefined when no entry wants one. */
  readonly replayGuard?: (() => ReplayGuardStatus | undefined) | undefined;
  readonly clock: Clock;
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
  /** Without it the public listener speaks plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Where clients reach the service, no slash at the end; default: the address of the listener. */
  readonly publicUrl?: string | undefined;
  readonly logAccess: LogAccessRule;
  /** Addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** Whether the operator says that a proxy in front speaks TLS; default: no. */
  readonly behindTlsProxy?: boolean | undefined;
  readonly limits: ServiceLimits;
  /** Milliseconds for which the service goes on after `close`, not ready; default 0. */
  readonly shutdownDelayMs?: number | undefined;
  readonly requestLog: RequestLog;
  /** Without it decisions stand in the request log only. */
  readonly audit?: Audit | undefined;
  readonly version: string;
  /** Whether certificates of this service mean nothing to anybody else; said in `log.v3.json`. */
  readonly isDevelopment: boolean;
  /** Whether to answer a request with this `Host`, on either listener; without it any name will do. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** What decides over requests. `current` is another one when a configuration was loaded. */
export interface ServicePolicy {
  readonly current: PolicySnapshot;
  close(): Promise<void>;
}

/** What the service takes on at once. */
export interface ServiceLimits {
  /** Signing requests worked on. */
  readonly maxInFlight: number;
  /** Reads of the log. */
  readonly readConcurrency: number;
  /** Milliseconds an idle connection is kept, on either listener; default 620 s. */
  readonly idleTimeoutMs?: number | undefined;
  /** Connections to the public listener; default 4096. */
  readonly connections?: number | undefined;
}

/** What changes while the service runs. */
export interface ServiceState {
  isClosing: boolean;
  /** Base URL of the public listener, once it listens. */
  url: string;
  /** Of the certificate that is served, once it is. */
  tls?: (() => TlsStatus) | undefined;
}
