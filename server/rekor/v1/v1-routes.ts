/** The paths of Rekor's first API. */

/** What is asked for. */
export type V1Call =
  'create' | 'byIndex' | 'byId' | 'retrieve' | 'log' | 'proof' | 'publicKey' | 'search' | 'ping';

/** Method → call, at one path. */
type Methods = Readonly<Partial<Record<'GET' | 'POST' | 'HEAD', V1Call>>>;

/** A path that there is. */
export interface V1Route {
  /** As it stands in metrics: a closed set. */
  readonly template: string;
  readonly methods: Methods;
  /** The last part of the path, where it is a client's. */
  readonly id: string;
}

const ENTRIES = '/api/v1/log/entries';

const FIXED: ReadonlyMap<string, Methods> = new Map<string, Methods>([
  // In the order in which Rekor names them to those who use another one.
  [ENTRIES, { POST: 'create', GET: 'byIndex' }],
  [`${ENTRIES}/retrieve`, { POST: 'retrieve', GET: 'byId' }],
  ['/api/v1/log', { GET: 'log' }],
  ['/api/v1/log/proof', { GET: 'proof' }],
  ['/api/v1/log/publicKey', { GET: 'publicKey' }],
  ['/api/v1/index/retrieve', { POST: 'search' }],
  ['/ping', { GET: 'ping', HEAD: 'ping' }],
]);

const BY_ID = /^\/api\/v1\/log\/entries\/([^/]+)$/;
const OWN = /^\/(?:api\/v1\/(?:log|index)(?:\/|$)|ping$)/;

/** Whether a path is of this API: then nothing else answers there. */
export const isV1Path = (path: string): boolean => OWN.test(path);

/** Undefined where there is nothing at the path. Slashes at its end do not count. */
export function v1Route(path: string): V1Route | undefined {
  const trimmed = path.replace(/\/{1,8}$/, '');
  const methods = FIXED.get(trimmed);
  const [, id = ''] = BY_ID.exec(trimmed) ?? [];
  if (methods !== undefined) return { template: trimmed, methods, id };
  return id === '' ? undefined : { template: `${ENTRIES}/{entryUUID}`, methods: { GET: 'byId' }, id };
}
