/**
 * Judges the file system under a log. Refused are those on which the log's promises do not hold: where a lock of one machine is not seen by another,
 * where a synced write may still be in a cache elsewhere, or where nobody can say. SQLite's WAL needs shared memory,
 * which none of these give across machines. Where the promises hold but not for long, a warning says so.
 */
import { statfs } from 'node:fs/promises';
import { LogError, messageOf } from '../tlog/log-error.ts';

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

/** What takes a log and gives no promise, with the reason: for trying, it will do. */
const WARNED: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'lies in memory (tmpfs) and is gone when the machine stops; use a disk'],
  [0x858458f6, 'lies in memory (ramfs) and is gone when the machine stops; use a disk'],
  [0x794c7630, "lies on the container's own layer and goes with it; mount a volume"],
]);

/** The name of the network or shared file system with statfs type `type`; undefined when the log may live there. */
export const refusedFileSystem = (type: number): string | undefined => REFUSED.get(type >>> 0);

/** What is to be known of a log on the file system with statfs type `type`; undefined for a disk. */
export const fileSystemWarning = (type: number): string | undefined => WARNED.get(type >>> 0);

/** What should be known of the file system under `directory`, a sentence each. Throws {@link LogError}
 * `LOG_UNSUITABLE_STORAGE` when it is one of {@link REFUSED}. */
export async function judgeStorage(directory: string): Promise<string[]> {
  // The numbers are Linux's; elsewhere the same number may mean another file system.
  if (process.platform !== 'linux') return [];
  const { type } = await statfs(directory).catch((error: unknown) => {
    throw new LogError('LOG_MISSING', `the directory ${directory} cannot be read: ${messageOf(error)}`);
  });
  const name = refusedFileSystem(type);
  if (name !== undefined) {
    throw new LogError('LOG_UNSUITABLE_STORAGE', `${directory} is on ${name}, which cannot keep a log safe`, {
      hint: 'Use a local disk (ext4, XFS, btrfs, ZFS): locks and synced writes must mean what they say.',
    });
  }
  const warning = fileSystemWarning(type);
  return warning === undefined ? [] : [`the log in ${directory} ${warning}`];
}
