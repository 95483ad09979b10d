/** The artifact of `mayfly verify bundle`: a file of any size, stdin, or a digest. */
import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import {
  artifactOfBytes,
  artifactOfDigests,
  type Artifact,
  type ArtifactHash,
} from '../../verify/bundle/artifact.ts';
import { CommandError } from '../program/command.ts';
import { blocksOf } from '../program/input-file.ts';
import { parseDigest } from './digest-option.ts';
import { platformCrypto } from './platform-crypto.ts';

/** Options that name it. */
export interface ArtifactOptions {
  readonly artifact?: string;
  readonly digest?: string;
}

/** Up to this size the bytes are kept: OpenSSL verifies over them. Of what is larger the digests are. */
const KEPT = 64 * 1024 * 1024;

const HASHES: readonly ArtifactHash[] = ['sha256', 'sha384', 'sha512'];

/** Reads the artifact once, from beginning to end. Rejects with {@link CommandError} `USAGE` when none or two are named, or it cannot be read. */
export async function readArtifact({ artifact, digest }: ArtifactOptions): Promise<Artifact> {
  if ((artifact === undefined) === (digest === undefined))
    throw new CommandError('USAGE', 'say what was signed: --artifact FILE or --digest sha256:HEX', {
      hint: 'Of an attestation that is the artifact that it speaks of.',
    });
  if (digest !== undefined) return artifactOfDigests(new Map([parseDigest(digest)]));
  const path = artifact ?? '';
  try {
    return await readWholly(path === '-' ? (process.stdin as AsyncIterable<Uint8Array>) : blocksOf(path));
  } catch (error) {
    throw new CommandError('USAGE', `--artifact: ${path} cannot be read (${messageOf(error)})`, {
      hint: 'Name the file that was signed, or - for stdin.',
    });
  }
}

async function readWholly(blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Artifact> {
  let kept: Uint8Array[] = [];
  let size = 0;
  let hashes: ReturnType<typeof createHash>[] | undefined;
  for await (const block of blocks) {
    size += block.length;
    kept.push(block);
    if (size <= KEPT) continue;
    hashes ??= HASHES.map((hash) => createHash(hash));
    for (const part of kept) for (const hash of hashes) hash.update(part);
    kept = [];
  }
  if (hashes === undefined) return artifactOfBytes(Buffer.concat(kept), platformCrypto);
  const digests = hashes.map((hash) => hash.digest());
  return artifactOfDigests(
    new Map(HASHES.flatMap((hash, at) => (digests[at] === undefined ? [] : [[hash, digests[at]]]))),
  );
}
