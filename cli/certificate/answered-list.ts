/** What a service that is asked for a list, page by page, may answer: one that ends. */
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { FormatError } from '../../core/errors.ts';
import { CommandError } from '../program/command.ts';
import { withWords } from './service-words.ts';

/** Pages without an entry that may follow each other: where much is searched, the time of a page is over before something is found. */
const MOST_EMPTY = 100;

/** Holds pages of entries to their order, the newest of each log first, so that no list goes on for ever. */
export class AnsweredOrder {
  #empty = 0;
  #log: string | undefined;
  #below = Infinity;
  readonly #past = new Set<string>();

  /** Called with the number of entries of each page behind which there is another one. Throws {@link CommandError} where there is no end to see. */
  page(entries: number): void {
    this.#empty = entries === 0 ? this.#empty + 1 : 0;
    if (this.#empty <= MOST_EMPTY) return;
    throw new CommandError(
      'FAILED',
      `the service answered ${this.#empty} pages without an entry, one after the other`,
      {
        hint: 'It may be at fault. Ask for less: with more conditions, or with --before.',
        metadata: { unavailable: 'no end' },
      },
    );
  }

  /** Whether an entry may follow those before it. One log may follow another, and none comes twice. */
  mayFollow(log: string, index: JsonValue | undefined): index is number {
    if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) return false;
    if (log !== this.#log) {
      if (this.#log !== undefined) this.#past.add(this.#log);
      if (this.#past.has(log)) return false;
      [this.#log, this.#below] = [log, Infinity];
    }
    if (index >= this.#below) return false;
    this.#below = index;
    return true;
  }
}

/** The JSON of an answer with status 200. Throws {@link CommandError} for any other, which says whether another try may end otherwise, and what `strange` makes where it is no JSON. */
export function answeredJson(
  answer: { readonly status: number; readonly bytes: Uint8Array; readonly retryAfter: number | undefined },
  limit: number,
  strange: () => CommandError,
): JsonValue {
  const { status, bytes, retryAfter } = answer;
  if (status !== 200) throw refused(status, bytes, retryAfter);
  try {
    return parseStrictJson(new TextDecoder().decode(bytes), { length: limit, depth: 16 });
  } catch (error) {
    if (error instanceof FormatError) throw strange();
    throw error;
  }
}

function refused(status: number, bytes: Uint8Array, retryAfter: number | undefined): CommandError {
  const isClosed = status === 401 || status === 403;
  const mayPass = isClosed || status === 429 || status >= 500;
  const later = retryAfter === undefined ? 'Try again later.' : `Try again in ${retryAfter} s.`;
  const hint = isClosed
    ? 'Name the file that holds the access token of the log: --access-token-file FILE.'
    : mayPass
      ? later
      : 'Is --url the public URL of the service, without a path of its API?';
  return new CommandError('FAILED', withWords(`the service answered ${status}`, bytes), {
    hint,
    metadata: {
      ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
      ...(mayPass ? { unavailable: String(status) } : {}),
    },
  });
}
