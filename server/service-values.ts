import type { Authority } from '../ca/authority.ts';
import type { Clock } from '../core/clock.ts';
import type { CtLog } from '../ct-log/log.ts';
import type { Authenticator } from '../oidc/authenticate.ts';
import type { ShownIssuer } from './configuration-answer.ts';
import type { ListenAddress } from './listen-address.ts';
import type { LogAccess } from './log-access.ts';
import type { RequestLog } from './request-log.ts';
import type { TlsFiles } from './tls-certificate.ts';

/** Everything a service is made of. `log` and `authenticator` belong to the service from here on: it closes them. */
export interface ServiceValues {
  readonly authority: Authority;
  readonly log: CtLog;
  readonly authenticator: Authenticator;
  /** For `GET /api/v2/configuration`. */
  readonly issuers: readonly ShownIssuer[];
  readonly clock: Clock;
  /** Names of the registry in `ca/signing-algorithms.ts`. */
  readonly permittedAlgorithms: readonly string[];
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
  /** Without it the public listener speaks plain HTTP. */
  readonly tls?: TlsFiles | undefined;
  /** Where clients reach the service, no slash at the end; default: the address of the listener. */
  readonly publicUrl?: string | undefined;
  readonly logAccess: LogAccess;
  /** Addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** Whether the operator says that a proxy in front speaks TLS; default: no. */
  readonly behindTlsProxy?: boolean | undefined;
  readonly limits: ServiceLimits;
  readonly requestLog: RequestLog;
  readonly version: string;
  /** Whether certificates of this service mean nothing to anybody else; said in `log.v3.json`. */
  readonly isForTrying: boolean;
  /** Whether to answer a request with this `Host`, on either listener; without it any name will do. */
  readonly acceptHost?: AcceptHost | undefined;
}

/** A test for the `Host` header of a request, as sent; undefined when there was none. */
export type AcceptHost = (host: string | undefined) => boolean;

/** What the service takes on at once. */
export interface ServiceLimits {
  /** Signing requests worked on. */
  readonly maxInFlight: number;
  /** Reads of the log. */
  readonly readConcurrency: number;
  /** Connections to the public listener; default 4096. */
  readonly connections?: number | undefined;
}

/** What changes while the service runs. */
export interface ServiceState {
  isClosing: boolean;
  /** Base URL of the public listener, once it listens. */
  url: string;
}
