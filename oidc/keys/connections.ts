/** Connections to issuers: direct, or through the proxy that the environment names. */
import { Agent, ProxyAgent } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import { IssuerFault } from './issuer-fault.ts';
import { addressOf, proxiesOf } from './proxy-environment.ts';
import type { EnvironmentVariables, Proxies } from './proxy-environment.ts';
import { publicConnector, refuseNearby } from './public-connector.ts';
import { trustedCertificates, trusting } from './trust-store.ts';

/** The connection over which a document is fetched. */
export interface Connection {
  readonly dispatcher: Dispatcher;
  /** Host and port of the proxy, if there is one. */
  readonly proxy: string | undefined;
}

/** Connections to issuers that are trusted in one way. */
export interface Connections {
  /** The connection for `url`. With `publicOnly` it reaches public addresses only. Throws {@link IssuerFault} for a host whose
   * name shows that it has no public address. A proxy looks other names up itself, and has to refuse private addresses. */
  to(url: URL, publicOnly: boolean): Connection;
  close(): Promise<void>;
}

/** Which certificates are trusted. */
export interface ServerTrust {
  /** PEM certificates that are trusted in addition; undefined for none. */
  readonly caCert?: string | undefined;
  /** Whether `caCert` alone is trusted, for a server whose certificate one CA has to issue. */
  readonly exclusive?: boolean | undefined;
}

const PER_HOST = { connections: 4 };

/**
 * The addresses of a host are tried one after the other. By default Node gives up an address after 250 ms and does not try
 * it again, so that a slow address counts as dead, and an IPv6 address that leads nowhere may be the last that is left. Two
 * seconds are longer than a lost packet takes to be sent again, and leave time for four more addresses.
 */
const FAMILIES = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 2_000 } as const;

/** Connections with this trust through the proxies of `environment`, as {@link proxiesOf} has them; without `exclusive`
 * they trust {@link trustedCertificates} too. Throws {@link DefinitionError} for a proxy or a store of certificates that
 * cannot be used. */
export function openConnections(
  { caCert, exclusive = false }: ServerTrust,
  environment: EnvironmentVariables,
): Connections {
  const known = trustedCertificates(environment);
  const own = caCert === undefined ? [] : [caCert];
  return new TrustedConnections(exclusive ? own : [...known, ...own], known, proxiesOf(environment));
}

type Tls = buildConnector.BuildOptions;

/** Agents are made when the first document is fetched: a configuration may name a thousand issuers. */
class TrustedConnections implements Connections {
  readonly #certificates: readonly string[];
  readonly #proxyCertificates: readonly string[];
  readonly #proxies: Proxies;
  #tls: Tls | undefined;
  #anywhere: Dispatcher | undefined;
  #publicly: Dispatcher | undefined;
  readonly #byProxy = new Map<URL, ProxyAgent>();
  #isClosed = false;

  /** `proxyCertificates` are trusted for the proxy: the CA of an issuer is not trusted for it. */
  constructor(certificates: readonly string[], proxyCertificates: readonly string[], proxies: Proxies) {
    this.#certificates = certificates;
    this.#proxyCertificates = proxyCertificates;
    this.#proxies = proxies;
  }

  to(url: URL, publicOnly: boolean): Connection {
    if (this.#isClosed) throw new IssuerFault('UNREACHABLE', 'the service is closing');
    if (publicOnly) refuseNearby(url.hostname);
    const proxy = this.#proxies.for(url);
    if (proxy !== undefined) return { dispatcher: this.#via(proxy), proxy: addressOf(proxy) };
    return { dispatcher: this.#straight(publicOnly), proxy: undefined };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const agents = [this.#anywhere, this.#publicly, ...this.#byProxy.values()];
    await Promise.all(agents.filter((agent) => agent !== undefined).map((agent) => agent.destroy()));
  }

  #requestTls(): Tls {
    return (this.#tls ??= { ...FAMILIES, secureContext: trusting(this.#certificates) });
  }

  #straight(publicOnly: boolean): Dispatcher {
    const tls = this.#requestTls();
    if (publicOnly) return (this.#publicly ??= new Agent({ ...PER_HOST, connect: publicConnector(tls) }));
    return (this.#anywhere ??= new Agent({ ...PER_HOST, connect: tls }));
  }

  #via(proxy: URL): ProxyAgent {
    const known = this.#byProxy.get(proxy);
    if (known !== undefined) return known;
    const made = new ProxyAgent({
      ...PER_HOST,
      uri: proxy.href,
      requestTls: this.#requestTls(),
      proxyTls: { ...FAMILIES, secureContext: trusting(this.#proxyCertificates) },
      // Plain HTTP is sent to the proxy without a tunnel: most proxies refuse tunnels to ports other than 443.
      proxyTunnel: false,
    });
    this.#byProxy.set(proxy, made);
    return made;
  }
}
