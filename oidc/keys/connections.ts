/** Which connection a document comes over: straight, or through the proxy that the environment names. */
import { getCACertificates } from 'node:tls';
import { Agent, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { addressOf, proxiesOf } from './proxy-environment.ts';
import type { Environment } from './proxy-environment.ts';
import { publicConnector, refuseNearby } from './public-connector.ts';

/** How a document is asked for. */
export interface Connection {
  readonly dispatcher: Dispatcher;
  /** Host and port of the proxy that it leads through, if any. */
  readonly proxy: string | undefined;
}

/** Connections to issuers that are trusted in one way. */
export interface Connections {
  /** That for `url`. With `publicOnly` it reaches public addresses only, and a host that says by its name that it has
   * none throws {@link IssuerFault}; what a proxy makes of other names is the proxy's to judge. */
  to(url: URL, publicOnly: boolean): Connection;
  close(): Promise<void>;
}

const PER_HOST = { connections: 4 };

/** Connections that trust what Node trusts (NODE_EXTRA_CA_CERTS too) and, beside that, the certificates of `caCert`
 * (PEM), and go through the proxies of `environment` as {@link proxiesOf} has them. Throws {@link DefinitionError} for a
 * proxy that cannot be used. */
export function openConnections(caCert: string | undefined, environment: Environment): Connections {
  const trust = caCert === undefined ? {} : { ca: [...getCACertificates('default'), caCert] };
  const tls = { ...trust, minVersion: 'TLSv1.2' } as const;
  const proxies = proxiesOf(environment);
  const anywhere = new Agent({ ...PER_HOST, connect: tls });
  const publicly = new Agent({ ...PER_HOST, connect: publicConnector(tls) });
  // Plain HTTP is handed to the proxy as it is: most refuse a tunnel to anything but port 443.
  const byProxy = new Map<URL | undefined, Connection>(
    proxies.all.map((proxy) => {
      const settings = { ...PER_HOST, uri: proxy.href, requestTls: tls, proxyTunnel: false };
      return [proxy, { dispatcher: new ProxyAgent(settings), proxy: addressOf(proxy) }];
    }),
  );
  return {
    to: (url, publicOnly) => {
      if (publicOnly) refuseNearby(url.hostname);
      const straight = { dispatcher: publicOnly ? publicly : anywhere, proxy: undefined };
      return byProxy.get(proxies.for(url)) ?? straight;
    },
    close: async () => {
      const agents = [...byProxy.values()].map(({ dispatcher }) => dispatcher);
      await Promise.all([anywhere, publicly, ...agents].map((agent) => agent.destroy()));
    },
  };
}
