import type { LoadedConfig } from '../config/load/load.ts';
import type { Clock, SteadyClock } from '../core/clock.ts';
import { prepareCtLog, type CtLog } from '../ct-log/ct-log.ts';
import { endCtLog } from '../ct-log/end-log.ts';
import { certificateLog } from '../instance/certificate-logs.ts';
import type { DataDirectory } from '../instance/data-directory.ts';
import { openLogKeys } from '../instance/open-key.ts';
import { LivePolicy } from '../policy/live-policy.ts';
import type { CertificateEntry } from '../search/certificate-entries.ts';
import type { SearchIndex } from '../search/search-index.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import { FormerCertificates } from './former-certificates.ts';
import { LazyReplayGuard } from './lazy-replay-guard.ts';
import { namedLogs, prepareArtifactLogs, type OpenedArtifactLogs } from './open-artifact-logs.ts';
import { openAuthority, type OpenedAuthority } from './open-authority.ts';
import { openCertificateSearch } from './open-searches.ts';
import { openTimestamps, type OpenedTimestamps } from './open-timestamps.ts';
import { OtherLogs } from './other-logs.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import type { ShutdownOrder } from './shutdown-order.ts';
import { TrustedParts } from './trusted-parts.ts';

/** How the data directory of a service is opened. */
export interface StoreOptions {
  readonly clock: Clock;
  /** What the clock is held to, so that a wrong one does not date the log; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
  /** Opens the keys. */
  readonly passphrase?: string | undefined;
}

/** Who comes, as far as the stores have to know. */
interface Clients {
  /** The host of the URL that they are given; undefined where nothing says it. */
  readonly clientHost: string | undefined;
  readonly isDevelopment: boolean;
}

/** What the service reads and writes in its data directory. The stores of the log are chosen in
 * `tlog/store/choose-stores.ts`. */
export interface Stores extends OpenedAuthority {
  readonly log: CtLog;
  /** What its entries are found by. */
  readonly search: SearchIndex<CertificateEntry>;
  /** Undefined where no log of artifacts is served. */
  readonly artifacts: OpenedArtifactLogs | undefined;
  /** The logs beside it. */
  readonly otherLogs: OtherLogs;
  /** Those of them that were in use, as they are searched. */
  readonly formerCertificates: FormerCertificates;
  readonly policy: LivePolicy;
  readonly compiler: PolicyCompiler;
  readonly replayGuard: LazyReplayGuard;
  /** Undefined where the service grants no timestamps. */
  readonly timestamps: OpenedTimestamps | undefined;
  readonly trusted: TrustedParts;
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
  const { authority, otherChains } = await openAuthority(directory.paths, passphrase, clock);
  const { directory: logDirectory, ecdsaKey, ed25519Key } = certificateLog(directory);
  const signers = await openLogKeys({ ecdsaKey, ed25519Key }, passphrase);
  const { chain } = authority;
  const prepared = await prepareCtLog({ directory: logDirectory, signers, chain, clock, steadyClock });
  let locked: Pick<CtLog, 'close'> = prepared;
  let openedLog: CtLog | undefined;
  shutdown.stores.add(() => locked.close());
  const artifactLogs = await prepareArtifactLogs(
    { ...options, steadyClock, passphrase, paths: directory.paths, config: config.mayfly.artifactLog },
    shutdown,
  );
  for (const sentence of artifactLogs.warnings) serviceLog.note('warn', 'warning', { sentence });
  const replayGuard = new LazyReplayGuard(directory.paths.replay, clock, serviceLog);
  shutdown.stores.add(() => replayGuard.close());
  const compiler = new PolicyCompiler({ clock, serviceLog, replayGuard });
  const policy = new LivePolicy(await compiler.compile(config));
  shutdown.stores.add(() => policy.close());
  // What has to be refused is, before the log is opened for writing.
  const timestamps = await openTimestamps(
    { clock, steadyClock, passphrase, witness: () => openedLog?.status().clockFailure },
    directory.paths,
    config.mayfly.timestamps,
    serviceLog,
    shutdown,
  );
  const log = (openedLog = await prepared.open());
  locked = log;
  const search = openCertificateSearch(log, logDirectory);
  shutdown.stores.add(() => search.close());
  const artifacts = await artifactLogs.open();
  const otherLogs = new OtherLogs({
    paths: directory.paths,
    current: log.identity,
    chain,
    note: serviceLog.note,
    end: async (other) => {
      const keys = await openLogKeys(other, passphrase);
      return endCtLog({ directory: other.directory, signers: keys, chain, clock });
    },
  });
  shutdown.stores.add(() => otherLogs.close());
  const formerCertificates = new FormerCertificates(directory.paths, otherLogs, serviceLog.note);
  shutdown.stores.add(() => formerCertificates.close());
  const trusted = await TrustedParts.open(directory.paths.trustedRoot, {
    certificate: chain[0] ?? new Uint8Array(),
    logId: log.identity.logId,
    isIssuing: () => log.status().frozenAt === undefined,
    artifactLogs: namedLogs(artifacts).map(({ log: one }) => ({
      api: one.api,
      logId: one.identity.logId,
      isLogging: () => one.tree.frozenAt === undefined,
    })),
  });
  shutdown.stores.add(() => {
    trusted.close();
  });
  return {
    authority,
    otherChains,
    log,
    search,
    artifacts,
    otherLogs,
    formerCertificates,
    policy,
    compiler,
    replayGuard,
    timestamps,
    trusted,
  };
}
