import type { EntryFormat } from '../tlog/format/entry-format.ts';
import { toHex } from '../core/bytes.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { entryFault } from './entry-check.ts';
import { parseTileLeaf, type TileLeaf } from './format/leaf.ts';

/** How entries lie in the data tiles of a certificate log. */
export const TILE_LEAVES: EntryFormat<TileLeaf> = {
  bundle: 'data',
  parse: parseTileLeaf,
  // The tree does not cover the precertificate and the chain beside the leaf. Which index the extension says is no matter
  // of the entry alone.
  isSound(entry) {
    const fault = entryFault(entry, {
      index: 0,
      sctExtensions: undefined,
      caKey: undefined,
      leafHolds: true,
    });
    return fault === undefined || fault.message.startsWith('the extension');
  },
};

/** The paths of the chain certificates that an entry names. */
export const chainCertificatesOf = ({ chainFingerprints }: TileLeaf): string[] =>
  Array.from({ length: Math.floor(chainFingerprints.length / HASH_LENGTH) }, (_, i) =>
    chainCertificatePath(toHex(chainFingerprints.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH))),
  );
