/** A head of a log that was kept, as a file. */
import { FormatError } from '../../core/errors.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { CommandError } from '../program/command.ts';
import { readFileOrStdin } from '../program/input-file.ts';

/** The text of the checkpoint in `--head`, whose signatures are for the verifier to check; undefined where none is named. Rejects with {@link CommandError} `USAGE` for a file that is none. */
export async function readHead(path: string | undefined): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  const text = await readFileOrStdin(path, '--head', HINT);
  try {
    parseCheckpoint(text);
    return text;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `--head: ${path} is no checkpoint: ${error.message}`, { hint: HINT });
  }
}

const HINT = 'Give a checkpoint that was kept, as `mayfly log watch --heads DIR` writes it.';
