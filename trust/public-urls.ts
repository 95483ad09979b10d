/** The URLs in a trusted root. The ledger holds those of our own services as paths, such as `/log/2026/`, so that a service that moves to another
 * URL has it in all of its entries at once. Services of others stand there with their whole URL. */
import type { TrustedRoot } from './format/trusted-root.ts';

/** The paths of our own services. */
export const OWN_PATHS = {
  certificateAuthority: '/',
  timestampAuthority: '/api/v1/timestamp',
  log: (name: string): string => `/log/${name}/`,
  /** Of a log of artifacts by its name: verifiers compare that with the host of its URL, wherever the service is by now. */
  artifactLog: (host: string): string => `//${host}`,
} as const;

/** Whether an entry with this URL, as the ledger has it, is one of our own services. */
export const isOwnPath = (url: string): boolean => url.startsWith('/');

/** The same with the URL of each own service below `publicUrl`, which has no slash at its end. */
export const withPublicUrl = (root: TrustedRoot, publicUrl: string): TrustedRoot => ({
  certificateAuthorities: root.certificateAuthorities.map((authority) => ({
    ...authority,
    uri: urlOf(authority.uri, publicUrl),
  })),
  certificateLogs: root.certificateLogs.map((log) => ({ ...log, baseUrl: urlOf(log.baseUrl, publicUrl) })),
  timestampAuthorities: root.timestampAuthorities.map((authority) => ({
    ...authority,
    uri: urlOf(authority.uri, publicUrl),
  })),
  artifactLogs: root.artifactLogs.map((log) => ({ ...log, baseUrl: urlOf(log.baseUrl, publicUrl) })),
});

/** Clients expect the base URLs of a CA and of a log of artifacts without a slash at their end. */
function urlOf(url: string, publicUrl: string): string {
  if (!isOwnPath(url)) return url;
  if (url === OWN_PATHS.certificateAuthority) return publicUrl;
  if (!url.startsWith('//')) return `${publicUrl}${url}`;
  return isAtHost(publicUrl, url.slice(2)) ? publicUrl : `https:${url}`;
}

/** Whether that is the host of a URL. */
export const isAtHost = (url: string, host: string): boolean => hostOf(url) === host;

/** The host of a URL, also as the ledger has it of a log of artifacts; undefined where there is none. */
export const hostOf = (url: string): string | undefined =>
  URL.parse(url.startsWith('//') ? `https:${url}` : url)?.hostname;
