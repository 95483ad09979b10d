import { ClosingStack } from './closing-stack.ts';

/**
 * The order in which a service ends, and a start that fails ends what it has opened so far: 1 to 5. Each thing that is
 * opened registers its closing in its section. What registers where stands here.
 */
export class ShutdownOrder {
  /** 1. Readiness ends, and clients get their answers: the public listener, its TLS files, the watch of the log's
   * components. Registered by `startListeners`. */
  readonly clients = new ClosingStack();
  /** 2. No client is left to wait for the log: log, replay guard and policy, registered by `openStores`, and the operator's
   * listener, registered by `startListeners`. They log faults of their own, which do not fail the end. */
  readonly stores = new ClosingStack('together');
  /** 3. No client is left without an answer: what records decisions. The audit is registered by `openService`, the summary
   * of refusals by `startListeners`. */
  readonly records = new ClosingStack();
  /** 4. Unless something failed: the line that the service is closed. Registered by `startListeners`. */
  readonly closedLine = new ClosingStack();
  /** Beside 1 to 4: following the configuration, registered by `openService`. A file system that does not answer must delay
   * neither the end of readiness, nor the answers, nor that line. */
  readonly following = new ClosingStack();
  /** 5. Last: the service log itself, registered by `openService`. */
  readonly serviceLog = new ClosingStack();
  #ended: Promise<void> | undefined;

  /** Ends everything that was registered, once. Rejects after that with what kept a record of decisions from being closed,
   * which may then lack its last lines. */
  close(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    const service = this.#endService();
    await Promise.allSettled([service, this.following.close()]);
    await Promise.allSettled([this.serviceLog.close()]);
    await service;
  }

  async #endService(): Promise<void> {
    try {
      await this.clients.close();
    } finally {
      await Promise.allSettled([this.stores.close()]);
      await this.records.close();
    }
    await this.closedLine.close();
  }
}
