/** The TUF repository over HTTP: files that lie in memory, under paths that are looked up whole. */
import type { Reply } from '../http/exchange.ts';

/** Where the repository is served. */
export const TUF_PATH = '/tuf/';

/** Holds the files of a repository, by their path below {@link TUF_PATH}. */
export interface TufFiles {
  file(path: string): Uint8Array | undefined;
}

/** Files that never change: those with a version or a hash in their name. */
const IMMUTABLE = /^(?:\d+\.\w+\.json|targets\/[0-9a-f]{64,128}\.[^/]+)$/;

/** The answer for a path; undefined where there is nothing. What changes must not be kept by caches: a client that gets an old timestamp from one
 * takes it for an attack. */
export function tufReply(files: TufFiles, path: string): Reply | undefined {
  if (!path.startsWith(TUF_PATH)) return undefined;
  const name = path.slice(TUF_PATH.length);
  const body = files.file(name);
  if (body === undefined) return undefined;
  const caching = IMMUTABLE.test(name) ? 'public, max-age=604800, immutable' : 'no-cache';
  const contentType = name.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return {
    status: 200,
    contentType,
    body,
    headers: ['Cache-Control', caching, 'X-Content-Type-Options', 'nosniff'],
  };
}
