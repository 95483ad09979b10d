/**
 * Refuses file systems on which the log's promises do not hold: where a lock of one machine is not seen by another,
 * where a synced write may still be in a cache elsewhere, or where nobody can say. SQLite's WAL needs shared memory,
 * which none of these give across machines.
 */
import { statfs } from 'node:fs/promises';
import { LogError, messageOf } from './log-error.ts';

/** statfs(2) `f_type` → name, from Linux's `magic.h` and the file systems' own headers. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x65735546, 'FUSE'],
  [0x786f4256, 'VirtualBox shared folder'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x7db07db0, 'PanFS'],
]);

/** The name of the network or shared file system with statfs type `type`; undefined when the log may live there. */
export const refusedFileSystem = (type: number): string | undefined => REFUSED.get(type >>> 0);

/** Throws {@link LogError} `LOG_UNSUITABLE_STORAGE` when `directory` lies on a file system of {@link REFUSED}. */
export async function refuseNetworkStorage(directory: string): Promise<void> {
  // The numbers are Linux's; elsewhere the same number may mean another file system.
  if (process.platform !== 'linux') return;
  const { type } = await statfs(directory).catch((error: unknown) => {
    throw new LogError('LOG_MISSING', `the directory ${directory} cannot be read: ${messageOf(error)}`);
  });
  const name = refusedFileSystem(type);
  if (name === undefined) return;
  throw new LogError('LOG_UNSUITABLE_STORAGE', `${directory} is on ${name}, which cannot keep a log safe`, {
    hint: 'Use a local disk (ext4, XFS, btrfs, ZFS): locks and synced writes must mean what they say.',
  });
}
