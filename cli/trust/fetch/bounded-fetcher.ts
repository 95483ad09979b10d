import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BaseFetcher } from 'tuf-js';
import { DownloadHTTPError, DownloadLengthMismatchError } from 'tuf-js/dist/error.js';
import { retryAfterSeconds, retrying } from '../../../core/retry.ts';
import { exchangeRaw } from '../../certificate/http.ts';
import { CommandError } from '../../program/command.ts';

/** More than any file of a repository for trust. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Milliseconds for one file, and for all of them. */
const FILE_MS = 30_000;
const ALL_MS = 120_000;

/** A server that is busy, or has just been started anew, is asked again. */
const TRIES = { tries: 3, seconds: 10 };

/** Name of a file that is being handed over. */
const DOWNLOAD = '.download';

/** Fetches files of a TUF repository with bounds in size and time, and follows no redirect: what it gets is judged by others, what it costs is
 * not. One file at a time. */
export class BoundedFetcher extends BaseFetcher {
  readonly #scratch: string;
  readonly #deadline = Date.now() + ALL_MS;
  /** The roots by their numbers that were fetched, in any order. */
  readonly roots: Uint8Array[] = [];
  /** What the network did, where that ended the work: the library wraps it. */
  fault: CommandError | undefined;

  /** `scratch`: a directory for files on their way. The library itself would want one for temporary files, which a container may not have. */
  constructor(scratch: string) {
    super();
    this.#scratch = scratch;
  }

  override async fetch(url: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return new Blob([await this.#bytes(url, MAX_BYTES)]).stream();
  }

  override async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const bytes = Buffer.from(await this.#bytes(url, maxLength));
    if (/\/\d+\.root\.json$/.test(url)) this.roots.push(bytes);
    return bytes;
  }

  override async downloadFile<T>(
    url: string,
    maxLength: number,
    handler: (file: string) => Promise<T>,
  ): Promise<T> {
    const file = join(this.#scratch, DOWNLOAD);
    try {
      await writeFile(file, await this.downloadBytes(url, maxLength));
      return await handler(file);
    } finally {
      await rm(file, { force: true });
    }
  }

  /** The bytes of one file; undefined where there is none. Rejects with {@link CommandError}. */
  async bytesOf(url: string): Promise<Uint8Array | undefined> {
    try {
      return await this.downloadBytes(url, MAX_BYTES);
    } catch (error) {
      if (error instanceof DownloadHTTPError) return undefined;
      if (error instanceof CommandError) throw error;
      throw new CommandError('FAILED', `${url} cannot be fetched: ${String(error)}`, { cause: error });
    }
  }

  async #bytes(url: string, maxLength: number): Promise<ArrayBuffer> {
    const response = await this.#answer(url);
    const bytes = await response.arrayBuffer();
    if (bytes.byteLength > maxLength) throw new DownloadLengthMismatchError('Max length reached');
    return bytes;
  }

  async #answer(url: string): Promise<Response> {
    try {
      const response = await retrying(() => this.#ask(url), delayOf, TRIES);
      if (response.ok) return response;
      // There is no such file: of a root it says that there is no newer one.
      if ([403, 404].includes(response.status))
        throw new DownloadHTTPError(`status ${response.status} for ${url}`, response.status);
      throw failed(url, response);
    } catch (error) {
      if (error instanceof CommandError) this.fault = error;
      throw error;
    }
  }

  async #ask(url: string): Promise<Response> {
    const left = this.#deadline - Date.now();
    if (left <= 0)
      throw new CommandError('UNREACHABLE', `the repository did not answer within ${ALL_MS / 1000} s`);
    const limits = { timeoutMs: Math.min(FILE_MS, left), maxBytes: MAX_BYTES };
    return exchangeRaw(new URL(url), 'the repository', {}, limits);
  }
}

const isBusy = ({ status }: Response): boolean => status === 429 || status >= 500;

const retryAfterOf = ({ headers }: Response): number | undefined =>
  retryAfterSeconds(headers.get('retry-after'), Date.now());

const delayOf = (response: Response): number | undefined =>
  isBusy(response) ? (retryAfterOf(response) ?? 1) : undefined;

function failed(url: string, response: Response): CommandError {
  const { status } = response;
  const retryAfter = retryAfterOf(response);
  return new CommandError('FAILED', `the repository answered ${status} for ${url}`, {
    hint: isBusy(response)
      ? 'Nothing was changed. Try again later.'
      : 'Nothing was changed. Ask the operator who may read it.',
    metadata: {
      ...(isBusy(response) ? { unavailable: String(status) } : {}),
      ...(isBusy(response) && retryAfter !== undefined ? { retryAfter: String(retryAfter) } : {}),
    },
  });
}
