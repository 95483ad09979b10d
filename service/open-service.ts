import { openAudit, type Audit } from '../audit/audit.ts';
import type { Clock } from '../core/clock.ts';
import { startService, type RunningService } from './composition.ts';
import type { ListenAddress } from '../server/http/listen-address.ts';
import type { RequestLog } from '../server/operator/request-log.ts';
import type { AcceptHost } from '../server/http/http-listener.ts';
import type { TlsFiles } from '../server/http/tls-certificate.ts';
import { configWarnings } from '../cli/config/config-warnings.ts';
import type { Instance } from './open-instance.ts';
import { followConfiguration, type Follower } from './reload/follow-configuration.ts';

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

/** A service whose configuration is followed. */
export interface FollowingService extends RunningService {
  /** Loads the configuration now, changed or not; the log says how it went. Never rejects. */
  reload(): Promise<void>;
  /** Milliseconds for which {@link RunningService.close} goes on as before. */
  readonly shutdownDelayMs: number;
}

/** Milliseconds for which the end waits for a slow reader of the log. */
const LAST_LINES = 1_000;

/** Starts the service of an instance. What the instance holds open belongs to the
 * service from here on, also when starting fails. */
export async function openService(instance: Instance, options: ServiceOptions): Promise<FollowingService> {
  const { authority, formerChains, log, policy, logAccess, config, directory, replay, requestLog } = instance;
  const { mayfly } = config;
  for (const warning of instance.warnings) requestLog.note('warn', 'warning', { sentence: warning });
  for (const warning of configWarnings(instance.configFile, instance.findings))
    requestLog.note('warn', 'warning', { ...warning });
  replay.onThreadEnd = ({ message, hint }) => {
    requestLog.note('error', 'replay guard ended', { sentence: message, hint });
  };
  const audit = await openAuditOf(instance, requestLog, options.clock);
  const follower = follow(instance, requestLog);
  const service = await startService({
    ...{ authority, formerChains, log, policy, logAccess, requestLog, audit },
    ...options,
    configuration: follower.state,
    replayGuard: () => replay.guard,
    publicUrl: mayfly.publicUrl,
    trustedProxies: mayfly.trustedProxies,
    limits: mayfly.limits,
    shutdownDelayMs: mayfly.shutdownDelay * 1000,
    isDevelopment: directory.marker.mode === 'dev',
  });
  // Keys are fetched in the background: an issuer that is down must not keep the service from starting.
  void policy.current.start().then((warnings) => {
    for (const warning of warnings) requestLog.note('warn', 'issuer warning', { ...warning });
  });
  follower.start();
  return {
    ...service,
    shutdownDelayMs: mayfly.shutdownDelay * 1000,
    reload: () => follower.reload(),
    close: async () => {
      // Together: a file system that does not answer must not put off the end, nor that readiness tells of it.
      await Promise.all([service.close(), follower.close()]);
      await instance.logDestination.drained(LAST_LINES);
    },
  };
}

/** Undefined without `mayfly.audit`. What the instance holds open is closed when the audit cannot be opened. */
async function openAuditOf(
  { config, log, policy }: Instance,
  requestLog: RequestLog,
  clock: Clock,
): Promise<Audit | undefined> {
  const { audit } = config.mayfly;
  if (audit === undefined) return undefined;
  const note: RequestLog['note'] = (level, event, facts) => {
    requestLog.note(level, event, facts);
  };
  return openAudit(audit, { clock, note }).catch(async (error: unknown) => {
    await Promise.allSettled([log.close(), policy.close()]);
    throw error;
  });
}

const follow = ({ config, contents, policy, policyContext }: Instance, log: RequestLog): Follower =>
  followConfiguration({ started: { config, contents }, policy, context: policyContext, log });
