import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';
import { isMissing } from '../storage/read-whole.ts';
import { readChain, readFormerChains, TrustError } from './collect.ts';
import { EMPTY_TRUSTED_ROOT, type TrustedRoot } from './format/trusted-root.ts';
import { OWN_PATHS } from './public-urls.ts';
import { trustedAuthority, trustedLog } from './trusted-entries.ts';

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
  /** A file with the name of the one in use; need not be there where there is only one. */
  readonly currentLog: string;
}

/** What lies in a data directory. */
export interface OwnMaterial {
  /** What signs now: one CA, one log, and one timestamp authority where there is one. */
  readonly inForce: TrustedRoot;
  /** What did, and what is going to. */
  readonly others: TrustedRoot;
  /** Of its logs, the one in use first. */
  readonly logs: readonly CtLogIdentity[];
}

/** Reads it. Opens no key and nothing that a running service writes. Rejects with {@link TrustError} or LogError. */
export async function readOwnMaterial(places: OwnPlaces): Promise<OwnMaterial> {
  const chain = await readChain(places.chain);
  const former = await readFormerChains(places.formerChains, chain);
  const next = await readOptionalChain(places.nextChain);
  const timestamps = await readOptionalChain(places.timestampChain);
  const nextTimestamps = await readOptionalChain(places.nextTimestampChain);
  const formerTimestamps = await readFormerChains(places.formerTimestampChains, timestamps[0] ?? []);
  const [log, ...otherLogs] = await readLogs(places);
  return {
    inForce: trustedRootOf([chain], log === undefined ? [] : [log], timestamps),
    others: trustedRootOf([...next, ...former], otherLogs, [...nextTimestamps, ...formerTimestamps]),
    logs: log === undefined ? [] : [log, ...otherLogs],
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

async function readLogs({ logs, currentLog }: OwnPlaces): Promise<readonly CtLogIdentity[]> {
  const names = await logNamesIn(logs);
  const current = await currentName(currentLog);
  const sorted = [...names.filter((name) => name === current), ...names.filter((name) => name !== current)];
  return Promise.all(sorted.map((name) => readIdentity(join(logs, name))));
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

/** Undefined where there is only one log. */
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
