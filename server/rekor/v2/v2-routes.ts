/** The paths of Rekor's second API. */

/** What is asked for. */
export type V2Call =
  { readonly call: 'create' | 'checkpoint' | 'redacted' } | { readonly call: 'tile'; readonly path: string };

const API = '/api/v2';
const CREATE = `${API}/log/entries`;
const TILE = /^(?:\/api\/v2)?\/(tile\/.*)$/;

/** What is at a path. Clients read below the API's prefix, and monitors at the root. */
export function v2Call(path: string): V2Call | undefined {
  if (path === CREATE) return { call: 'create' };
  if (path === `${API}/checkpoint` || path === '/checkpoint') return { call: 'checkpoint' };
  if (path === `${API}/redacted`) return { call: 'redacted' };
  const tile = TILE.exec(path)?.[1];
  return tile === undefined ? undefined : { call: 'tile', path: tile };
}

/** What Rekor's gateway says of a level that is no number; undefined for one that is. */
export function levelFault(path: string): string | undefined {
  const level = path.split('/')[1] ?? '';
  if (level === 'entries' || /^\d{1,19}$/.test(level)) return undefined;
  const shown = JSON.stringify(level.slice(0, 64));
  return `type mismatch, parameter: L, error: strconv.ParseUint: parsing ${shown}: invalid syntax`;
}
