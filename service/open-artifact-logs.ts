import { join } from 'node:path';
import type { LogConfig } from '../config/settings/log-config.ts';
import type { ArtifactLogConfig } from '../config/settings/artifact-log-config.ts';
import type { Clock, SteadyClock } from '../core/clock.ts';
import {
  artifactSuccession,
  type ArtifactLogPaths,
  type ArtifactSuccession,
} from '../instance/artifact-logs.ts';
import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { logNamesIn } from '../instance/data-directory.ts';
import type { DataPaths } from '../instance/data-paths.ts';
import type { OpenedKeys } from '../instance/opened-keys.ts';
import type { ArtifactLog, LoggedEntry } from '../rekor/artifact-log.ts';
import { loadEd25519ph } from '../rekor/entries/digest-signature.ts';
import { openEndedArtifactLog, prepareArtifactLog } from '../rekor/open-artifact-log.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../rekor/log-identity.ts';
import type { SearchIndex } from '../search/search-index.ts';
import { LogError } from '../tlog/core/log-error.ts';
import type { WitnessSettings } from '../tlog/witness-settings.ts';
import { readAdmittedKeys } from './admitted-keys.ts';
import { openArtifactSearch } from './open-searches.ts';
import type { ShutdownOrder } from './shutdown-order.ts';

/** How the logs of artifacts of a service are opened. */
interface ArtifactLogsOptions {
  readonly paths: DataPaths;
  /** Which of them are served. */
  readonly config: ArtifactLogConfig;
  /** The host of the URL that clients are given; undefined where nothing says it. */
  readonly clientHost: string | undefined;
  /** A directory for development is started at many addresses: a log for another one is left closed. */
  readonly isDevelopment: boolean;
  readonly keys: OpenedKeys;
  readonly clock: Clock;
  readonly steadyClock: SteadyClock | undefined;
  /** The second place that their heads are held to. */
  readonly anchor: LogConfig['anchor'];
  /** Who cosigns heads of the log for Rekor v2: checkpoints of the first API have no signature that witnesses take. */
  readonly witnesses?: WitnessSettings | undefined;
}

/** The logs of artifacts of a service. */
export interface OpenedArtifactLogs {
  /** Those in use: at least one, and at most one for each API: of the first API first. */
  readonly logs: readonly ArtifactLog[];
  /** What the directory of each of {@link logs} is called: `v1`, `v2-2`. */
  readonly names: readonly string[];
  /** What entries are found by, for each of {@link logs}. */
  readonly searches: readonly SearchIndex<LoggedEntry>[];
  /** Those before them, which have ended: of each API the oldest first. */
  readonly former: readonly FormerArtifactLog[];
  readonly config: ArtifactLogConfig;
  /** DER of the keys that may log without a certificate. */
  readonly admittedKeys: readonly Uint8Array[];
  /** The certificate logs of the directory, in use or not, that can be read: certificates with an SCT of one may log. */
  readonly certificateLogs: readonly CtLogIdentity[];
}

/** A log that is served for reading, as another one has taken its place. */
export interface FormerArtifactLog {
  /** What its directory is called. */
  readonly name: string;
  readonly log: ArtifactLog;
  /** As of those in use. */
  readonly search: SearchIndex<LoggedEntry>;
}

/** All of them by their names: those in use first. */
export const namedLogs = (
  artifacts: Pick<OpenedArtifactLogs, 'logs' | 'names' | 'former'> | undefined,
): readonly Pick<FormerArtifactLog, 'name' | 'log'>[] =>
  artifacts === undefined
    ? []
    : [...artifacts.logs.map((log, i) => ({ name: artifacts.names[i] ?? '', log })), ...artifacts.former];

/** The logs of artifacts that are found right and locked, and not yet open for writing. */
export interface PreparedArtifactLogs {
  /** What should be known of them, a sentence each. */
  readonly warnings: readonly string[];
  /** Opens them. Undefined where there is none. */
  readonly open: () => Promise<OpenedArtifactLogs | undefined>;
}

/**
 * Finds the logs of artifacts that a directory has and the configuration does not switch off, and locks them. Registers in `shutdown` what it
 * opened, also when it rejects: with LogError `LOG_BAD_ORIGIN` for a log whose name is not the host of the public URL, because clients look for that name, and
 * with what {@link prepareArtifactLog}, {@link OpenedKeys.open} and {@link readAdmittedKeys} reject with.
 */
export async function prepareArtifactLogs(
  options: ArtifactLogsOptions,
  shutdown: ShutdownOrder,
): Promise<PreparedArtifactLogs> {
  const { paths, config, keys, clock, steadyClock, anchor, witnesses } = options;
  const warnings: string[] = [];
  const prepared: (ArtifactSuccession & { readonly open: () => Promise<ArtifactLog> })[] = [];
  for (const api of ([1, 2] as const).filter((one) => config[`v${one}`])) {
    const succession = await artifactSuccession(paths, api);
    if (succession === undefined) continue;
    const { current } = succession;
    const identity = await readArtifactLogIdentity(current.directory);
    if (!isRightlyNamed(current, identity, options, warnings)) continue;
    const signer = await keys.artifactLog(current);
    const one = await prepareArtifactLog({
      directory: current.directory,
      signer,
      clock,
      steadyClock,
      anchor,
      witnesses: api === 2 ? witnesses : undefined,
    });
    let locked: Pick<ArtifactLog, 'close'> = one;
    shutdown.stores.add(() => locked.close());
    prepared.push({
      ...succession,
      open: async () => {
        const opened = await one.open();
        locked = opened;
        return opened;
      },
    });
  }
  const admittedKeys = prepared.length === 0 ? [] : await readAdmittedKeys(config.keyFiles);
  const certificateLogs = await certificateLogsIn(paths);
  return {
    warnings,
    open: async () => {
      if (prepared.length === 0) return undefined;
      const logs: ArtifactLog[] = [];
      const searches: SearchIndex<LoggedEntry>[] = [];
      const former: FormerArtifactLog[] = [];
      for (const { current, former: before, open } of prepared) {
        const log = await open();
        logs.push(log);
        searches.push(openSearch(log, current, shutdown));
        for (const one of before) former.push(await openFormer(one, keys, shutdown));
      }
      await loadEd25519ph();
      const names = prepared.map(({ current }) => current.name);
      return { logs, names, searches, former, config, admittedKeys, certificateLogs };
    },
  };
}

/** Reads of entries of the first API are signed with the key of their log. */
async function openFormer(
  paths: ArtifactLogPaths,
  keys: OpenedKeys,
  shutdown: ShutdownOrder,
): Promise<FormerArtifactLog> {
  const { api, directory, name } = paths;
  const signer = api === 1 ? await keys.artifactLog(paths) : undefined;
  const log = await openEndedArtifactLog({ directory, signer });
  shutdown.stores.add(() => log.close());
  return { name, log, search: openSearch(log, paths, shutdown) };
}

/** What is wrong with a log that is not in use keeps nobody from issuing, nor from logging with certificates of the others. */
async function certificateLogsIn(paths: DataPaths): Promise<readonly CtLogIdentity[]> {
  const found: CtLogIdentity[] = [];
  for (const name of await logNamesIn(paths))
    try {
      found.push(await readIdentity(join(paths.logs, name)));
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
    }
  return found;
}

function openSearch(
  log: ArtifactLog,
  { directory }: ArtifactLogPaths,
  shutdown: ShutdownOrder,
): SearchIndex<LoggedEntry> {
  const search = openArtifactSearch(log, directory);
  shutdown.stores.add(() => search.close());
  return search;
}

/** Whether clients find the name of the log in the URL that they are given. Throws unless that is to be overlooked. */
function isRightlyNamed(
  { name, api, directory }: ArtifactLogPaths,
  { host }: ArtifactLogIdentity,
  { clientHost, isDevelopment }: ArtifactLogsOptions,
  warnings: string[],
): boolean {
  if (clientHost === host) return true;
  if (clientHost === undefined) {
    warnings.push(
      `the log of artifacts ${name} is named ${host}, and mayfly.public-url is not set: clients take its entries only where the URL that they are given has that host`,
    );
    return true;
  }
  const message = `the log of artifacts in ${directory} is named ${host}, and clients reach the service at ${clientHost}: they would take none of its entries`;
  if (!isDevelopment)
    throw new LogError('LOG_BAD_ORIGIN', message, {
      hint: `Set mayfly.public-url back to that host; or put a log with the new name in its place (\`mayfly rekor rotate --v${api} --stage --host ${clientHost}\`, then --switch); or switch it off: mayfly.artifact-log.v${api}: false.`,
    });
  warnings.push(`${message}. It is not served; another directory gets another one`);
  return false;
}
