import type { Clock } from '../core/clock.ts';
import { startService, type RunningService } from '../server/composition.ts';
import type { ListenAddress } from '../server/listen-address.ts';
import { backgroundDestination, createRequestLog } from '../server/request-log.ts';
import type { AcceptHost } from '../server/service-values.ts';
import type { TlsFiles } from '../server/tls-certificate.ts';
import type { Instance } from './open-instance.ts';

/** How an opened instance is put on the network. */
export interface ServiceOptions {
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
  readonly tls?: TlsFiles | undefined;
  readonly clock: Clock;
  readonly version: string;
  /** Whether the operator says that a proxy in front speaks TLS. */
  readonly behindTlsProxy?: boolean | undefined;
  /** The names that the listeners answer to; default: any. */
  readonly acceptHost?: AcceptHost | undefined;
}

const STDERR = 2;

/** Starts the service of an instance, with its log lines on stderr. What the instance holds open belongs to the
 * service from here on, also when starting fails. */
export async function openService(instance: Instance, options: ServiceOptions): Promise<RunningService> {
  const { authority, log, authenticator, logAccess, config, directory } = instance;
  const { issuers, mayfly } = config;
  const requestLog = createRequestLog(backgroundDestination(STDERR), mayfly.logLevel);
  for (const warning of instance.warnings) requestLog.note('warn', 'warning', { sentence: warning });
  const service = await startService({
    ...{ authority, log, authenticator, logAccess, requestLog },
    ...options,
    issuers: issuers.map((definition) => ({ definition, isWildcard: false })),
    permittedAlgorithms: mayfly.clientSigningAlgorithms,
    publicUrl: mayfly.publicUrl,
    trustedProxies: mayfly.trustedProxies,
    limits: mayfly.limits,
    isForTrying: directory.marker.mode === 'dev',
  });
  // Keys are fetched in the background: an issuer that is down must not keep the service from starting.
  void authenticator.start().then((warnings) => {
    for (const warning of warnings) requestLog.note('warn', 'issuer warning', { ...warning });
  });
  return service;
}
