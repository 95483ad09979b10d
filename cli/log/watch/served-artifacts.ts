/** The logs of artifacts of a service as they are followed, through both of its APIs: of each the one in use, and those before it. */
import { equalBytes } from '../../../core/bytes.ts';
import { rfc3339 } from '../../../core/clock.ts';
import { FormatError, messageOf } from '../../../core/errors.ts';
import { parsePublicKey } from '../../../core/public-key.ts';
import { httpSource, type HttpSource } from '../../../ct-log/http-source.ts';
import { artifactLogIdentity, type ArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { checkpointKey } from '../../../rekor/log-key.ts';
import { artifactEntries } from '../../../rekor/stored-artifact.ts';
import { signatureView, type SearchedSignature } from '../../../search/searchable-log.ts';
import { LogError, LogReadError } from '../../../tlog/core/log-error.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../../tlog/format/checkpoint.ts';
import { HASH_LENGTH, hashLeaf } from '../../../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath } from '../../../tlog/format/tile.ts';
import { makeVkey, type Vkey } from '../../../tlog/format/vkey.ts';
import {
  verifyCheckpoint,
  type CheckpointKey,
  type VerifiedCheckpoint,
} from '../../../tlog/tree/verify-head.ts';
import { parseTrustedRoot, type TrustedLogInstance } from '../../../trust/format/trusted-root.ts';
import type { CommandEnd } from '../../certificate/http.ts';
import { routedFetch } from '../../certificate/routes.ts';
import { CommandError } from '../../program/command.ts';
import { readLimited } from '../../program/input-file.ts';
import type { LogOpener } from './artifact-logs.ts';
import { apiOf, type FollowedEntry, type FollowedLog } from './followed-log.ts';
import { RekorV1Reads, type RekorV1Tree } from './rekor-v1-reads.ts';
import { bundleOf, hashesOf, tileProofs } from './tiles.ts';
import { fileOfDirectory } from '../log-target.ts';

/** A service that is asked. */
export interface ArtifactService {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string | undefined;
  /** A directory of `mayfly trust export`. */
  readonly trust: string;
  readonly end: CommandEnd | undefined;
}

/** Those that are wanted: of each API the oldest first, called as their directories at the service, and the one in use last. `named` are those that have to be there, by their own names, too. Rejects with {@link CommandError} `USAGE` where the service has one that its trusted root
 * does not know under that address, for a log that is passed over would look like one without entries; and with LogError. What is wrong with the logs of one API is what the opener of one of them rejects with. */
export async function artifactsAt(
  service: ArtifactService,
  isWanted: (name: string) => boolean,
  named: readonly string[],
): Promise<readonly LogOpener[]> {
  const trusted = await trustedLogs(service.trust);
  const host = new URL(service.url).hostname;
  const openers: LogOpener[] = [];
  for (const api of [1, 2] as const) {
    const own = named.find((name) => apiOf(name) === `v${api}`);
    const name = own ?? `v${api}`;
    if (own === undefined && !isWanted(name)) continue;
    const keys = trusted.filter((log) => apiOfKey(log) === api && hostOf(log) === host);
    if (keys.length > 0) {
      const logs = await (api === 1 ? firstLogs : secondLogs)(service, keys).catch((cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(messageOf(cause));
        return [{ name, open: () => Promise.reject(error) }];
      });
      openers.push(...logs.filter((log) => isWanted(log.name)));
      continue;
    }
    const there = await hasLog(service, api).catch(() => undefined);
    if (there === true) throw unknownLog(service.url, api, trusted);
    // Nobody knows whether it is there: that one fails, and no other.
    if (there === undefined) openers.push({ name, open: () => untrusted(service, api) });
  }
  return openers;
}

const apiOfKey = ({ keyDetails }: TrustedLogInstance): 1 | 2 => (keyDetails === 'PKIX_ED25519' ? 2 : 1);

const hostOf = ({ baseUrl }: TrustedLogInstance): string | undefined => URL.parse(baseUrl)?.hostname;

/** Logs of artifacts: what they are is known by their keys. */
async function trustedLogs(directory: string): Promise<readonly TrustedLogInstance[]> {
  const path = await fileOfDirectory(directory, 'trusted_root.json');
  const hint = 'Make the directory with `mayfly trust export --data DIR --out DIR`.';
  const text = Buffer.from(await readLimited(path, '--trust', hint, true)).toString();
  return rootOf(path, text).artifactLogs;
}

/** Verifier keys of the logs for Rekor v2 that a directory of `mayfly trust export` names, called after their hosts. */
export async function artifactVkeys(directory: string): Promise<readonly Vkey[]> {
  return (await trustedLogs(directory)).flatMap((log) => {
    const host = hostOf(log);
    const key = parsePublicKey(log.publicKey);
    return host === undefined || key.type !== 'ed25519' ? [] : [makeVkey(sha256, host, 'ed25519', key.key)];
  });
}

/** Whether the service says that it has one. */
async function hasLog(service: ArtifactService, api: 1 | 2): Promise<boolean> {
  try {
    await sourceOf(service).get(api === 1 ? 'api/v1/log' : 'api/v2/checkpoint');
    return true;
  } catch (error) {
    if (error instanceof LogReadError && error.code === 'NOT_FOUND') return false;
    throw error;
  }
}

const sourceOf = ({ url, token, end }: ArtifactService, place = ''): HttpSource =>
  httpSource(`${url}${place}`, { accessToken: token, deadline: end?.signal, send: routedFetch });

async function untrusted(service: ArtifactService, api: 1 | 2): Promise<never> {
  await hasLog(service, api);
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

/** A log of a service, as its checkpoint is verified. */
interface ServedLog {
  readonly api: 1 | 2;
  /** As its directory is called. */
  readonly name: string;
  /** Whether another one has followed it. */
  readonly isFormer: boolean;
  readonly checkpoint: Uint8Array;
}

/** Whichever of the keys signed it. Throws CommandError `FAILED` for one in use whose time has ended where another one has none, and `USAGE` for a former one that is not trusted at all. */
function verified(
  { api, name, isFormer, checkpoint }: ServedLog,
  keys: readonly TrustedLogInstance[],
): VerifiedCheckpoint & Pick<FollowedLog, 'logId'> {
  const { origin, signatures } = parseCheckpoint(checkpoint);
  const known = keys.map((key) => {
    const identity = identityOf(api, key, origin);
    return { key, identity, checkpointKey: checkpointKey(identity) };
  });
  const isKnown = ({ keyId }: CheckpointKey): boolean =>
    signatures.some((line) => equalBytes(line.keyId, keyId));
  if (isFormer && !known.some((one) => isKnown(one.checkpointKey))) throw unknownFormer(name);
  const head = verifyCheckpoint(
    checkpoint,
    known.map((one) => one.checkpointKey),
  );
  const signer = known.find((one) => head.signedBy.includes(one.checkpointKey));
  if (signer === undefined) throw new TypeError('a checkpoint is verified by no key');
  if (!isFormer) requireInUse(api, signer.key, keys);
  return { ...head, logId: signer.identity.logId };
}

const unknownFormer = (name: string): CommandError =>
  new CommandError('USAGE', `the service has the log ${name} of before, and --trust does not know it`, {
    hint: 'Bring the directory of `mayfly trust export` up to date.',
  });

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

/** What the logs of an API are called that follow each other, from 0 on. */
const numbered = (api: 1 | 2, at: number): string => (at === 0 ? `v${api}` : `v${api}-${at + 1}`);

async function firstLogs(
  { url, token, end }: ArtifactService,
  keys: readonly TrustedLogInstance[],
): Promise<readonly LogOpener[]> {
  const reads = new RekorV1Reads(url, token, end);
  const trees = await reads.trees();
  return trees.map((tree, i) => {
    const name = numbered(1, i);
    const isFormer = i < trees.length - 1;
    const open = (): FollowedLog => firstLog({ api: 1, name, isFormer, ...tree }, reads, keys);
    return { name, open: () => Promise.resolve().then(open) };
  });
}

function firstLog(
  served: ServedLog & RekorV1Tree,
  reads: RekorV1Reads,
  keys: readonly TrustedLogInstance[],
): FollowedLog {
  const { origin, logId, size, root } = verified(served, keys);
  const { name, isFormer, checkpoint } = served;
  return {
    name,
    isFormer,
    kind: 'artifacts',
    origin,
    logId,
    size,
    root,
    checkpoint,
    entriesFrom: async (first, wanted) => {
      const entries = await reads.entries({ first, wanted }, size, served);
      return entries.map(({ index, logIndex, body, integratedTime, withheld }) => {
        const leafHash = withheld ?? hashLeaf(sha256, body);
        const entry = { index, logIndex, leafHash, body, integratedTime, namedDigests: [] };
        return servedEntry(entry, withheld !== undefined);
      });
    },
    consistency: (first) => reads.consistency(first, size, served),
    inclusion: (index) => reads.inclusion(index, size, served),
    frontier: () => reads.frontier(size, served),
    close: () => Promise.resolve(),
  };
}

/** An entry as it is followed. When one was redacted is not asked for. */
const servedEntry = (
  entry: Omit<SearchedSignature, 'redaction'> & Pick<FollowedEntry, 'leafHash'>,
  isRedacted: boolean,
): FollowedEntry => ({
  index: entry.index,
  leafHash: entry.leafHash,
  isRedacted,
  view: signatureView(isRedacted ? { ...entry, redaction: {} } : entry),
});

/** Logs for Rekor v2 that a service can have. */
const MOST_PLACES = 64;

/** Where each log for Rekor v2 of a service is read for good, the oldest first; the one in use is the last of them. Rejects as `source` does. */
export async function* placesOfV2(
  source: HttpSource,
): AsyncGenerator<{ readonly name: string; readonly place: string; readonly checkpoint: Uint8Array }> {
  for (let i = 0; i < MOST_PLACES; i++) {
    const name = numbered(2, i);
    const place = `artifacts/${name}`;
    const checkpoint = await source.get(`${place}/checkpoint`).catch((error: unknown) => {
      if (error instanceof LogReadError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    });
    if (checkpoint === undefined) return;
    yield { name, place, checkpoint };
  }
}

/** The one in use is asked for where clients find it. Another service may have no other place. */
async function secondLogs(
  service: ArtifactService,
  keys: readonly TrustedLogInstance[],
): Promise<readonly LogOpener[]> {
  const source = sourceOf(service, '/api/v2');
  const checkpoint = await source.checkpoint();
  const former: LogOpener[] = [];
  let inUse: string | undefined;
  for await (const { name, place, checkpoint: there } of placesOfV2(sourceOf(service))) {
    if (areOfOneLog(there, checkpoint)) {
      inUse = name;
      break;
    }
    const served = { api: 2, name, isFormer: true, checkpoint: there } as const;
    const open = (): FollowedLog => secondLog(served, sourceOf(service, `/${place}`), keys);
    former.push({ name, open: () => Promise.resolve().then(open) });
  }
  if (inUse === undefined && former.length > 0)
    throw new LogError('LOG_STORAGE', 'the service put another log for Rekor v2 in use meanwhile', {
      hint: 'Ask again.',
    });
  const name = inUse ?? numbered(2, 0);
  const served = { api: 2, name, isFormer: false, checkpoint } as const;
  return [...former, { name, open: () => Promise.resolve().then(() => secondLog(served, source, keys)) }];
}

/** By the key of the log that signed them, as the notes say; signatures are checked later. */
function areOfOneLog(a: Uint8Array, b: Uint8Array): boolean {
  const [one, other] = [a, b].map((bytes) => {
    const { origin, signatures } = parseCheckpoint(bytes);
    return signatures.filter(({ name }) => name === origin);
  });
  return one?.some(({ keyId }) => other?.some((line) => equalBytes(line.keyId, keyId)) === true) === true;
}

function secondLog(served: ServedLog, source: HttpSource, keys: readonly TrustedLogInstance[]): FollowedLog {
  const { origin, logId, size, root } = verified(served, keys);
  const { name, isFormer, checkpoint } = served;
  const format = artifactEntries(2);
  return {
    name,
    isFormer,
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
        const entry = { index, logIndex: index, leafHash, body, namedDigests, integratedTime: undefined };
        return servedEntry(entry, body.length === 0);
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
