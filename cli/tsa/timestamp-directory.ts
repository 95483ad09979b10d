/** What `mayfly tsa` works on: the chains and keys for timestamps in a data directory. */
import { changing } from '../../instance/change-lock.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { readChain } from '../../trust/collect.ts';
import { readSecret } from '../program/input-file.ts';

/** Options that every command that changes something has. */
export interface TimestampOptions {
  readonly data: string;
  readonly passphraseFile?: string;
}

/** An open data directory. */
export interface TimestampDirectory {
  readonly data: string;
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
  /** DER of the root in force. */
  readonly root: Uint8Array;
}

/** Runs `work` on it, opened for writing, while no other command changes it; the service may run on it. Rejects with DataDirectoryError, TrustError or
 * {@link CommandError}, and with what `work` rejects with. */
export async function changeTimestampDirectory(
  options: TimestampOptions,
  work: (directory: TimestampDirectory) => Promise<void>,
): Promise<undefined> {
  const { data } = options;
  await changing(data, async ({ paths }) => {
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const root = (await readChain(paths.chain)).at(-1) ?? new Uint8Array();
    await work({ data, paths, passphrase, root });
  });
  return undefined;
}
