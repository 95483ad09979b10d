import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { shareOwner } from '../storage/durable-file.ts';

/** Sets the owner of `directory` and of all that is in it to that of `like`, where this user may: a command may run as another user than
 * the service. */
export async function shareOwnerOfAll(directory: string, like: string): Promise<void> {
  await shareOwner(directory, like);
  for (const name of await readdir(directory, { recursive: true }))
    await shareOwner(join(directory, name), like);
}
