/** The paths of Rekor's second API. */

/** A read that is asked for: of the log with that name, or of the one in use. */
export type V2Read = { readonly log?: string | undefined } & (
  { readonly call: 'checkpoint' | 'redacted' } | { readonly call: 'tile'; readonly path: string }
);

/** What is asked for. */
export type V2Call = { readonly call: 'create' } | V2Read;

const API = '/api/v2';
const CREATE = `${API}/log/entries`;
const FILE = /^(?:\/api\/v2|\/artifacts\/(v2(?:-[1-9]\d{0,3})?))?\/(checkpoint|redacted|tile\/.*)$/;

/** What is at a path. Clients read below the API's prefix, and monitors at the root. Each log has a place of its own besides, where it stays when another one takes its place. */
export function v2Call(path: string): V2Call | undefined {
  if (path === CREATE) return { call: 'create' };
  // Nothing of a log of tiles: at the root others may have it.
  if (path === '/redacted') return undefined;
  const [, log, file] = FILE.exec(path) ?? [];
  if (file === undefined) return undefined;
  return file.startsWith('tile/')
    ? { call: 'tile', path: file, log }
    : { call: file === 'redacted' ? 'redacted' : 'checkpoint', log };
}

/** What Rekor's gateway says of a level that is no number; undefined for one that is. */
export function levelFault(path: string): string | undefined {
  const level = path.split('/')[1] ?? '';
  if (level === 'entries' || /^\d{1,19}$/.test(level)) return undefined;
  const shown = JSON.stringify(level.slice(0, 64));
  return `type mismatch, parameter: L, error: strconv.ParseUint: parsing ${shown}: invalid syntax`;
}
