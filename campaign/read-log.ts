/** A log as it is: over HTTP, as anybody reads it, or from its directory. */
import { createHash } from 'node:crypto';
import { fromBase64, utf8Text } from '../core/bytes.ts';
import { openDirectorySource } from '../ct-log/directory-source.ts';
import { checkpointKey } from '../rekor/log-key.ts';
import { readArtifactLogIdentity } from '../rekor/log-identity.ts';
import { artifactEntries } from '../rekor/stored-artifact.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { verifyConsistency } from '../tlog/format/merkle-verify.ts';
import { TILE_WIDTH, tilePath, tileWidth } from '../tlog/format/tile.ts';
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import type { AnswerReader, LogName, SignedTree } from './answers.ts';
import type { CurrentLog } from './ledger.ts';

/** Where the two logs are read, without a slash at the end. */
export type LogPlaces = Readonly<Record<LogName, string>>;

/** Reads a log over HTTP at its newest signed head, which it checks. Throws what fetch does, and as `head` does. */
export async function readServed(
  url: string,
  { head: read }: Pick<AnswerReader, 'head'>,
): Promise<CurrentLog> {
  const head = read(await get(`${url}/checkpoint`));
  return { head, ...(await hashesOf(head.size, (path) => get(`${url}/${path}`))) };
}

async function get(url: string): Promise<Uint8Array> {
  const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`${new URL(url).pathname} is answered with ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Asks the certificate log at `url` for proofs of consistency between these heads; returns what is wrong with one. Throws what fetch does. */
export async function* inconsistencies(
  url: string,
  pairs: readonly (readonly [SignedTree, SignedTree])[],
): AsyncGenerator<string> {
  for (const [first, second] of pairs) {
    const answer = await get(`${url}/ct/v1/get-sth-consistency?first=${first.size}&second=${second.size}`);
    const { consistency } = JSON.parse(utf8Text(answer)) as { readonly consistency: readonly string[] };
    if (!verifyConsistency(sha256, first, second, consistency.map(fromBase64)))
      yield `the log has no proof that its head of size ${second.size} continues that of size ${first.size}`;
  }
}

/** Reads a log in a directory at the head that its store holds (certificates) or its checkpoint has (artifacts). Nobody writes there. Throws LogError. */
export async function readStored(log: LogName, directory: string): Promise<CurrentLog> {
  if (log === 'certificates') {
    const source = await openDirectorySource(directory);
    return stored(source.head, (path) => source.tile(path));
  }
  const identity = await readArtifactLogIdentity(directory);
  const kind = { identity, entries: artifactEntries(identity.api), keys: [checkpointKey(identity)] };
  const { tree, close } = await openReadOnlyLog(directory, kind);
  try {
    const { head } = tree.head();
    return await stored({ ...head, timestamp: undefined }, (_, n, width) =>
      tree.tiles.tile({ level: 0, n, width }),
    );
  } finally {
    await close();
  }
}

const stored = async (head: SignedTree, read: ReadTile): Promise<CurrentLog> => ({
  head,
  ...(await hashesOf(head.size, read)),
});

type ReadTile = (path: string, n: number, width: number) => Promise<Uint8Array>;

async function hashesOf(size: number, read: ReadTile): Promise<Omit<CurrentLog, 'head'>> {
  const hashes: Uint8Array[] = [];
  const tiles = new Map<string, string>();
  for (let n = 0; n * TILE_WIDTH < size; n++) {
    const width = tileWidth(0, n, size);
    const path = tilePath({ level: 0, n, width });
    const tile = await read(path, n, width);
    for (let i = 0; i < width; i++) hashes.push(tile.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH));
    if (width === TILE_WIDTH) tiles.set(path, createHash('sha256').update(tile).digest('hex'));
  }
  return { hashes, tiles };
}
