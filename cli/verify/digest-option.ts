import { fromHex } from '../../core/bytes.ts';
import { DIGEST_LENGTHS, type ArtifactHash } from '../../verify/bundle/artifact.ts';
import { CommandError } from '../program/command.ts';

const SIZES: ReadonlyMap<string, number> = new Map(Object.entries(DIGEST_LENGTHS));

/** The hash and the bytes of `sha256:HEX` and the like. Throws {@link CommandError} `USAGE`. */
export function parseDigest(text: string): readonly [ArtifactHash, Uint8Array] {
  const [, name = '', hex = ''] = /^(sha256|sha384|sha512):([0-9a-fA-F]+)$/.exec(text) ?? [];
  const bytes = SIZES.get(name);
  if (bytes === undefined || hex.length !== 2 * bytes)
    throw new CommandError(
      'USAGE',
      '--digest takes sha256:, sha384: or sha512: and the digest in hexadecimal',
      { hint: 'As in sha256:9f86d0….' },
    );
  return [name as ArtifactHash, fromHex(hex)];
}
