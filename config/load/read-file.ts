import { basename } from 'node:path';
import { ConfigError } from '../findings/config-error.ts';
import { readWhole, UnfitFile } from '../../storage/read-whole.ts';
import { MAX_LENGTH } from '../yaml/document.ts';

/** How long a pipe in the place of a file may be silent, in milliseconds. */
const PIPE_TIMEOUT_MS = 60_000;

/** The text of a configuration file. Throws {@link ConfigError} `CONFIG_UNREADABLE`. */
export async function readConfigFile(path: string): Promise<string> {
  const unreadable = (message: string, hint: string, cause?: unknown): ConfigError =>
    new ConfigError('CONFIG_UNREADABLE', path, [{ path: '', message, hint }], cause);
  try {
    const bytes = await readWhole(path, { size: MAX_LENGTH * 4, pipePatience: PIPE_TIMEOUT_MS });
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // Taken at its word it would shut every issuer out: rather what a full disk or a half-done write leaves.
    if (text.trim() === '') throw unreadable('is empty', 'Was it still being written, or is the disk full?');
    return text;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof UnfitFile) throw unreadable(error.message, 'Is this the right file?', error);
    const { code = '' } = error as NodeJS.ErrnoException;
    const [message, hint] = FAULTS[code] ?? [
      'cannot be read',
      `The system says: ${(error as Error).message}`,
    ];
    throw unreadable(message, hint.replace('FILE', basename(path)), error);
  }
}

const FAULTS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOENT: ['does not exist', 'Check the path; `mayfly init` writes a commented one.'],
  EACCES: ['may not be read by this user', 'Check the owner and mode of the file and its directories.'],
  EISDIR: ['is a directory', 'Name the file inside it, e.g. config.yaml.'],
  ERR_ENCODING_INVALID_ENCODED_DATA: ['is not UTF-8 text', 'Save it as UTF-8.'],
};
