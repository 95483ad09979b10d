import { Tally } from '../../core/tally.ts';
import type { ServerTrust } from './connections.ts';
import type { DocumentFetcher } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';

/** Connections that are made anew when the certificates that they trust change. Fetches under way keep theirs until they
 * end. */
export class RenewedFetcher {
  readonly #create: (trust: ServerTrust) => DocumentFetcher;
  readonly #exclusive: boolean;
  #current: { readonly caCert: string | undefined; readonly fetcher: DocumentFetcher } | undefined;
  readonly #users = new Tally<DocumentFetcher>();
  #closed = false;

  /** `exclusive`: whether only the certificates are trusted that are passed to {@link RenewedFetcher.use}. */
  constructor(create: (trust: ServerTrust) => DocumentFetcher, exclusive: boolean) {
    this.#create = create;
    this.#exclusive = exclusive;
  }

  /** Runs `work` with a fetcher that trusts `caCert` (PEM). Throws {@link IssuerFault} after {@link RenewedFetcher.close}. */
  async use<T>(caCert: string | undefined, work: (fetcher: DocumentFetcher) => Promise<T>): Promise<T> {
    const fetcher = this.#fetcherFor(caCert);
    this.#users.add(fetcher, 1);
    try {
      return await work(fetcher);
    } finally {
      await this.#leave(fetcher);
    }
  }

  /** Closes all connections; a fetch under way fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const fetchers = new Set([...this.#users].map(([fetcher]) => fetcher));
    if (this.#current !== undefined) fetchers.add(this.#current.fetcher);
    await Promise.all([...fetchers].map((fetcher) => fetcher.close()));
  }

  #fetcherFor(caCert: string | undefined): DocumentFetcher {
    if (this.#closed) throw new IssuerFault('UNREACHABLE', 'the service is closing');
    if (this.#current !== undefined && this.#current.caCert === caCert) return this.#current.fetcher;
    const old = this.#current?.fetcher;
    const fetcher = this.#create({ caCert, exclusive: this.#exclusive });
    this.#current = { caCert, fetcher };
    if (old !== undefined && this.#users.of(old) === 0) void old.close();
    return fetcher;
  }

  async #leave(fetcher: DocumentFetcher): Promise<void> {
    const others = this.#users.add(fetcher, -1);
    if (others === 0 && this.#current?.fetcher !== fetcher) await fetcher.close();
  }
}
