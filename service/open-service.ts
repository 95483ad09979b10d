/** The composition root: opens a data directory and everything of a running service in order, and ends it in order. */
import { availableParallelism } from 'node:os';
import { openAudit, type Audit } from '../audit/audit.ts';
import { loadConfig, type LoadedConfig } from '../config/load/load.ts';
import type { MayflyConfig } from '../config/settings/mayfly-config.ts';
import type { Clock } from '../core/clock.ts';
import { MayflyError } from '../core/errors.ts';
import { removeLeftovers } from '../instance/change-lock.ts';
import { openDataDirectory } from '../instance/data-directory.ts';
import { ownHosts } from '../server/http/own-hosts.ts';
import { requireProtectedTransport, urlHost } from '../server/http/listen-address.ts';
import { requireIdentifiableReaders, type LogAccessRule } from '../server/log/log-access.ts';
import { createServiceLog, type ServiceLogLevel, type ServiceLog } from '../server/operator/service-log.ts';
import type { Output } from '../storage/output.ts';
import { readSecretFile, type Warn } from '../storage/secret-file.ts';
import { configWarnings } from './config-warnings.ts';
import { developmentAccess, newsOf, type Development } from './development-settings.ts';
import type { OpenedService } from './handlers.ts';
import { startListeners, type Listeners, type NetworkOptions } from './listeners.ts';
import { LogDestination } from './log-destination.ts';
import { openStores, type StoreOptions, type Stores } from './open-stores.ts';
import { ConfigurationFollower } from './reload/configuration-follower.ts';
import { loadSettled, type SettledConfig } from './reload/settled-load.ts';
import { instanceTargets } from '../trust/tuf/instance-targets.ts';
import { openTuf, tufRootKeyOpener, urlsOfService } from './open-tuf.ts';
import { openEntryLines } from './entry-lines.ts';
import { namedLogs } from './open-artifact-logs.ts';
import { openServiceWitness } from './open-witness.ts';
import { recordRedactions } from './redaction-records.ts';
import { ShutdownOrder } from './shutdown-order.ts';
import { canShareAddress, HttpWorkers, type WorkersOptions } from './workers/http-workers.ts';

/** A service to be opened. */
interface ServiceOptions extends StoreOptions, NetworkOptions {
  /** The data directory. One that was made for the other mode is refused. */
  readonly data: string;
  /** Instead of the directory's own `config.yaml`; not for development. */
  readonly configFile?: string | undefined;
  /** Whether the operator says that a proxy in front speaks TLS. */
  readonly behindTlsProxy?: boolean | undefined;
  /** How a shell calls this program: for commands that the log advises. */
  readonly program: string;
  /** Threads that take connections, or one for each core; default: what the configuration says. */
  readonly workers?: number | 'auto' | undefined;
  /** Whether certificates are to be in no log, and carry no SCT. */
  readonly insecureNoLog?: boolean | undefined;
  /** Without it the service is for production. */
  readonly development?: Development | undefined;
  /** Where the service log goes; default: standard error. */
  readonly logOutput?: Output | undefined;
}

/** A service that answers and follows its configuration. */
export interface RunningService extends Listeners {
  /** The configuration that it was started with, and where that file is. */
  readonly config: LoadedConfig;
  readonly configFile: string;
  /** Entries in the log at the start. */
  readonly logSize: number;
  /** Loads the configuration now, changed or not; the log says how it went. Never rejects. */
  reload(): Promise<void>;
  /** Ends the service in the order of {@link ShutdownOrder}: it is not ready any more; goes on for `shutdownDelayMs`; stops
   * accepting and finishes what is under way, in at most 25 s; then closes everything. Rejects after that when the audit
   * could not be closed. */
  close(): Promise<void>;
}

/** Milliseconds for which the end waits for a slow reader of the log. */
const DRAIN_LOG_MS = 1_000;

/**
 * Opens everything in this order:
 *
 * 1. the data directory and the configuration, which are cheap to read and likely to be wrong; the service log;
 * 2. keys, and the logs, which are locked and found right; what was refused up to here changed no file;
 * 3. what killed commands left is removed; the policy, with the file of used tokens where a block wants one; then the logs themselves, for writing;
 * 4. the audit; the TUF repository, which is read and signed before anybody can ask for it;
 * 5. the listeners: TLS files, the operator's port, the public port;
 * 6. in the background, the issuers' keys, and the logs beside the one in use; and the configuration is followed.
 *
 * Rejects with the typed error of what is wrong, and then nothing stays open.
 */
export async function openService(options: ServiceOptions): Promise<RunningService> {
  const shutdown = new ShutdownOrder();
  try {
    return await open(options, shutdown);
  } catch (error) {
    await Promise.allSettled([shutdown.close()]);
    throw error;
  }
}

async function open(options: ServiceOptions, shutdown: ShutdownOrder): Promise<RunningService> {
  const { clock, development, program } = options;
  const mode = development === undefined ? 'production' : 'dev';
  const directory = await openDataDirectory(options.data, { mode, write: true });
  const configFile = options.configFile ?? directory.paths.config;
  const started = await openConfiguration(configFile, development);
  const { config } = started;
  const { mayfly } = config;
  const serviceLog = openServiceLog(mayfly.logLevel, options.logOutput, shutdown);
  const warnings = [...directory.warnings];
  requireOneLog(mayfly, options);
  requireProtectedGrpc(mayfly, options);
  const logAccess = await openLogAccess(mayfly, options, (sentence) => warnings.push(sentence));
  const clients = { clientHost: clientHostOf(options, mayfly), isDevelopment: development !== undefined };
  const stores = await openStores({ ...options, ...clients }, directory, config, serviceLog, shutdown);
  const { authority, log, artifacts, policy, compiler } = stores;
  await development?.configuration.commit();
  if (options.insecureNoLog === true) warnings.push(NO_LOG);
  await removeLeftovers(directory.paths);
  warnings.push(...authority.faults.map(({ message, hint = '' }) => `${message}. ${hint}`), ...log.warnings);
  warnings.push(...(artifacts?.logs.flatMap((one) => one.warnings) ?? []));
  warnings.push(...falseRedactions(artifacts));
  warnings.push(...untimedEntries(stores), ...crowdedGrpc(mayfly, options));
  for (const sentence of warnings) serviceLog.note('warn', 'warning', { sentence });
  // Only now: what a failed start has not said is said by the next one.
  for (const one of [log, ...(artifacts?.logs ?? [])]) await one.noteUse();
  for (const sentence of log.notes) serviceLog.note('info', 'log store', { sentence });
  logFindings(configFile, config, options, serviceLog);
  const audit = await openAuditOf(mayfly, clock, serviceLog, shutdown);
  await recordRedactions(namedLogs(artifacts), { audit, serviceLog });
  const entryLines = await openEntryLines(namedLogs(artifacts), {
    audit,
    definition: mayfly.audit,
    directory: directory.paths.artifacts,
    serviceLog,
  });
  for (const entries of entryLines.values()) shutdown.records.add(() => entries.close());
  const workers = await openWorkers(options, { ...stores, audit, serviceLog, config });
  const follower = new ConfigurationFollower({
    started,
    policy,
    compiler,
    clock,
    log: serviceLog,
    program,
    workers,
  });
  shutdown.following.add(() => follower.close());
  const logSize = log.status().size;
  const { paths } = directory;
  const { steadyClock, passphrase } = options;
  const tuf = await openTuf({ paths, clock, steadyClock, passphrase, serviceLog }, shutdown);
  const service: OpenedService = {
    ...stores,
    clock,
    serviceLog,
    audit,
    entryLines,
    configuration: follower,
    settings: mayfly,
    trustPlaces: directory.paths,
    logAccess,
    isUnlogged: options.insecureNoLog,
    tuf,
    isDevelopment: development !== undefined,
    acceptHost: development && ownHosts(options, development.publicHost),
  };
  if (mayfly.witness !== undefined) {
    const warn = (sentence: string): void => {
      serviceLog.note('warn', 'warning', { sentence });
    };
    const witness = await openServiceWitness(mayfly.witness, { clock, note: serviceLog.note, warn });
    shutdown.clients.add(() => witness.close());
  }
  const listeners = await startListeners(service, options, shutdown, workers?.openClientSide);
  // Keys are fetched in the background: an issuer that is down must not keep the service from starting.
  void policy.current.fetchKeys().then((issuerWarnings) => {
    for (const warning of issuerWarnings) serviceLog.note('warn', 'issuer warning', { ...warning });
  });
  // So are the other logs looked at: what is wrong with one of them must not keep this one from issuing.
  void stores.otherLogs.start().then(() => {
    stores.formerCertificates.start();
    stores.shards?.start();
  });
  stores.scrubbing?.start();
  follower.start();
  const isDevelopment = development !== undefined;
  const { publicUrl, timestamps } = mayfly;
  const grantsTimestamps = timestamps.enabled;
  const addressed = {
    ...stores,
    ...listeners,
    publicUrl,
    isDevelopment,
    grantsTimestamps,
    artifactLogs: artifacts?.config,
  };
  await tuf.start({
    contents: () => instanceTargets(paths, urlsOfService(addressed), clock()),
    openRootKey: isDevelopment ? await tufRootKeyOpener(paths) : undefined,
  });
  return {
    ...listeners,
    config,
    configFile,
    logSize,
    reload: () => follower.reload(),
    close: () => shutdown.close(),
  };
}

/** The host of the URL that clients are given. */
function clientHostOf(
  { development, listen }: ServiceOptions,
  { publicUrl }: MayflyConfig,
): string | undefined {
  if (publicUrl !== undefined) return new URL(publicUrl).hostname;
  return development && (development.publicHost ?? urlHost(listen.host));
}

/** The configuration, as if it was read from `file`: a staged one will be there. */
async function openConfiguration(file: string, development?: Development): Promise<SettledConfig> {
  const { config, contents } = await loadSettled(development?.configuration.file ?? file, loadConfig);
  const [first, ...named] = contents;
  return { config, contents: first === undefined ? [] : [{ ...first, path: file }, ...named] };
}

function openServiceLog(
  level: ServiceLogLevel,
  output: Output | undefined,
  shutdown: ShutdownOrder,
): ServiceLog {
  const destination = new LogDestination(output);
  shutdown.serviceLog.add(() => destination.drained(DRAIN_LOG_MS));
  return createServiceLog(destination, level);
}

/** Throws ListenError when tokens would cross a network in the clear. */
function requireProtectedGrpc({ grpc }: MayflyConfig, options: ServiceOptions): void {
  const address = options.grpcListen ?? grpc.listen;
  const { behindTlsProxy = false, development } = options;
  // Where everybody may be anybody, no token is worth protecting.
  if (development?.publicHost !== undefined) return;
  if (address !== undefined) requireProtectedTransport(address, { tls: false, behindTlsProxy }, 'gRPC');
}

/** A warning where a log says of a body that it is gone, and it is not, or says what the tree does not. */
const falseRedactions = (artifacts: Stores['artifacts']): string[] =>
  namedLogs(artifacts).flatMap(({ name, log: { redactionFault } }) =>
    redactionFault === undefined ? [] : [`artifacts/${name}: ${redactionFault}`],
  );

/** A warning where clients are to log what has no time, and get none. The configuration does not know which keys there are. */
function untimedEntries({ artifacts, timestamps }: Pick<Stores, 'artifacts' | 'timestamps'>): string[] {
  const apis = artifacts?.logs.map(({ api }) => api) ?? [];
  const given = artifacts?.config.clients ?? apis.slice(0, 1);
  if (timestamps !== undefined || !given.includes(2) || !apis.includes(2)) return [];
  return [
    'clients are not given the log for Rekor v2: its entries have no time, and no timestamps are granted here. Make a key for timestamps (`mayfly tsa init`), or have them use v1 (mayfly.artifact-log.clients)',
  ];
}

/** A warning where all clients of gRPC are going to be one. */
function crowdedGrpc({ grpc, trustedProxies }: MayflyConfig, options: ServiceOptions): string[] {
  const isBehindProxy = options.behindTlsProxy === true && (options.grpcListen ?? grpc.listen) !== undefined;
  if (!isBehindProxy || trustedProxies.length > 0) return [];
  return [
    'gRPC is taken behind a proxy, and mayfly.trusted-proxies names none: all clients whose calls it puts on one connection count as one',
  ];
}

/** Who may read the log. Rejects with LogAccessError where the rule would not hold. */
async function openLogAccess(
  { logAccess: kind, logAccessTokenFile, trustedProxies }: MayflyConfig,
  { development, behindTlsProxy = false }: ServiceOptions,
  warn: Warn,
): Promise<LogAccessRule> {
  if (kind === 'token') {
    const token = await readSecretFile(logAccessTokenFile, 'log access token', warn);
    return { kind, token: token ?? '' };
  }
  const access = development === undefined ? { kind } : developmentAccess({ kind }, development);
  requireIdentifiableReaders(access, { behindTlsProxy, trustedProxies });
  return access;
}

/** Two settings that say where certificates are logged. */
class LogChoiceError extends MayflyError<'LOG_AND_NONE'> {}

/** Throws {@link LogChoiceError} where a log is named and none is to be used. */
function requireOneLog({ outsideLog }: MayflyConfig, { insecureNoLog }: ServiceOptions): void {
  if (outsideLog === undefined || insecureNoLog !== true) return;
  throw new LogChoiceError(
    'LOG_AND_NONE',
    'ct-log-url names a log, and --insecure-no-log says that there is none',
    {
      hint: 'Leave one of them out.',
    },
  );
}

/** Said at the start. */
const NO_LOG =
  'INSECURE: certificates are in no log and carry no SCT (--insecure-no-log): nobody can see what is issued, and verifiers that ask for an SCT refuse them';

/** Logs what works in the configuration but should be known. */
function logFindings(
  configFile: string,
  { findings }: LoadedConfig,
  { development, program }: ServiceOptions,
  serviceLog: ServiceLog,
): void {
  const news = development === undefined ? findings : newsOf(findings, development);
  for (const warning of configWarnings(configFile, news, program))
    serviceLog.note('warn', 'warning', { ...warning });
}

/** Undefined where this thread takes the connections: with one worker, where certificates go to a log of somebody else, and, with a warning, where there cannot be more. */
async function openWorkers(
  { workers, insecureNoLog, development }: ServiceOptions,
  parts: Omit<WorkersOptions, 'count'>,
): Promise<HttpWorkers | undefined> {
  if (insecureNoLog === true || parts.config.mayfly.outsideLog !== undefined) return undefined;
  const wanted = workers ?? (development === undefined ? parts.config.mayfly.workers : 1);
  const count = wanted === 'auto' ? availableParallelism() : wanted;
  if (count === 1) return undefined;
  if (await canShareAddress()) return new HttpWorkers({ ...parts, count });
  parts.serviceLog.note('warn', 'warning', {
    sentence: `one worker instead of ${count}: this system, or this version of Node, does not deal the connections of one address out to several threads`,
  });
  return undefined;
}

/** Undefined without `mayfly.audit`. */
async function openAuditOf(
  { audit: definition }: MayflyConfig,
  clock: Clock,
  serviceLog: ServiceLog,
  shutdown: ShutdownOrder,
): Promise<Audit | undefined> {
  if (definition === undefined) return undefined;
  const audit = await openAudit(definition, { clock, note: serviceLog.note });
  shutdown.records.add(() => audit.close());
  return audit;
}
