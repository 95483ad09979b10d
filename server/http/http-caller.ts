import type { ClientAddress } from './client-address.ts';
import type { Exchange } from './exchange.ts';

/** Who asked, for records. The address costs something to find out, and not everything is written down with it: it is looked up where it
 * is read. */
export class HttpCaller {
  readonly #exchange: Exchange;
  readonly #clientAddress: ClientAddress;

  constructor(exchange: Exchange, clientAddress: ClientAddress) {
    this.#exchange = exchange;
    this.#clientAddress = clientAddress;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  get address(): string {
    return this.#clientAddress(this.#exchange.request);
  }

  /** Milliseconds since the request came in. */
  get ms(): number {
    return this.#exchange.ms;
  }
}
