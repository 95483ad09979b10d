import { open, rm } from 'node:fs/promises';

/** Writes a file that must not exist yet, flushed, with exactly `mode` whatever the process's umask. Fails with
 * `EEXIST` if it does; any other failure leaves no file. The directory's flush is the caller's, once for all its
 * files. */
export async function writeNew(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
