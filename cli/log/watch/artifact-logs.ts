/** The logs of artifacts as they are followed: of a data directory, and of a service through both of its APIs. */
import { join } from 'node:path';
import { rfc3339 } from '../../../core/clock.ts';
import { FormatError } from '../../../core/errors.ts';
import { httpSource } from '../../../ct-log/http-source.ts';
import { artifactLogsIn } from '../../../instance/artifact-logs.ts';
import { openDataDirectory } from '../../../instance/data-directory.ts';
import type { LoggedEntry } from '../../../rekor/artifact-log.ts';
import { openArtifactReads } from '../../../rekor/artifact-reads.ts';
import { artifactLogIdentity, type ArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { checkpointKey } from '../../../rekor/log-key.ts';
import { artifactEntries } from '../../../rekor/stored-artifact.ts';
import { signatureView } from '../../../search/searchable-log.ts';
import { LogError, LogReadError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { HASH_LENGTH, hashLeaf } from '../../../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath } from '../../../tlog/format/tile.ts';
import { verifyCheckpoint, type VerifiedCheckpoint } from '../../../tlog/tree/verify-head.ts';
import { parseTrustedRoot, type TrustedLogInstance } from '../../../trust/format/trusted-root.ts';
import type { CommandEnd } from '../../certificate/http.ts';
import { routedFetch } from '../../certificate/routes.ts';
import { CommandError } from '../../program/command.ts';
import { readLimited } from '../../program/input-file.ts';
import type { FollowedEntry, FollowedLog } from './followed-log.ts';
import { RekorV1Reads } from './rekor-v1-reads.ts';
import { bundleOf, hashesOf, tileProofs } from './tiles.ts';

/** A log that is there and wanted, to be opened at its newest head. */
export interface LogOpener {
  readonly name: string;
  /** Rejects with {@link CommandError} and LogError. */
  readonly open: () => Promise<FollowedLog>;
}

/** Those of a data directory that are wanted. */
export async function artifactsIn(
  data: string,
  isWanted: (name: string) => boolean,
): Promise<readonly LogOpener[]> {
  const { paths } = await openDataDirectory(data);
  return (await artifactLogsIn(paths))
    .filter(({ name }) => isWanted(name))
    .map(({ name, directory }) => ({ name, open: () => logIn(name, directory) }));
}

async function logIn(name: string, directory: string): Promise<FollowedLog> {
  const { identity, size, root, hashes, entriesFrom, close } = await openArtifactReads(directory);
  const { origin, logId } = identity;
  return {
    name,
    kind: 'artifacts',
    origin,
    logId,
    size,
    root,
    checkpoint: undefined,
    entriesFrom: async (first) => (await entriesFrom(first)).map(followed),
    ...tileProofs(hashes, size),
    close,
  };
}

/** The hash of a body is computed here: what a directory says of it proves nothing. */
const followed = (entry: LoggedEntry): FollowedEntry => ({
  index: entry.index,
  leafHash: entry.redaction === undefined ? hashLeaf(sha256, entry.body) : entry.leafHash,
  isRedacted: entry.redaction !== undefined,
  view: signatureView(entry),
});

/** Those of the service at `url` that are wanted: of each API the one in use, called after that API. Rejects with {@link CommandError} `USAGE` where the service has one that its trusted root
 * does not know under that address, for a log that is passed over would look like one without entries; and with LogError. */
export async function artifactsAt(
  url: string,
  token: string | undefined,
  trust: string,
  isWanted: (name: string) => boolean,
  end?: CommandEnd,
): Promise<readonly LogOpener[]> {
  const trusted = await trustedLogs(trust);
  const host = new URL(url).hostname;
  const openers: LogOpener[] = [];
  for (const api of [1, 2] as const) {
    const name = `v${api}`;
    if (!isWanted(name)) continue;
    const keys = trusted.filter((log) => apiOfKey(log) === api && hostOf(log) === host);
    const open = api === 1 ? firstLog : secondLog;
    if (keys.length > 0) openers.push({ name, open: () => open(url, token, keys, end) });
    else {
      const open = (): Promise<FollowedLog> => untrusted(url, token, api, end);
      const there = await hasLog(url, token, api, end).catch(() => undefined);
      if (there === true) throw unknownLog(url, api, trusted);
      // Nobody knows whether it is there: that one fails, and no other.
      if (there === undefined) openers.push({ name, open });
    }
  }
  return openers;
}

const apiOfKey = ({ keyDetails }: TrustedLogInstance): 1 | 2 => (keyDetails === 'PKIX_ED25519' ? 2 : 1);

const hostOf = ({ baseUrl }: TrustedLogInstance): string | undefined => URL.parse(baseUrl)?.hostname;

/** Logs of artifacts: what they are is known by their keys. */
async function trustedLogs(directory: string): Promise<readonly TrustedLogInstance[]> {
  const path = join(directory, 'trusted_root.json');
  const hint = 'Make the directory with `mayfly trust export --data DIR --out DIR`.';
  const text = Buffer.from(await readLimited(path, '--trust', hint, true)).toString();
  return rootOf(path, text).artifactLogs;
}

/** Whether the service says that it has one. */
async function hasLog(
  url: string,
  token: string | undefined,
  api: 1 | 2,
  end: CommandEnd | undefined,
): Promise<boolean> {
  const source = httpSource(url, { accessToken: token, deadline: end?.signal, send: routedFetch });
  try {
    await source.get(api === 1 ? 'api/v1/log' : 'api/v2/checkpoint');
    return true;
  } catch (error) {
    if (error instanceof LogReadError && error.code === 'NOT_FOUND') return false;
    throw error;
  }
}

async function untrusted(...[url, token, api, end]: Parameters<typeof hasLog>): Promise<never> {
  await hasLog(url, token, api, end);
  throw new LogError(
    'LOG_STORAGE',
    `the service does not say in each answer whether it has a log for Rekor v${api}`,
  );
}

function unknownLog(url: string, api: 1 | 2, trusted: readonly TrustedLogInstance[]): CommandError {
  const hosts = new Set(trusted.flatMap((log) => (apiOfKey(log) === api ? [hostOf(log) ?? ''] : [])));
  const known = hosts.size === 0 ? 'it knows none' : `it knows those of ${[...hosts].join(', ')}`;
  const { hostname } = new URL(url);
  return new CommandError(
    'USAGE',
    `the service has a log for Rekor v${api}, and --trust knows none of ${hostname}: ${known}`,
    {
      hint: 'Name the service by its public URL, or bring the directory of `mayfly trust export` up to date.',
    },
  );
}

function rootOf(path: string, text: string): ReturnType<typeof parseTrustedRoot> {
  try {
    return parseTrustedRoot(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `--trust: ${path}: ${error.message}`);
  }
}

/** Whichever of the keys signed it: a service has one log for each API at a time. Throws CommandError `FAILED` for one whose time has ended where another one has none. */
function verified(
  bytes: Uint8Array,
  api: 1 | 2,
  keys: readonly TrustedLogInstance[],
): VerifiedCheckpoint & Pick<FollowedLog, 'logId'> {
  const { origin } = parseCheckpoint(bytes);
  const known = keys.map((key) => {
    const identity = identityOf(api, key, origin);
    return { key, identity, checkpointKey: checkpointKey(identity) };
  });
  const head = verifyCheckpoint(
    bytes,
    known.map((one) => one.checkpointKey),
  );
  const signer = known.find((one) => head.signedBy.includes(one.checkpointKey));
  if (signer === undefined) throw new TypeError('a checkpoint is verified by no key');
  requireInUse(api, signer.key, keys);
  return { ...head, logId: signer.identity.logId };
}

/** Of the first API the name has the id of the tree behind it, which no trusted root says. */
function identityOf(
  api: 1 | 2,
  { baseUrl, publicKey }: TrustedLogInstance,
  origin: string,
): ArtifactLogIdentity {
  const host = new URL(baseUrl).hostname;
  const [, id] = /^\S+ - ([1-9]\d{0,18})$/.exec(origin) ?? [];
  const treeId = api === 1 ? BigInt(id ?? 1) : undefined;
  return artifactLogIdentity({
    api,
    host,
    publicKey,
    createdAt: 0,
    ...(treeId === undefined ? {} : { treeId }),
  });
}

/** One that has ended grows no more: who shows it for the one in use hides what is logged. */
function requireInUse(api: 1 | 2, { window }: TrustedLogInstance, keys: readonly TrustedLogInstance[]): void {
  const { end } = window;
  if (end === undefined || end > Date.now() || keys.every((key) => key.window.end !== undefined)) return;
  throw new CommandError(
    'FAILED',
    `the service shows a log for Rekor v${api} whose time ended ${rfc3339(end)}, and --trust has one that follows it`,
    { hint: 'A log that is staged has to be switched to; else the service hides what is logged.' },
  );
}

async function secondLog(
  url: string,
  token: string | undefined,
  keys: readonly TrustedLogInstance[],
  end: CommandEnd | undefined,
): Promise<FollowedLog> {
  const source = httpSource(`${url}/api/v2`, {
    accessToken: token,
    deadline: end?.signal,
    send: routedFetch,
  });
  const checkpoint = await source.checkpoint();
  const { origin, logId, size, root } = verified(checkpoint, 2, keys);
  const format = artifactEntries(2);
  return {
    name: 'v2',
    kind: 'artifacts',
    origin,
    logId,
    size,
    root,
    checkpoint,
    entriesFrom: async (first) => {
      const { start, entries } = await bundleOf(source, format, first, size);
      const withheld = await withheldHashes(source, start, size, entries);
      return entries.slice(first - start).map(({ leaf: body, namedDigests }, i) => {
        const index = first + i;
        const leafHash = withheld?.[index - start] ?? hashLeaf(sha256, body);
        const isRedacted = body.length === 0;
        const entry = { index, logIndex: index, leafHash, body, namedDigests, integratedTime: undefined };
        return {
          index,
          leafHash,
          isRedacted,
          view: signatureView(isRedacted ? { ...entry, redaction: {} } : entry),
        };
      });
    },
    ...tileProofs(hashesOf(source, size), size),
    close: () => Promise.resolve(),
  };
}

/** Hashes of entries that are there without their bodies, by their place in the bundle. The root shows whether they are right. */
async function withheldHashes(
  source: Parameters<typeof hashesOf>[0],
  start: number,
  size: number,
  entries: readonly { readonly leaf: Uint8Array }[],
): Promise<readonly (Uint8Array | undefined)[] | undefined> {
  if (entries.every(({ leaf }) => leaf.length > 0)) return undefined;
  const width = Math.min(TILE_WIDTH, size - start);
  const tile = await source.tile(tilePath({ level: 0, n: start / TILE_WIDTH, width }));
  return entries.map(({ leaf }, i) =>
    leaf.length > 0 ? undefined : tile.slice(i * HASH_LENGTH, (i + 1) * HASH_LENGTH),
  );
}

async function firstLog(
  url: string,
  token: string | undefined,
  keys: readonly TrustedLogInstance[],
  end: CommandEnd | undefined,
): Promise<FollowedLog> {
  const reads = new RekorV1Reads(url, token, end);
  const { checkpoint, treeId } = await reads.head();
  const { origin, logId, size, root } = verified(checkpoint, 1, keys);
  return {
    name: 'v1',
    kind: 'artifacts',
    origin,
    logId,
    size,
    root,
    checkpoint,
    entriesFrom: async (first) => {
      const entries = await reads.entries(first, size);
      return entries.map(({ index, logIndex, body, integratedTime, withheld }) => {
        const leafHash = withheld ?? hashLeaf(sha256, body);
        const entry = { index, logIndex, leafHash, body, integratedTime, namedDigests: [] };
        const isRedacted = withheld !== undefined;
        return {
          index,
          leafHash,
          isRedacted,
          view: signatureView(isRedacted ? { ...entry, redaction: {} } : entry),
        };
      });
    },
    consistency: (first) => reads.consistency(first, size, treeId),
    inclusion: (index) => reads.inclusion(index, size),
    frontier: () => reads.frontier(size),
    close: () => Promise.resolve(),
  };
}
