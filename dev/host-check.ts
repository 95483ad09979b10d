/**
 * Which names a development listener answers to.
 *
 * A page in a browser can make its own host name resolve to 127.0.0.1 and then read answers as if they were its own
 * (DNS rebinding). The browser still sends that name as `Host`, so a request under a foreign name is refused.
 */
import { LOOPBACK_NAMES } from '../core/loopback.ts';

/** A test for `Host` headers: the loopback names and `publicHost`, each with `port` (which may be left out if it is
 * 80). Case does not matter. */
export function hostCheck(port: number, publicHost?: string): (hostHeader: string | undefined) => boolean {
  const names = publicHost === undefined ? LOOPBACK_NAMES : [...LOOPBACK_NAMES, publicHost.toLowerCase()];
  const allowed = new Set(
    names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])),
  );
  return (hostHeader) => hostHeader !== undefined && allowed.has(hostHeader.toLowerCase());
}
