import { LogReadError } from '../../tlog/core/log-error.ts';

const INTEGER = /^(?:0|[1-9]\d{0,15})$/;
const HASH = /^[A-Za-z0-9+/]{43}=$/;

/** The query parameters of a log call, read strictly. Every reader throws {@link LogReadError} `BAD_PARAMETER`. */
export class QueryParameters {
  readonly #values: URLSearchParams;

  /** `url` is a request target, `/path?query`. */
  constructor(url: string) {
    const query = url.indexOf('?');
    this.#values = new URLSearchParams(query < 0 ? '' : url.slice(query + 1));
  }

  /** A decimal number, 0 to 2⁵³−1, without sign or leading zeros. */
  integer(name: string): number {
    const text = this.#one(name);
    const value = Number(text);
    if (INTEGER.test(text) && Number.isSafeInteger(value)) return value;
    throw new LogReadError('BAD_PARAMETER', `${name} must be a decimal number from 0 to 2^53-1`);
  }

  /** 32 bytes in standard base64. A blank counts as the plus sign that a caller did not escape. */
  hash(name: string): Uint8Array {
    const text = this.#one(name).replaceAll(' ', '+');
    if (HASH.test(text)) return Buffer.from(text, 'base64');
    throw new LogReadError('BAD_PARAMETER', `${name} must be 32 bytes in base64`);
  }

  #one(name: string): string {
    const [value, ...more] = this.#values.getAll(name);
    if (value !== undefined && more.length === 0) return value;
    const complaint = value === undefined ? 'is missing' : 'is given more than once';
    throw new LogReadError('BAD_PARAMETER', `the parameter ${name} ${complaint}`);
  }
}
