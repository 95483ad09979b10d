/** A new repository. */
import type { KeyObject } from 'node:crypto';
import { localSigner } from '../../signers/local-signer.ts';
import { signMetadata } from './metadata.ts';
import { newRoot, newTargets, nextVersion } from './new-metadata.ts';
import { signOnline } from './online-metadata.ts';
import { publish, whileLocked } from './publish.ts';
import { readRepository, type Repository } from './repository.ts';
import type { TargetContents } from './target-contents.ts';
import { TufError } from './tuf-error.ts';
import { tufKey } from './tuf-key.ts';

/** What a repository begins with. */
export interface NewRepository {
  /** Signs root and targets, here and never again on this machine. */
  readonly rootKey: KeyObject;
  /** Signs snapshot and timestamp. */
  readonly onlineKey: KeyObject;
  readonly contents: TargetContents;
  /** Of the first root; 1 unless another repository stood here, whose roots clients and caches may have. */
  readonly rootVersion?: number | undefined;
  /** Writes the keys to where they are kept. Called when it is certain that there is no repository and that nobody else makes one, before anything of it is written. */
  readonly keepKeys?: (() => Promise<void>) | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Makes a repository in `directory`. Rejects with {@link TufError} `TUF_EXISTS` when there is one, with FileFault, and with what `keepKeys` rejects with. A crash leaves
 * none: what it left is written over by the next try, as its root never counted. */
export async function createRepository(
  directory: string,
  { rootKey, onlineKey, contents, rootVersion = 1, keepKeys, now }: NewRepository,
): Promise<Repository> {
  const [rootSigner, onlineSigner] = [localSigner(rootKey), localSigner(onlineKey)];
  const offline = { keys: [tufKey(rootSigner.publicKey)], threshold: 1 };
  const online = { keys: [tufKey(onlineSigner.publicKey)], threshold: 1 };
  const root = newRoot(
    rootVersion,
    { root: offline, targets: offline, snapshot: online, timestamp: online },
    now,
  );
  const targets = newTargets(nextVersion(undefined, now), contents, now);
  await signMetadata(root, rootSigner);
  await signMetadata(targets, rootSigner);
  const signed = await signOnline({ root, targets }, 'both', onlineSigner, now);
  const targetFiles = new Map(
    [...contents].map(([name, { text }]) => [name, new Uint8Array(Buffer.from(text))]),
  );
  return whileLocked(directory, async (at) => {
    await requireNone(at, directory);
    await keepKeys?.();
    await publish(at, { roots: [root], targets, targetFiles, ...signed });
    const made = await readRepository(at);
    if (made === undefined) throw new TypeError('the repository that was made is not there');
    return made;
  });
}

async function requireNone(directory: string, name: string): Promise<void> {
  if ((await readRepository(directory)) === undefined) return;
  throw new TufError('TUF_EXISTS', `${name} holds a TUF repository already`, {
    hint: 'Nothing was changed. `mayfly trust tuf status` shows it, `mayfly trust tuf stage` changes it.',
  });
}
