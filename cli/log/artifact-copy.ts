/** A copy of a log whose entries are no certificates, as `mayfly log mirror` makes it: a log for Rekor v2, or another one of tlog-tiles. */
import { concat, equalBytes, utf8 } from '../../core/bytes.ts';
import { ProvenTiles } from '../../ct-log/proven-tiles.ts';
import { staticSource } from '../../ct-log/static-source.ts';
import { artifactEntries } from '../../rekor/stored-artifact.ts';
import { signatureView } from '../../search/searchable-log.ts';
import { LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf, HASH_LENGTH } from '../../tlog/format/merkle.ts';
import { hashesFromTiles, TILE_WIDTH } from '../../tlog/format/tile.ts';
import type { Vkey } from '../../tlog/format/vkey.ts';
import { requireEverySignature, verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { CommandError } from '../program/command.ts';
import { copyIn, deadlineOf, nameOf, type TargetOptions } from './log-target.ts';
import type { FollowedEntry, FollowedLog } from './watch/followed-log.ts';
import { tileProofs } from './watch/tiles.ts';
import { cosignersOf, readWitnessPolicy } from './witness-quorum.ts';

/** Such a copy at its head. Whatever is read of it was proven to be of that head; its functions reject with LogError `LOG_CORRUPT` for what is not. */
export interface ArtifactCopy extends FollowedLog {
  readonly checkpoint: Uint8Array;
  /** The entry at an index. Rejects with LogReadError `NOT_FOUND` where there is none. */
  readonly entryAt: (index: number) => Promise<FollowedEntry>;
  /** Where the entry with that hash is: reads all hashes of leaves. */
  readonly indexOf: (leafHash: Uint8Array) => Promise<number | undefined>;
}

/** Whether `data` is such a copy. */
export const isArtifactCopy = async ({ data }: TargetOptions): Promise<boolean> =>
  data !== undefined && (await copyIn(data))?.bundle === 'entries';

/** The copy that `--data` names, with the signatures of its head checked by the keys that it was begun with, and the cosignatures that the policy asks for; undefined of any other log. Rejects with CommandError, LogError and LogReadError. */
export async function openArtifactCopy(options: TargetOptions): Promise<ArtifactCopy | undefined> {
  const { data, witnessPolicy } = options;
  const record = data === undefined ? undefined : await copyIn(data);
  if (data === undefined || record?.bundle !== 'entries') return undefined;
  const { origin, keys } = record;
  if (nameOf(options) !== undefined)
    throw new CommandError(
      'USAGE',
      `${data} is a copy of one log, ${origin}, and --log names one of several`,
    );
  const policy = await readWitnessPolicy(witnessPolicy);
  const source = staticSource(data, deadlineOf(options), 'entries');
  const checkpoint = await source.checkpoint();
  const head = verifyCheckpoint(checkpoint, keys);
  requireEverySignature(head, keys);
  if (policy !== undefined) cosignersOf(checkpoint, policy);
  const { size, root } = head;
  const tiles = new ProvenTiles(source, artifactEntries(2), head);
  await tiles.proveEdge();
  const hashes = hashesFromTiles(sha256, size, ({ level, n }) => tiles.tile(level, n));
  const entriesFrom = async (first: number): Promise<readonly FollowedEntry[]> => {
    const n = Math.floor(first / TILE_WIDTH);
    const [{ entries }, leaves] = await Promise.all([tiles.bundle(n), tiles.tile(0, n)]);
    return entries.slice(first - n * TILE_WIDTH).map(({ leaf: body }, i) => {
      const index = first + i;
      const at = (index - n * TILE_WIDTH) * HASH_LENGTH;
      return entryOf(index, body, leaves.slice(at, at + HASH_LENGTH));
    });
  };
  return {
    name: 'v2',
    kind: 'artifacts',
    origin,
    logId: noteHashOf(keys),
    size,
    root,
    checkpoint,
    entriesFrom,
    async entryAt(index) {
      const [entry] = index < size ? await entriesFrom(index) : [];
      if (entry !== undefined) return entry;
      throw new LogReadError('NOT_FOUND', `the copy has ${size} entries, and none at ${index}`, {
        hint: 'Entries count from 0. `mayfly log mirror` brings the copy up to date.',
      });
    },
    async indexOf(leafHash) {
      for (let n = 0; n * TILE_WIDTH < size; n++) {
        const leaves = await tiles.tile(0, n);
        for (let at = 0; at < leaves.length; at += HASH_LENGTH)
          if (equalBytes(leaves.subarray(at, at + HASH_LENGTH), leafHash))
            return n * TILE_WIDTH + at / HASH_LENGTH;
      }
      return undefined;
    },
    ...tileProofs(hashes, size),
    close: () => Promise.resolve(),
  };
}

/** The hash is that of the tree. A body that is not there is one that the log withholds. */
function entryOf(index: number, body: Uint8Array, leafHash: Uint8Array): FollowedEntry {
  const isRedacted = body.length === 0 && !equalBytes(hashLeaf(sha256, body), leafHash);
  const entry = {
    index,
    logIndex: index,
    leafHash,
    body,
    integratedTime: undefined,
    namedDigests: [],
    ...(isRedacted ? { redaction: {} } : {}),
  };
  return { index, leafHash, isRedacted, view: signatureView(entry) };
}

/** What clients of Rekor v2 call the log of such a key (c2sp.org/signed-note): the hash whose first four bytes are the id of the key. */
function noteHashOf(keys: readonly Vkey[]): Uint8Array {
  const vkey = keys.find(({ type }) => type === 'ed25519');
  if (vkey === undefined) return new Uint8Array(32);
  return sha256(concat([utf8(`${vkey.name}\n`), Uint8Array.of(1), vkey.key]));
}
