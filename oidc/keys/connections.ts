/** Which connection a document comes over: straight, or through the proxy that the environment names. */
import { Agent, ProxyAgent } from 'undici';
import type { buildConnector, Dispatcher } from 'undici';
import { IssuerFault } from './issuer-fault.ts';
import { addressOf, proxiesOf } from './proxy-environment.ts';
import type { EnvironmentVariables, Proxies } from './proxy-environment.ts';
import { publicConnector, refuseNearby } from './public-connector.ts';
import { trustedCertificates, trusting } from './trust-store.ts';

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

/** Whose certificates are taken. */
export interface ServerTrust {
  /** PEM certificates that count beside the others; undefined for none. */
  readonly caCert?: string | undefined;
  /** Whether nothing but `caCert` counts, as for a server that one CA alone may vouch for. */
  readonly exclusive?: boolean | undefined;
}

const PER_HOST = { connections: 4 };

/**
 * A host with several addresses is tried at one after the other. Node gives up an address after 250 ms and never comes
 * back to it, so that a slow one counts as dead, and an IPv6 address that leads nowhere may be the last that is left. Two
 * seconds are more than a packet that is lost and sent again takes, and leave time for four more addresses.
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

/** What it needs is made when a document is first asked for: a configuration may name a thousand issuers. */
class TrustedConnections implements Connections {
  readonly #certificates: readonly string[];
  readonly #proxyCertificates: readonly string[];
  readonly #proxies: Proxies;
  #tls: Tls | undefined;
  #anywhere: Dispatcher | undefined;
  #publicly: Dispatcher | undefined;
  readonly #byProxy = new Map<URL, ProxyAgent>();
  #isClosed = false;

  /** `proxyCertificates`: an issuer's certificate authority does not vouch for a proxy. */
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
      // Plain HTTP is handed to the proxy as it is: most refuse a tunnel to anything but port 443.
      proxyTunnel: false,
    });
    this.#byProxy.set(proxy, made);
    return made;
  }
}
