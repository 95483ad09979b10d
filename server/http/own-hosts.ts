import { isLoopbackHostname } from '../../core/loopback.ts';
import type { AcceptHost } from './http-listener.ts';
import { urlHost, type ListenAddress } from './listen-address.ts';

/** Where a service for one machine listens. */
interface OwnAddresses {
  readonly listen: ListenAddress;
  readonly metricsListen: ListenAddress;
}

/**
 * A test for `Host` that keeps out web pages which make their own name point here (DNS rebinding): loopback names, the
 * addresses that are listened on, and `publicHost`, the name under which other machines may come. Case does not matter.
 *
 * The port does not matter either: a page cannot change the name that its browser sends, and behind a tunnel or a
 * container's port mapping the port is another one.
 */
export function ownHosts({ listen, metricsListen }: OwnAddresses, publicHost?: string): AcceptHost {
  const own = [urlHost(listen.host), urlHost(metricsListen.host), publicHost ?? 'localhost'];
  const names = new Set(own.map((name) => name.toLowerCase()));
  return (header) => {
    const name = header?.toLowerCase().replace(/:\d+$/, '');
    return name !== undefined && (isLoopbackHostname(name) || names.has(name));
  };
}
