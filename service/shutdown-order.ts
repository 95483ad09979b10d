import { ClosingStack } from './closing-stack.ts';

/**
 * The order in which a service ends, one section after the other. Each thing that is opened registers its closing in its
 * section, so that a start that fails closes what was opened until then, in the same order.
 *
 * Following the configuration ends beside everything else: a file system that does not answer must delay neither
 * readiness nor the end.
 */
export class ShutdownOrder {
  readonly #stack = new ClosingStack();
  /** Fourth and last: the service log, with the line that the service is closed. */
  readonly serviceLog = this.#stack.section();
  readonly #beside = this.#stack.section('together');
  /** Beside the first three. */
  readonly following = this.#beside.section();
  readonly #service = this.#beside.section();
  /** Third: what records decisions, once every client has its answer. */
  readonly records = this.#service.section();
  /** Second: log, policy and the operator's listener, once no client is left to wait for the log. */
  readonly stores = this.#service.section('together');
  /** First: readiness ends, and clients get their answers. */
  readonly clients = this.#service.section();

  /** Ends everything that was registered, once. Never rejects. */
  close(): Promise<void> {
    return this.#stack.close();
  }
}
