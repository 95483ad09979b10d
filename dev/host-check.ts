/**
 * Which names a development listener answers to.
 *
 * A page in a browser can make its own host name resolve to 127.0.0.1 and then read answers as if they were its own
 * (DNS rebinding). The browser still sends that name as `Host`, so whoever asks under a foreign name gets nothing.
 */

/** The addresses of this machine only. `localhost` counts: it resolves to one of them. */
export const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/** Whether `host` (as in a URL: IPv6 in brackets) is loopback by its own text. */
export const isLoopbackHost = (host: string): boolean =>
  LOOPBACK_HOSTS.includes(host) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

/** A test for `Host` headers: the loopback names and `publicHost`, each with `port` (which may be left out if it is
 * 80). Case does not matter. */
export function hostCheck(port: number, publicHost?: string): (hostHeader: string | undefined) => boolean {
  const names = publicHost === undefined ? LOOPBACK_HOSTS : [...LOOPBACK_HOSTS, publicHost.toLowerCase()];
  const allowed = new Set(
    names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])),
  );
  return (hostHeader) => hostHeader !== undefined && allowed.has(hostHeader.toLowerCase());
}
