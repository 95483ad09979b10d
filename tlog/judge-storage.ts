import { messageOf } from '../core/errors.ts';
import { mediumOf } from '../storage/storage-medium.ts';
import { LogError } from './core/log-error.ts';

/** What should be known of the file system under `directory`, a sentence each. Throws {@link LogError}
 * `LOG_UNSUITABLE_STORAGE` when a log's promises do not hold there, and `LOG_MISSING` when it cannot be read. */
export async function judgeStorage(directory: string): Promise<string[]> {
  const medium = await mediumOf(directory).catch((error: unknown) => {
    throw new LogError('LOG_MISSING', `the directory ${directory} cannot be read: ${messageOf(error)}`);
  });
  if (medium.kind === 'unsuitable') {
    throw new LogError(
      'LOG_UNSUITABLE_STORAGE',
      `${directory} is on ${medium.name}, which cannot keep a log safe`,
      {
        hint: 'Use a local disk (ext4, XFS, btrfs, ZFS): locks and synced writes must mean what they say.',
      },
    );
  }
  return medium.kind === 'passing' ? [`the log in ${directory} ${medium.sentence}`] : [];
}
