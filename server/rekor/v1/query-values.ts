/** Parameters in the query of Rekor's first API, read as Go reads them. Every function throws EntryError as the framework refuses. */
import { goQuote } from '../../../core/go/quote.ts';
import { FAULT, fault } from './framework-faults.ts';

/** An integer of 64 bits in decimal, with a sign or without. */
const INTEGER = /^[+-]?\d{1,19}$/;
const MAX_INT64 = 2n ** 63n - 1n;

/** What stands behind the question mark of a request target. */
export class QueryValues {
  readonly #values: URLSearchParams;

  constructor(url: string) {
    const query = url.indexOf('?');
    this.#values = new URLSearchParams(query < 0 ? '' : url.slice(query + 1));
  }

  /** An integer that must be there. */
  requiredInteger(name: string, minimum: bigint): bigint {
    const value = this.integer(name, minimum);
    if (value === undefined) throw fault(FAULT.required, `${name} in query is required`);
    return value;
  }

  /** An integer that may be missing. */
  integer(name: string, minimum: bigint): bigint | undefined {
    const text = this.#last(name);
    if (text === undefined) return undefined;
    const value = INTEGER.test(text) ? BigInt(text.replace('+', '')) : undefined;
    if (value === undefined || value > MAX_INT64 || value < -MAX_INT64 - 1n) {
      const message = `${name} in query must be of type int64`;
      throw fault(FAULT.type, `${message}: ${goQuote(text)}`, message);
    }
    if (value < minimum)
      throw fault(FAULT.minimum, `${name} in query should be greater than or equal to ${minimum}`);
    return value;
  }

  /** A tree id that may be missing. */
  treeId(): bigint | undefined {
    const text = this.#last('treeID');
    if (text === undefined) return undefined;
    if (/^\d{1,19}$/.test(text)) return BigInt(text);
    throw fault(FAULT.pattern, "treeID in query should match '^[0-9]+$'");
  }

  /** Of several the last one counts; an empty one is as good as none. */
  #last(name: string): string | undefined {
    const text = this.#values.getAll(name).at(-1);
    return text === '' ? undefined : text;
  }
}
