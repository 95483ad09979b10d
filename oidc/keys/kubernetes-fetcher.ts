/** Fetching the documents of a cluster's issuer from inside: with the cluster's certificates, and with a token. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { decodePem } from '../../core/pem.ts';
import type { DocumentFetcher } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { clusterBearer } from './kubernetes-bearer.ts';

/** Where a pod finds what belongs to its cluster. */
export interface ClusterFiles {
  /** PEM. Mounted by whoever deploys the service. */
  readonly ca: string;
  /** Mounted by Kubernetes, and renewed by it. */
  readonly token: string;
}

/** Where Fulcio has them. */
export const CLUSTER_FILES: ClusterFiles = {
  ca: '/var/run/fulcio/ca.crt',
  token: '/var/run/secrets/kubernetes.io/serviceaccount/token',
};

/** What {@link createClusterFetcher} needs. */
export interface ClusterFetcherOptions {
  readonly issuer: string;
  /** PEM certificates of the definition, trusted too. */
  readonly caCert: string | undefined;
  /** Makes the fetcher that does the work. */
  readonly createFetcher: (caCert: string) => DocumentFetcher;
  readonly files?: ClusterFiles | undefined;
}

/** A fetcher for one issuer. Both files are read again for each document. */
export function createClusterFetcher(options: ClusterFetcherOptions): DocumentFetcher {
  const { issuer, caCert, files = CLUSTER_FILES } = options;
  const renewed = new RenewedFetcher(options.createFetcher);
  return {
    fetch: async (url, limits) => {
      const trust = await clusterTrust(files.ca, caCert);
      const bearer = await clusterBearer(files.token, url, issuer);
      return renewed.use(trust, (fetcher) => fetcher.fetch(url, { ...limits, bearer }));
    },
    close: () => renewed.close(),
  };
}

/** Connections that are made anew when the certificates change. Fetches under way keep theirs until they end. */
class RenewedFetcher {
  readonly #create: (caCert: string) => DocumentFetcher;
  #current: { readonly trust: string; readonly fetcher: DocumentFetcher } | undefined;
  readonly #users = new Map<DocumentFetcher, number>();
  #closed = false;

  constructor(create: (caCert: string) => DocumentFetcher) {
    this.#create = create;
  }

  async use<T>(trust: string, work: (fetcher: DocumentFetcher) => Promise<T>): Promise<T> {
    const fetcher = this.#fetcherFor(trust);
    this.#users.set(fetcher, (this.#users.get(fetcher) ?? 0) + 1);
    try {
      return await work(fetcher);
    } finally {
      await this.#leave(fetcher);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const fetchers = new Set(this.#users.keys());
    if (this.#current !== undefined) fetchers.add(this.#current.fetcher);
    await Promise.all([...fetchers].map((fetcher) => fetcher.close()));
  }

  #fetcherFor(trust: string): DocumentFetcher {
    if (this.#closed) throw new IssuerFault('UNREACHABLE', 'the service is closing');
    if (this.#current?.trust === trust) return this.#current.fetcher;
    const old = this.#current?.fetcher;
    const fetcher = this.#create(trust);
    this.#current = { trust, fetcher };
    if (old !== undefined && !this.#users.has(old)) void old.close();
    return fetcher;
  }

  async #leave(fetcher: DocumentFetcher): Promise<void> {
    const others = (this.#users.get(fetcher) ?? 1) - 1;
    if (others > 0) this.#users.set(fetcher, others);
    else this.#users.delete(fetcher);
    if (others === 0 && this.#current?.fetcher !== fetcher) await fetcher.close();
  }
}

/** What to trust beside the system's certificates. */
async function clusterTrust(path: string, caCert: string | undefined): Promise<string> {
  const cluster = await readCertificates(path, caCert !== undefined);
  return [caCert, cluster].filter((pem) => pem !== undefined).join('\n');
}

async function readCertificates(path: string, isOptional: boolean): Promise<string | undefined> {
  const hint = "It holds the cluster's CA certificate as PEM; the issuer's ca-cert can take its place.";
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (cause) {
    if (isOptional && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new IssuerFault('UNREACHABLE', `unable to read cluster CA file: ${path}`, { hint, cause });
  }
  if (holdsCertificates(pem)) return pem;
  throw new IssuerFault('UNREACHABLE', `the cluster CA file ${path} holds no certificate`, { hint });
}

function holdsCertificates(pem: string): boolean {
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
    for (const { bytes } of blocks) new X509Certificate(bytes);
    return blocks.length > 0;
  } catch {
    return false;
  }
}
