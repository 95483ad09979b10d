/** The TUF repository over HTTP: files that lie in memory, under paths that are looked up whole, once it is certain that no other service has them newer. */
import { NEVER_CHANGES } from '../../trust/tuf/repository-files.ts';
import type { Reply } from '../http/exchange.ts';

/** Where the repository is served. */
export const TUF_PATH = '/tuf/';

/** Holds the files of a repository, by their path below {@link TUF_PATH}. */
export interface TufFiles {
  current(path: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** The answer for a path; undefined where there is nothing. What changes must not be kept by caches: a client that gets an old timestamp from one
 * takes it for an attack. */
export async function tufReply(files: TufFiles, path: string): Promise<Reply | undefined> {
  if (!path.startsWith(TUF_PATH)) return undefined;
  const name = path.slice(TUF_PATH.length);
  const body = await files.current(name);
  if (body === undefined) return undefined;
  const caching = NEVER_CHANGES.test(name) ? 'public, max-age=604800, immutable' : 'no-cache';
  const contentType = name.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return {
    status: 200,
    contentType,
    body,
    headers: ['Cache-Control', caching, 'X-Content-Type-Options', 'nosniff'],
  };
}
