import { ClosingStack } from './closing-stack.ts';

/**
 * The order in which a service ends, and a start that fails ends what it has opened so far: 1 to 4. Each thing that is
 * opened registers its closing in its section. What registers where stands here.
 */
export class ShutdownOrder {
  /** 1. Readiness ends, and clients get their answers: the public listener, its TLS files, the watch of the log's
   * components. Registered by `startListeners`. */
  readonly clients = new ClosingStack();
  /** 2. No client is left to wait for the log: log, replay guard and policy, registered by `openStores`, and the operator's
   * listener, registered by `startListeners`. */
  readonly stores = new ClosingStack('together');
  /** 3. No client is left without an answer: what records decisions. The audit is registered by `openService`, the summary
   * of refusals by `startListeners`. */
  readonly records = new ClosingStack();
  /** 4. Last: the line that the service is closed, registered by `startListeners`, and the service log itself, registered
   * by `openService`. */
  readonly serviceLog = new ClosingStack();
  /** Beside 1 to 3: following the configuration, registered by `openService`. A file system that does not answer must delay
   * neither the end of readiness nor the answers. */
  readonly following = new ClosingStack();
  #closed: Promise<void> | undefined;

  /** Ends everything that was registered, once. Never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const unfollowed = this.following.close();
    await this.clients.close();
    await this.stores.close();
    await this.records.close();
    await unfollowed;
    await this.serviceLog.close();
  }
}
