/** The certificate log as it is followed: out of its data tiles, in a directory or behind a URL. */
import { TILE_LEAVES } from '../../../ct-log/tile-leaves.ts';
import type { LogSource } from '../../../ct-log/source.ts';
import { certificateView } from '../../../search/searchable-log.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import type { Speaker } from '../../program/command.ts';
import { headOf } from '../log-head.ts';
import { openTarget, type LogTarget, type TargetOptions } from '../log-target.ts';
import type { FollowedLog } from './followed-log.ts';
import { bundleOf, hashesOf, tileProofs } from './tiles.ts';

/** Opens it at its newest head. */
export async function followCertificates(
  options: TargetOptions,
  speak: Speaker,
): Promise<{ readonly target: LogTarget; readonly log: FollowedLog }> {
  const target = await openTarget(options, speak);
  const { origin, size, root, checkpoint } = await headOf(target);
  const { source, logId } = target;
  return {
    target,
    log: {
      name: 'certificates',
      kind: 'certificates',
      origin,
      logId,
      size,
      root,
      checkpoint,
      ...certificateReads(source, size),
    },
  };
}

const certificateReads = (
  source: LogSource,
  size: number,
): Pick<FollowedLog, 'entriesFrom' | 'consistency' | 'inclusion' | 'frontier' | 'close'> => ({
  entriesFrom: async (first) => {
    const { start, entries } = await bundleOf(source, TILE_LEAVES, first, size);
    return entries.slice(first - start).map((leaf, i) => {
      const index = first + i;
      const { leaf: body, precertificate } = leaf;
      const leafHash = hashLeaf(sha256, body);
      const entry = { index, leafHash, body, namedDigests: [], precertificate, leaf };
      return { index, leafHash, isRedacted: false, view: certificateView(entry) };
    });
  },
  ...tileProofs(hashesOf(source, size), size),
  close: () => Promise.resolve(),
});
