import { BaseFetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { exchangeRaw } from '../../certificate/http.ts';
import { CommandError } from '../../program/command.ts';

/** More than any file of a repository for trust. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Milliseconds for one file, and for all of them. */
const FILE_MS = 30_000;
const ALL_MS = 120_000;

/** Fetches files of a TUF repository with bounds in size and time, and follows no redirect: what it gets is judged by others, what it costs is
 * not. */
export class BoundedFetcher extends BaseFetcher {
  readonly #deadline = Date.now() + ALL_MS;
  /** What the network did, where that ended the work: the library wraps it. */
  fault: CommandError | undefined;

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    try {
      const left = this.#deadline - Date.now();
      if (left <= 0)
        throw new CommandError('UNREACHABLE', `the repository did not answer within ${ALL_MS / 1000} s`);
      const limits = { timeoutMs: Math.min(FILE_MS, left), maxBytes: MAX_BYTES };
      const response = await exchangeRaw(new URL(url), 'the repository', {}, limits);
      if (!response.ok) throw new DownloadHTTPError(`status ${response.status} for ${url}`, response.status);
      return new Response(await response.arrayBuffer()).body ?? new ReadableStream();
    } catch (error) {
      if (error instanceof CommandError) this.fault = error;
      throw error;
    }
  }

  /** The bytes of one file; undefined where there is none. Rejects with {@link CommandError}. */
  async bytesOf(url: string): Promise<Uint8Array | undefined> {
    try {
      return await this.downloadBytes(url, MAX_BYTES);
    } catch (error) {
      if (error instanceof DownloadHTTPError && [403, 404].includes(error.statusCode)) return undefined;
      if (error instanceof CommandError) throw error;
      throw new CommandError('FAILED', `${url} cannot be fetched: ${String(error)}`, { cause: error });
    }
  }
}
