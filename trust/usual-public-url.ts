import type { CtLogIdentity } from '../ct-log/log-identity.ts';

/** Where a service most likely is for clients when nobody has said so: `init` makes the log's origin from the public URL. No slash at the end. */
export function usualPublicUrl({ origin, name }: Pick<CtLogIdentity, 'origin' | 'name'>): string {
  const end = `/log/${name}`;
  return `https://${origin.endsWith(end) ? origin.slice(0, -end.length) : origin.split('/', 1).join('')}`;
}
