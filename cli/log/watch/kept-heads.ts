/** The signed heads that `mayfly log watch` keeps: the evidence of what a log said. */
import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../../core/bytes.ts';
import { messageOf, systemCode } from '../../../core/errors.ts';
import { writeDurably } from '../../../storage/durable-file.ts';
import { CommandError } from '../../program/command.ts';
import type { FollowedLog } from './followed-log.ts';

/** Keeps the head of a log, whose signatures were checked. Resolves when it is durable. */
export type KeepHead = (log: FollowedLog) => Promise<void>;

/** Keeps heads in a directory, which is made where it is not there; nothing where none is named. A file is called after the log, its size and its root, all of them ours or verified: nothing
 * that a service says chooses where it is written. Two heads of one size are two files, and none is ever replaced. Rejects with CommandError `FAILED`. */
export async function openKeptHeads(directory: string | undefined): Promise<KeepHead> {
  if (directory === undefined) return () => Promise.resolve();
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw unwritable(directory, error);
  });
  return async ({ name, size, root, checkpoint }) => {
    if (checkpoint === undefined) return;
    const path = join(directory, `${name}-${size}-${toHex(root).slice(0, 16)}.checkpoint`);
    try {
      if (await isThere(path)) return;
      await writeDurably(path, checkpoint, 0o644);
    } catch (error) {
      throw unwritable(path, error);
    }
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

const unwritable = (path: string, error: unknown): CommandError =>
  new CommandError('FAILED', `--heads: ${path} cannot be written: ${messageOf(error)}`, { cause: error });
