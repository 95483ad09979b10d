/** Answers in the form of Rekor's first API: JSON as Go writes it, with the headers of its handlers or of its framework. */
import type { StockRefusal } from '../../../rekor/entries/entry-error.ts';
import type { Reply } from '../../http/exchange.ts';

/** Of all bodies but the key's. */
export const JSON_TYPE = 'application/json';

/** Headers of every answer to a GET: nothing in between may keep one. Flat: name, value, … */
const UNCACHED = [
  ...['Cache-Control', 'no-cache, no-store, no-transform, must-revalidate, private, max-age=0'],
  ...['Expires', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ...['Pragma', 'no-cache'],
  ...['X-Accel-Expires', '0'],
];

/** The answer to a GET, which is not to be kept. */
export const uncached = (reply: Reply): Reply => ({
  ...reply,
  headers: [...(reply.headers ?? []), ...UNCACHED],
});

/** Characters that Go's encoder escapes and JavaScript's does not. */
const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['&', '\\u0026'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
]);

const goJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (character) => ESCAPED.get(character) ?? '');

/** What a handler of Rekor answers: its JSON ends with a line feed. */
export const handlerReply = (value: unknown, status = 200, headers: readonly string[] = []): Reply => ({
  status,
  contentType: JSON_TYPE,
  body: `${goJson(value)}\n`,
  headers,
});

/** There is no such entry: Rekor says so without a word, and clients expect none. */
export const NO_ENTRY: Reply = { status: 404, contentType: '', body: '' };

/** A refusal as Rekor words it. */
export function refusalReply(
  { status, code, message, by }: StockRefusal,
  headers: readonly string[] = [],
): Reply {
  const body = goJson({ code, message });
  return { status, contentType: JSON_TYPE, body: by === 'handler' ? `${body}\n` : body, headers };
}

/** A refusal of Rekor's framework, whose status is the code. */
export const frameworkReply = (status: number, message: string, headers: readonly string[] = []): Reply =>
  refusalReply({ status, code: status, message, by: 'framework' }, headers);
