import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains, TrustError } from './collect.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from '../rekor/log-identity.ts';
import { readStagedLog } from '../rekor/staged-log.ts';
import { EMPTY_TRUSTED_ROOT, type TrustedLogInstance, type TrustedRoot } from './format/trusted-root.ts';
import { logInUse } from './log-in-use.ts';
import { OWN_PATHS } from './public-urls.ts';
import { trustedAuthority, trustedLog } from './trusted-entries.ts';
import { logKey } from './union.ts';

/** Where the public parts of a CA, its logs and its timestamp authority lie: paths in a data directory. */
export interface OwnPlaces {
  readonly chain: string;
  /** Need not be there, as the other chains need not. */
  readonly nextChain: string;
  /** A directory. */
  readonly formerChains: string;
  readonly timestampChain: string;
  readonly nextTimestampChain: string;
  /** A directory. */
  readonly formerTimestampChains: string;
  /** A directory with one for each log. */
  readonly logs: string;
  /** The same for logs of artifacts; need not be there. */
  readonly artifacts: string;
  /** A file with the name of the one in use; need not be there where there is only one. */
  readonly currentLog: string;
}

/** What lies in a data directory. */
export interface OwnMaterial {
  /** What signs now: one CA, one log, and one timestamp authority and the logs of artifacts where there are any. */
  readonly inForce: TrustedRoot;
  /** What did, and what is going to. */
  readonly others: TrustedRoot;
  /** Of its logs, the one in use first. */
  readonly logs: readonly CtLogIdentity[];
  /** Of its logs of artifacts the newest for each API, unless its time has an end; of the first API first. */
  readonly artifactLogs: readonly ArtifactLogIdentity[];
  /** Which of them cannot be read, a sentence each. */
  readonly unreadable: readonly string[];
}

/** Reads it. Opens no key and nothing that a running service writes. A log that is not in use, cannot be read and is recorded is left out. Rejects with {@link TrustError} or
 * LogError. */
export async function readOwnMaterial(places: OwnPlaces, recorded: TrustedRoot): Promise<OwnMaterial> {
  const chain = await readChain(places.chain);
  const former = await readFormerChains(places.formerChains, chain);
  const next = await readOptionalChain(places.nextChain);
  const timestamps = await readOptionalChain(places.timestampChain);
  const nextTimestamps = await readOptionalChain(places.nextTimestampChain);
  const formerTimestamps = await readFormerChains(places.formerTimestampChains, timestamps[0] ?? []);
  const isRecorded = (name: string): boolean =>
    recorded.certificateLogs.some(({ baseUrl }) => baseUrl === OWN_PATHS.log(name));
  const { logs, unreadable } = await readLogs(places, isRecorded);
  const artifacts = await readArtifactLogs(places.artifacts, recorded);
  const [log, ...otherLogs] = logs;
  return {
    inForce: {
      ...trustedRootOf([chain], log === undefined ? [] : [log], timestamps),
      artifactLogs: artifacts.inForce.map(trustedOwnArtifactLog),
    },
    others: {
      ...trustedRootOf([...next, ...former], otherLogs, [...nextTimestamps, ...formerTimestamps]),
      artifactLogs: artifacts.others.map(trustedOwnArtifactLog),
    },
    logs,
    artifactLogs: artifacts.inForce,
    unreadable,
  };
}

type Chain = readonly Uint8Array[];

const trustedRootOf = (
  authorities: readonly Chain[],
  logs: readonly CtLogIdentity[],
  timestampAuthorities: readonly Chain[],
): TrustedRoot => ({
  ...EMPTY_TRUSTED_ROOT,
  certificateAuthorities: authorities.map((chain) => trustedAuthority(chain, OWN_PATHS.certificateAuthority)),
  certificateLogs: logs.map((log) => trustedLog(log, OWN_PATHS.log(log.name))),
  timestampAuthorities: timestampAuthorities.map((chain) =>
    trustedAuthority(chain, OWN_PATHS.timestampAuthority),
  ),
});

const readOptionalChain = async (file: string): Promise<readonly Chain[]> =>
  (await isMissing(file)) ? [] : [await readChain(file)];

interface ReadLogs {
  /** The one in use first. */
  readonly logs: readonly CtLogIdentity[];
  readonly unreadable: readonly string[];
}

/** What is known of a log that is not in use is recorded: it stops nothing where its file cannot be read. */
async function readLogs(places: OwnPlaces, isRecorded: (name: string) => boolean): Promise<ReadLogs> {
  const names = await logNamesIn(places.logs);
  if (names.length === 0) return { logs: [], unreadable: [] };
  const current = logInUse(places, names, await currentName(places.currentLog));
  if (typeof current !== 'string')
    throw new TrustError('LOG_IN_USE_UNKNOWN', current.fault, { hint: current.hint });
  const logs = [await readIdentity(join(places.logs, current))];
  const unreadable: string[] = [];
  for (const name of names.filter((other) => other !== current))
    try {
      logs.push(await readIdentity(join(places.logs, name)));
    } catch (error) {
      if (!(error instanceof LogError) || !isRecorded(name)) throw error;
      unreadable.push(`${error.message}. What is recorded of that log counts`);
    }
  return { logs, unreadable };
}

const trustedOwnArtifactLog = (log: NamedLog): TrustedLogInstance =>
  trustedLog(log, OWN_PATHS.artifactLog(log.host));

interface ReadArtifactLogs {
  /** The newest for each API, unless its time has an end on record. */
  readonly inForce: readonly ArtifactLogIdentity[];
  /** Those before them, those that have ended, and those that are to follow. */
  readonly others: readonly NamedLog[];
}

/** What an entry of a trusted root is made of. */
type NamedLog = Pick<ArtifactLogIdentity, 'host' | 'publicKey' | 'logId' | 'createdAt'>;

async function readArtifactLogs(directory: string, recorded: TrustedRoot): Promise<ReadArtifactLogs> {
  if (await isMissing(directory)) return { inForce: [], others: [] };
  const ends = new Set(
    recorded.artifactLogs.filter(({ window }) => window.end !== undefined).map((log) => logKey(log)),
  );
  const inForce: ArtifactLogIdentity[] = [];
  const others: NamedLog[] = [];
  const names = await artifactNamesIn(directory);
  for (const api of ['v1', 'v2']) {
    const logs: ArtifactLogIdentity[] = [];
    for (const name of names.logs.filter((one) => one.startsWith(api)))
      logs.push(await readArtifactLogIdentity(join(directory, name)));
    const current = logs.at(-1);
    const isInForce = current !== undefined && !ends.has(logKey(current));
    if (isInForce) inForce.push(current);
    others.push(...(isInForce ? logs.slice(0, -1) : logs));
  }
  for (const name of names.staged) others.push(...present(await readStagedLog(join(directory, name))));
  return { inForce, others };
}

const present = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value]);

/** By the API of its clients, and from the second one on its number. */
const ARTIFACT_LOG = /^v[12](?:-\d+)?$/;
const STAGED_LOG = /^v[12]-\d+\.next\.json$/;

/** The directories of logs, those of one API in the order in which they follow each other, and the files of those that are staged. */
async function artifactNamesIn(
  directory: string,
): Promise<{ readonly logs: readonly string[]; readonly staged: readonly string[] }> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(directory, cause);
  });
  const shard = (name: string): number => Number(name.split('-')[1] ?? 1);
  return {
    logs: entries
      .filter((entry) => !entry.isFile() && ARTIFACT_LOG.test(entry.name))
      .map(({ name }) => name)
      .sort((a, b) => shard(a) - shard(b)),
    staged: entries
      .map(({ name }) => name)
      .filter((name) => STAGED_LOG.test(name))
      .sort(),
  };
}

/** Sorted. A name with a dot in front is what an interrupted making of a log left. */
async function logNamesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(directory, cause);
  });
  return entries
    .filter((entry) => !entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** Undefined without the file, which need not be there where there is only one log. */
async function currentName(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
}

const unreadable = (path: string, cause: unknown): TrustError =>
  new TrustError('LEDGER_UNREADABLE', `${path} cannot be read (${systemCode(cause) ?? 'unknown'})`, {
    hint: 'Check that this user may read the data directory, or restore the file from a backup.',
    cause,
  });
