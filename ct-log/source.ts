import { LogError, LogReadError } from '../tlog/core/log-error.ts';

/** A log as its readers see it: the resources of static-ct-api, wherever they lie. */
export interface LogSource {
  /** Where this is, for messages: a directory or a URL. */
  readonly name: string;
  /** The newest checkpoint that can be had, not verified. Throws {@link LogReadError} `NOT_FOUND`. */
  checkpoint(): Promise<Uint8Array>;
  /** The newest checkpoint that witnesses have cosigned, where the source has one apart; not verified. Throws {@link LogReadError} `NOT_FOUND`. */
  witnessedCheckpoint?(): Promise<Uint8Array>;
  /** The tile of that path, not verified. A partial tile may be answered by a wider one: a prefix of it is meant.
   * Throws {@link LogReadError} `NOT_FOUND`. */
  tile(path: string): Promise<Uint8Array>;
  /** DER of the chain certificate with that SHA-256 in hexadecimal, not verified. Throws {@link LogReadError} `NOT_FOUND`. */
  chainCertificate(hex: string): Promise<Uint8Array>;
  /** Where the byte at `offset` of the resource at `path` really lies, when that is not the path itself. */
  locate?(path: string, offset: number): string;
}

/** Throws {@link LogError} `LOG_STORAGE` when the time for all reading from `where` is up. */
export function requireTime(deadline: AbortSignal | undefined, where: string): void {
  if (deadline?.aborted === true) throw tooLong(where);
}

/** The time for all reading is up. */
export const tooLong = (where: string): LogError =>
  new LogError('LOG_STORAGE', `${where} cannot be read: the time for the whole command is up`, {
    hint: 'Give more with --timeout, if the log is worth waiting for.',
  });

/** The tile at `path` as `read` finds it, and the full one where a partial one is not there: a log may remove the partial ones once the full one is published, and readers of an older
 * head want a prefix of it (tlog-tiles). Rejects as `read` does, with what it says of `path` where there is neither. */
export async function tileOrFull(
  path: string,
  read: (path: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await read(path);
  } catch (error) {
    const full = path.replace(/\.p\/\d+$/, '');
    if (full === path || !isMissingOrHidden(error)) throw error;
    return read(full).catch((other: unknown) => {
      throw isMissingOrHidden(other) ? error : other;
    });
  }
}

const isMissing = (error: unknown): boolean => error instanceof LogReadError && error.code === 'NOT_FOUND';

/** Whether a file is not there, or the server refuses it (403): a bucket that may not be listed does not say which. */
export const isMissingOrHidden = (error: unknown): boolean =>
  isMissing(error) || (error instanceof LogError && error.metadata['status'] === '403');
