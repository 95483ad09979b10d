import { join } from 'node:path';
import type { LoadedConfig } from '../config/load/load.ts';
import { parseCertificate } from '../core/certificate.ts';
import type { Clock, SteadyClock } from '../core/clock.ts';
import { decodePem } from '../core/pem.ts';
import { openCtLog, prepareCtLog, type CtLog } from '../ct-log/ct-log.ts';
import { endCtLog } from '../ct-log/end-log.ts';
import type { OutsideLog } from '../ct-log/outside/outside-log.ts';
import { artifactSuccession } from '../instance/artifact-logs.ts';
import { requirePlaces } from '../tlog/store/store-places.ts';
import { requireRepositoryAt } from '../trust/tuf/shared-repository.ts';
import { certificateLog } from '../instance/certificate-logs.ts';
import type { DataDirectory } from '../instance/data-directory.ts';
import { OpenedKeys } from '../instance/opened-keys.ts';
import { LivePolicy } from '../policy/live-policy.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { Backends } from '../signers/open-signer.ts';
import type { SignerError } from '../signers/signer-error.ts';
import { FormerCertificates } from './former-certificates.ts';
import { LogInUse } from './log-in-use.ts';
import { namedLogs, prepareArtifactLogs, type OpenedArtifactLogs } from './open-artifact-logs.ts';
import { checkNamedKeys } from './named-keys.ts';
import { openAuthority, type OpenedAuthority } from './open-authority.ts';
import { openCertificateSearch, SearchInUse, type CertificateSearch } from './open-searches.ts';
import { openSubmission, readAcceptedRoots, type OpenedSubmission } from './open-submission.ts';
import { openOutsideLog, trustOutsideLog } from './open-outside-log.ts';
import { openTimestamps, type OpenedTimestamps } from './open-timestamps.ts';
import { OtherLogs } from './other-logs.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import { requestState, type RequestState } from './request-state.ts';
import { Scrubbing } from './scrubber.ts';
import { Shards } from './shards.ts';
import type { ShutdownOrder } from './shutdown-order.ts';
import { TrustedParts } from './trusted-parts.ts';
import { readWitnessSettings } from './witness-settings.ts';

/** How the data directory of a service is opened. */
export interface StoreOptions {
  readonly clock: Clock;
  /** What the clock is held to, so that a wrong one does not date the log; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
  /** Opens the keys. */
  readonly passphrase?: string | undefined;
  /** What reaches keys outside the process; default: those of this version. */
  readonly keyBackends?: Backends | undefined;
}

/** Who comes, as far as the stores have to know. */
interface Clients {
  /** The host of the URL that they are given; undefined where nothing says it. */
  readonly clientHost: string | undefined;
  readonly isDevelopment: boolean;
  /** Whether certificates are to be in no log. */
  readonly insecureNoLog?: boolean | undefined;
}

/** What the service reads and writes in its data directory. The stores of the log are chosen in
 * `tlog/store/choose-stores.ts`. */
export interface Stores extends OpenedAuthority {
  readonly keys: OpenedKeys;
  readonly log: CtLog;
  /** What its entries are found by. */
  readonly search: CertificateSearch;
  /** Where certificates are logged; undefined where that is {@link log}. */
  readonly outsideLog: OutsideLog | undefined;
  /** Undefined where nobody else hands in certificates. */
  readonly submission: OpenedSubmission | undefined;
  /** Undefined where no log of artifacts is served. */
  readonly artifacts: OpenedArtifactLogs | undefined;
  /** The logs beside it. */
  readonly otherLogs: OtherLogs;
  /** Those of them that were in use, as they are searched. */
  readonly formerCertificates: FormerCertificates;
  /** What has the certificate logs follow each other; undefined where nothing does. */
  readonly shards: Shards | undefined;
  /** What reads through their files; undefined where nothing is to. */
  readonly scrubbing: Scrubbing | undefined;
  readonly policy: LivePolicy;
  readonly compiler: PolicyCompiler;
  readonly replayGuard: RequestState['replayGuard'];
  readonly claimsTokens: boolean;
  /** Where limits are counted; undefined: here. */
  readonly buckets: RequestState['buckets'];
  /** Undefined where the service grants no timestamps. */
  readonly timestamps: OpenedTimestamps | undefined;
  readonly trusted: TrustedParts;
}

/** Those of the logs in use, and the TUF repository, must be where the configuration says. */
async function requireLogPlaces(directory: DataDirectory, { mayfly }: LoadedConfig): Promise<void> {
  await requirePlaces(certificateLog(directory).directory, mayfly.log);
  for (const api of [1, 2] as const) {
    const logs = await artifactSuccession(directory.paths, api);
    if (logs !== undefined) await requirePlaces(logs.current.directory, mayfly.log);
  }
  await requireRepositoryAt(directory.paths.tuf, mayfly.log.commits);
}

/** Opens CA, policy and log. The log is found right and locked before anything is opened for writing, so that what is
 * refused leaves every file as it was. Registers in `shutdown` what it opened, also when it rejects: with the typed error of
 * what is wrong. */
export async function openStores(
  options: StoreOptions & Clients,
  directory: DataDirectory,
  config: LoadedConfig,
  serviceLog: ServiceLog,
  shutdown: ShutdownOrder,
): Promise<Stores> {
  const { clock, steadyClock, passphrase } = options;
  await requireLogPlaces(directory, config);
  const { anchor } = config.mayfly.log;
  for (const sentence of await checkNamedKeys(directory, config))
    serviceLog.note('warn', 'warning', { sentence });
  const keys = openedKeys(options, config, serviceLog);
  shutdown.records.add(() => keys.close());
  const { authority, otherChains } = await openAuthority(directory.paths, keys, clock);
  const logPaths = certificateLog(directory);
  const { directory: logDirectory } = logPaths;
  const signers = await keys.log(logPaths);
  const { chain } = authority;
  const { submission: submissionConfig } = config.mayfly.log;
  const roots = submissionConfig === undefined ? [] : await readAcceptedRoots(submissionConfig);
  const acceptedRoots = roots.map(({ der }) => der);
  const { outsideLog: outsideConfig, publicUrl } = config.mayfly;
  const outsideLog = outsideConfig && (await openOutsideLog(outsideConfig, { chain, publicUrl, clock }));
  const witnesses = await readWitnessSettings(config.mayfly.log.witness);
  const servedAs = { publicUrl, intendedUse: options.isDevelopment ? 'test' : 'production' } as const;
  const prepared = await prepareCtLog({
    directory: logDirectory,
    signers,
    chain,
    acceptedRoots,
    servedAs,
    clock,
    steadyClock,
    anchor,
    witnesses,
  });
  let locked: Pick<CtLog, 'close'> = prepared;
  let openedLog: CtLog | undefined;
  shutdown.stores.add(() => locked.close());
  const artifactLogs = await prepareArtifactLogs(
    {
      ...options,
      steadyClock,
      keys,
      paths: directory.paths,
      config: config.mayfly.artifactLog,
      anchor,
      witnesses,
    },
    shutdown,
  );
  for (const sentence of artifactLogs.warnings) serviceLog.note('warn', 'warning', { sentence });
  const requests = requestState({
    place: config.mayfly.log.commits,
    isLogged: outsideConfig === undefined && options.insecureNoLog !== true,
    path: directory.paths.replay,
    clock,
    serviceLog,
  });
  shutdown.stores.add(() => requests.close());
  const { replayGuard, claimsTokens, buckets } = requests;
  const compiler = new PolicyCompiler({ clock, serviceLog, replayGuard, claimsTokens, buckets });
  const policy = new LivePolicy(await compiler.compile(config));
  shutdown.stores.add(() => policy.close());
  // What has to be refused is, before the log is opened for writing.
  const timestamps = await openTimestamps(
    { clock, steadyClock, keys, witness: () => openedLog?.status().clockFailure },
    directory.paths,
    config.mayfly.timestamps,
    serviceLog,
    shutdown,
  );
  const first = requests.watch(await prepared.open());
  const { shards: shardRules } = config.mayfly.log;
  // A log that no other one follows is called without anything in between.
  const inUse = shardRules === undefined || outsideLog !== undefined ? undefined : new LogInUse(first);
  const log = (openedLog = inUse ?? first);
  locked = log;
  const searchInUse = inUse && new SearchInUse(first, logDirectory);
  const search = searchInUse ?? openCertificateSearch(first, logDirectory);
  shutdown.stores.add(() => search.close());
  const submission =
    submissionConfig &&
    (await openSubmission(submissionConfig, roots, log, logDirectory, issuingKeys(authority, otherChains)));
  shutdown.stores.add(() => submission?.submissions.close());
  const artifacts = await artifactLogs.open();
  const otherLogs = new OtherLogs({
    paths: directory.paths,
    current: log.identity,
    chain,
    note: serviceLog.note,
    end: async (other) => {
      const signers = await keys.log(other);
      // By the clock of the log in use: the end is refused while that is not trusted, and tried again.
      return endCtLog({
        directory: other.directory,
        signers,
        chain,
        clock: () => log.now(),
        anchor,
        witnesses,
      });
    },
  });
  shutdown.stores.add(() => otherLogs.close());
  const { scrubIntervalMs } = config.mayfly.log;
  const scrubbing =
    scrubIntervalMs === undefined
      ? undefined
      : new Scrubbing(
          [
            { name: first.identity.name, directory: logDirectory, api: undefined, log: first },
            ...namedLogs(artifacts).map((one) => ({
              name: one.name,
              directory: join(directory.paths.artifacts, one.name),
              api: one.log.api,
              log: one.log,
            })),
          ],
          scrubIntervalMs,
          serviceLog.note,
        );
  shutdown.stores.add(() => scrubbing?.close() ?? Promise.resolve());
  const formerCertificates = new FormerCertificates(directory.paths, otherLogs, serviceLog.note);
  shutdown.stores.add(() => formerCertificates.close());
  if (outsideLog !== undefined) {
    await trustOutsideLog(directory.paths, outsideLog, clock());
    const sentence = `certificates are logged at ${outsideLog.url}, and not in the log of this service`;
    serviceLog.note('warn', 'warning', { sentence });
  }
  const trusted = await TrustedParts.open(directory.paths.trustedRoot, {
    certificate: chain[0] ?? new Uint8Array(),
    logId: () => outsideLog?.logId ?? log.identity.logId,
    isIssuing: () => outsideLog !== undefined || log.status().frozenAt === undefined,
    artifactLogs: namedLogs(artifacts).map(({ log: one }) => ({
      api: one.api,
      logId: one.identity.logId,
      isLogging: () => one.tree.frozenAt === undefined,
    })),
  });
  shutdown.stores.add(() => {
    trusted.close();
  });
  const shards =
    inUse === undefined || shardRules === undefined
      ? undefined
      : new Shards({
          paths: directory.paths,
          chain,
          passphrase,
          rules: shardRules,
          log: inUse,
          open: async (paths) => {
            const next = await openCtLog({
              directory: paths.directory,
              signers: await keys.log(paths),
              chain,
              servedAs,
              clock,
              steadyClock,
              clockBaseline: inUse.clockBaseline(),
              anchor,
              witnesses,
            });
            for (const sentence of next.warnings) serviceLog.note('warn', 'warning', { sentence });
            await next.noteUse().catch(async (error: unknown) => {
              await next.close();
              throw error;
            });
            return requests.watch(next);
          },
          take: async (next, paths) => {
            const former = { identity: inUse.identity, size: inUse.status().size };
            const closeFormer = inUse.follow(next);
            const { name } = paths;
            const { directory } = paths;
            const readers = Promise.allSettled([
              searchInUse?.follow(next, directory),
              scrubbing?.follow(former.identity.name, { name, directory, api: undefined, log: next }),
            ]);
            const ended = otherLogs.follow(next.identity, former, async () => {
              await readers;
              await closeFormer();
            });
            await trusted.read();
            await ended;
          },
          note: serviceLog.note,
        });
  // While the log is open.
  shutdown.clients.add(() => shards?.close());
  return {
    authority,
    otherChains,
    keys,
    log,
    search,
    outsideLog,
    submission,
    artifacts,
    otherLogs,
    shards,
    scrubbing,
    formerCertificates,
    policy,
    compiler,
    replayGuard,
    claimsTokens,
    buckets,
    timestamps,
    trusted,
  };
}

/** Opens the keys of the service, and notes what those outside the process have to say. */
const openedKeys = (
  { passphrase, keyBackends: backends }: StoreOptions,
  { mayfly: { keys } }: LoadedConfig,
  serviceLog: ServiceLog,
): OpenedKeys =>
  new OpenedKeys({
    settings: keys,
    passphrase,
    backends,
    timeoutMs: keys.timeoutMs,
    maxInFlight: keys.maxInFlight,
    note: (sentence) => {
      serviceLog.note('warn', 'warning', { sentence });
    },
    onTrouble: (key, trouble) => {
      if (trouble === undefined) serviceLog.note('info', 'key signs again', { key });
      else serviceLog.note('error', 'key in trouble', { key, ...troubleOf(trouble) });
    },
  });

const troubleOf = ({ code, message, hint }: SignerError): Readonly<Record<string, string | undefined>> => ({
  reason: code,
  sentence: message,
  hint,
});

/** SubjectPublicKeyInfos of the CA that issues, of those that did, and of the one that will. */
const issuingKeys = (
  { chain: [issuing = new Uint8Array()] }: OpenedAuthority['authority'],
  otherChains: OpenedAuthority['otherChains'],
): readonly Uint8Array[] => {
  const others = otherChains.flatMap(([first = '']) => decodePem(first).map(({ bytes }) => bytes));
  return [issuing, ...others].map((der) => parseCertificate(der).spki);
};
