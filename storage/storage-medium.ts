/**
 * The kinds of file system under a store. On an unsuitable one a lock of one machine is not seen by another, or a synced
 * write may still be in a cache elsewhere, or neither is known; SQLite's WAL needs shared memory, which none of these has
 * across machines. On a passing one all that holds, but not for long.
 */
import { statfs } from 'node:fs/promises';

/** What a file system is good for; `name` and `sentence` are for people. */
type StorageMedium =
  | { readonly kind: 'lasting' }
  | { readonly kind: 'passing'; readonly sentence: string }
  | { readonly kind: 'unsuitable'; readonly name: string };

/** statfs(2) `f_type` → name, from Linux's `magic.h` and the file systems' own headers. */
const UNSUITABLE: ReadonlyMap<number, string> = new Map([
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

/** Type → the end of a sentence that begins with what lies there. Good enough for development. */
const PASSING: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'lies in memory (tmpfs) and is gone when the machine stops; use a disk'],
  [0x858458f6, 'lies in memory (ramfs) and is gone when the machine stops; use a disk'],
  [0x794c7630, "lies on the container's own layer and goes with it; mount a volume"],
]);

/** The medium with Linux' statfs type `type`; a type that is not known is lasting. */
export function mediumOfType(type: number): StorageMedium {
  const name = UNSUITABLE.get(type >>> 0);
  if (name !== undefined) return { kind: 'unsuitable', name };
  const sentence = PASSING.get(type >>> 0);
  return sentence === undefined ? { kind: 'lasting' } : { kind: 'passing', sentence };
}

/** The medium under `directory`. Rejects with the system's error when the directory cannot be read. */
export async function mediumOf(directory: string): Promise<StorageMedium> {
  // The numbers are Linux's; elsewhere the same number may mean another file system.
  if (process.platform !== 'linux') return { kind: 'lasting' };
  return mediumOfType((await statfs(directory)).type);
}
