/** Go's `URL.JoinPath` (net/url of Go 1.26): how Fulcio's built-in CI types make a URL out of claims. */
import { replacePath } from './url.ts';

/** `String()` of the URL `base` with `elements` behind its path: `//`, `.` and `..` are resolved, and what may not stand
 * in a path is escaped, a question mark too. Elements are in escaped form; one with a broken escape throws, where Go
 * silently returns `base` alone. Throws {@link GoUrlError}. */
export function joinPath(base: string, ...elements: readonly string[]): string {
  const added = elements.map((element) => Buffer.from(element).toString('latin1'));
  return replacePath(base, (path) => join(path, added));
}

function join(path: string, elements: readonly string[]): string {
  const isRooted = path.startsWith('/');
  const whole = [isRooted ? path : `/${path}`, ...elements].filter((element) => element !== '');
  const cleaned = clean(whole.join('/'));
  const joined = isRooted ? cleaned : cleaned.slice(1);
  return (elements.at(-1) ?? path).endsWith('/') && !joined.endsWith('/') ? `${joined}/` : joined;
}

/** Go's `path.Clean` of a path that starts with a slash. */
function clean(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
