import { goQuote } from '../../core/go/quote.ts';
import { joinPath } from '../../core/go/join-path.ts';
import { GoUrlError } from '../../core/go/url.ts';
import { TokenError } from '../core/token-error.ts';

/** {@link joinPath} of what claims say. Throws {@link TokenError}. */
export function joinedUri(base: string, ...elements: readonly string[]): string {
  try {
    return joinPath(base, ...elements);
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error;
    const text = goQuote(elements.join('/'));
    throw new TokenError('IDENTITY_REFUSED', `${text} cannot stand in the path of a URI`, {
      hint: 'A per cent sign has to be followed by two hexadecimal digits.',
      cause: error,
    });
  }
}

/** {@link joinedUri} of `base` and what stands behind it in a text. */
export function joinedBehind(base: string): (spelled: string) => string {
  const start = base.endsWith('/') ? base : `${base}/`;
  return (spelled) => (spelled.startsWith(start) ? joinedUri(base, spelled.slice(start.length)) : spelled);
}
