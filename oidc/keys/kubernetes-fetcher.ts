/**
 * Fetching the documents of a cluster's issuer from inside the cluster, from its Kubernetes API server.
 *
 * The API server requires the pod's token, and its certificate is issued by the cluster's own CA. Its discovery document
 * names an address of the control plane for the keys, which a pod may not be able to reach. But every API server serves the
 * keys itself. So the two documents are fetched from the name that the API server has inside the cluster, whatever address
 * a document names.
 *
 * The token opens the API of the cluster. It is sent only over connections that trust the cluster's CA and nothing else, and
 * only for these two paths. It goes to the API server's own name first. When that name does not lead to the document, and
 * the address that is named refuses to answer without a token, it goes to that address.
 */
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import type { ServerTrust } from './connections.ts';
import { discoveryUrl } from './discovery.ts';
import type { DocumentFetcher, FetchLimits } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { CLUSTER_ACCESS } from './kubernetes-cluster.ts';
import type { ClusterAccess } from './kubernetes-cluster.ts';
import { issuerOf, readClusterCertificates, readClusterToken } from './kubernetes-files.ts';
import { RenewedFetcher } from './renewed-fetcher.ts';

/** Where an API server has its keys. */
const KEYS_PATH = '/openid/v1/jwks';
const DISCOVERY_PATH = '/.well-known/openid-configuration';

/** What {@link createClusterFetcher} needs. */
interface ClusterFetcherOptions {
  readonly issuer: string;
  /** The URL of the document, where the operator names it. */
  readonly location?: URL | undefined;
  /** PEM certificates of the definition, trusted too. */
  readonly caCert: string | undefined;
  /** Makes the fetchers that do the work. */
  readonly createFetcher: (trust: ServerTrust) => DocumentFetcher;
  readonly access?: ClusterAccess | undefined;
}

/** A fetcher for one issuer of type kubernetes. Token and certificates are read again for each document. An issuer that is
 * not the cluster's own is asked like any other, without the token. */
export function createClusterFetcher(options: ClusterFetcherOptions): DocumentFetcher {
  const fetcher = new ClusterFetcher(options);
  return {
    fetch: (url, limits) => fetcher.fetch(url, limits),
    close: () => fetcher.close(),
  };
}

/** One attempt to fetch a document. */
type Attempt = (limits: FetchLimits) => Promise<unknown>;

class ClusterFetcher {
  readonly #issuer: string;
  readonly #location: URL | undefined;
  readonly #caCert: string | undefined;
  readonly #access: ClusterAccess;
  readonly #inside: RenewedFetcher;
  readonly #outside: RenewedFetcher;

  constructor(options: ClusterFetcherOptions) {
    const { createFetcher, access = CLUSTER_ACCESS } = options;
    this.#issuer = options.issuer;
    this.#location = options.location;
    this.#caCert = options.caCert;
    this.#access = access;
    this.#inside = new RenewedFetcher(createFetcher, true);
    this.#outside = new RenewedFetcher(createFetcher, false);
  }

  async fetch(url: URL, limits: FetchLimits): Promise<unknown> {
    const named = this.#namedServer();
    // The documents of another issuer must not steer requests with the token to the API server.
    if (named !== undefined && this.#isServer(url)) return this.#askByName(url, limits);
    const path = this.#location !== undefined && named === undefined ? undefined : this.#pathOf(url);
    const isOwn = path !== undefined && (named !== undefined || (await this.#madeOurToken()));
    if (!isOwn) return this.#askWithoutToken(url, limits);
    const own = new URL(path, `https://${named ?? this.#access.hosts[0] ?? ''}`);
    return firstOf(
      [
        async (bounds) => this.#checked(path, await this.#askServer(own, bounds)),
        (bounds) => this.#askWithoutToken(url, bounds),
        (bounds) => this.#askServer(url, bounds),
      ],
      limits,
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#inside.close(), this.#outside.close()]);
  }

  #isServer({ protocol, host }: URL): boolean {
    return protocol === 'https:' && this.#access.hosts.includes(host);
  }

  /** The path under which an API server serves the document at `url`; undefined when it is none of its two. */
  #pathOf(url: URL): string | undefined {
    if (url.protocol !== 'https:') return undefined;
    if (url.href === discoveryUrl(this.#issuer).href) return DISCOVERY_PATH;
    return url.pathname === KEYS_PATH && url.search === '' ? KEYS_PATH : undefined;
  }

  /** The API server's host, where the operator names it: as the issuer, or in the URL of its documents. */
  #namedServer(): string | undefined {
    return [this.#location, new URL(this.#issuer)].find((url) => url !== undefined && this.#isServer(url))
      ?.host;
  }

  /** Whether the issuer is that of this cluster, whatever its URL. */
  async #madeOurToken(): Promise<boolean> {
    try {
      const token = await readClusterToken(this.#access.token);
      return token !== undefined && issuerOf(token) === this.#issuer;
    } catch (error) {
      // Of no consequence for the issuers of other clusters.
      if (error instanceof IssuerFault) return false;
      throw error;
    }
  }

  /** A cluster whose issuer was changed may already have the documents of the new one. Those of the old one are elsewhere. */
  #checked(path: string, document: unknown): unknown {
    const isObject = typeof document === 'object' && document !== null;
    const named = isObject ? claim(document as Claims, 'issuer') : undefined;
    if (path !== DISCOVERY_PATH || named === this.#issuer) return document;
    throw new IssuerFault('UNUSABLE', "the cluster's API server speaks for another issuer");
  }

  /** Outside of a cluster the name may belong to another server, which is asked as any other issuer is. */
  async #askByName(url: URL, limits: FetchLimits): Promise<unknown> {
    const attempts: Attempt[] = [(bounds) => this.#askServer(url, bounds)];
    if ((await this.#certificates()) === undefined)
      attempts.push((bounds) => this.#askWithoutToken(url, bounds));
    return firstOf(attempts, limits);
  }

  /** The file that Kubernetes mounts holds the cluster's CA alone. The other sources may hold authorities of other issuers
   * too. */
  async #certificates(): Promise<string | undefined> {
    const { mounted, deployed } = this.#access.ca;
    const own = await readClusterCertificates(mounted);
    return own ?? joined([await readClusterCertificates(deployed), this.#caCert]);
  }

  /** Sends the token, over a connection that trusts the cluster's CA alone. */
  async #askServer(url: URL, limits: FetchLimits): Promise<unknown> {
    const { ca, token } = this.#access;
    const certificates = await this.#certificates();
    if (certificates === undefined) throw withoutCertificates(url, [ca.mounted, ca.deployed]);
    const bearer = await readClusterToken(token);
    // Its certificate proves that it is the API server, whatever its address.
    const bounds = { ...limits, publicOnly: false, bearer };
    try {
      return await this.#inside.use(certificates, (fetcher) => fetcher.fetch(url, bounds));
    } catch (error) {
      throw error instanceof IssuerFault ? explained(error, bearer) : error;
    }
  }

  async #askWithoutToken(url: URL, limits: FetchLimits): Promise<unknown> {
    const certificates = joined([await readClusterCertificates(this.#access.ca.deployed), this.#caCert]);
    return this.#outside.use(certificates, (fetcher) => fetcher.fetch(url, limits));
  }
}

function joined(pems: readonly (string | undefined)[]): string | undefined {
  const found = pems.filter((pem) => pem !== undefined);
  return found.length === 0 ? undefined : found.join('\n');
}

/** The document of the first attempt that does not fail. All attempts together take no longer than one alone may: each but
 * the last has half of the time that is left. Throws the fault of the first, with the others in its sentence. */
async function firstOf(attempts: readonly Attempt[], limits: FetchLimits): Promise<unknown> {
  const deadline = performance.now() + limits.timeout;
  const faults: IssuerFault[] = [];
  for (const [index, attempt] of attempts.entries()) {
    const left = Math.max(1, Math.ceil(deadline - performance.now()));
    try {
      const timeout = index === attempts.length - 1 ? left : Math.ceil(left / 2);
      return await attempt({ ...limits, timeout });
    } catch (error) {
      if (!(error instanceof IssuerFault)) throw error;
      faults.push(error);
    }
  }
  const [first] = faults;
  const sentence = [...new Set(faults.map(({ message }) => message))].join('; and ');
  throw new IssuerFault(first?.code ?? 'UNREACHABLE', sentence, { hint: first?.hint, cause: first?.cause });
}

function withoutCertificates(url: URL, paths: readonly string[]): IssuerFault {
  const sentence = `no certificate of the cluster is there to check ${url.host} with: unable to read cluster CA file`;
  return new IssuerFault('UNREACHABLE', `${sentence} ${paths.join(' or ')}`, {
    hint: 'Kubernetes mounts the first into every pod. Outside of a cluster, give the issuer a ca-cert or a jwks-file.',
  });
}

const ROLE =
  'The service account of this pod needs the cluster role system:service-account-issuer-discovery, which every service ' +
  'account has by default: kubectl get clusterrolebinding system:service-account-issuer-discovery';

/** A fault of the API server with what helps inside a cluster. */
function explained(fault: IssuerFault, bearer: string | undefined): IssuerFault {
  const { status } = fault.metadata;
  if (status !== '401' && status !== '403') return fault;
  const hint =
    bearer === undefined
      ? 'It wants the token of a pod, and none is mounted: see automountServiceAccountToken.'
      : status === '401'
        ? 'It does not take the token of this pod: is it of this cluster, and for its API server?'
        : ROLE;
  return new IssuerFault(fault.code, fault.message, { hint, metadata: fault.metadata, cause: fault });
}
