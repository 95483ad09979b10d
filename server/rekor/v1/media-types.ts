/** Which form of an answer a client asks for, and which one its body has (RFC 9110 §12.5.1). */

/** The type without its parameters, in lower case. */
export const mediaType = (header = ''): string => header.replace(/;[^]*/, '').trim().toLowerCase();

/** Ranges of one Accept header that are looked at. */
const MOST_RANGES = 32;

/** The offer that the client likes best, of equal ones the first; undefined where it takes none of them. Without a header every offer will do. */
export function acceptedOf<T extends string>(
  accept: string | undefined,
  offers: readonly T[],
): T | undefined {
  if (accept === undefined || accept.trim() === '') return offers[0];
  const ranges = accept.split(',', MOST_RANGES).map(rangeOf);
  const rated = offers.map((offer) => ({ offer, ...ratingOf(offer, ranges) }));
  const [best] = rated
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || b.exactness - a.exactness);
  return best?.offer;
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function rangeOf(text: string): MediaRange {
  const [, quality = '1'] = /;\s*q=([\d.]+)/i.exec(text) ?? [];
  return { type: mediaType(text), quality: Number(quality) || 0 };
}

/** By the range that names the offer most exactly. */
function ratingOf(offer: string, ranges: readonly MediaRange[]): { quality: number; exactness: number } {
  const spellings = ['*/*', offer.replace(/\/.*/, '/*'), offer];
  for (let exactness = spellings.length - 1; exactness >= 0; exactness--) {
    const found = ranges.find(({ type }) => type === spellings[exactness]);
    if (found !== undefined) return { quality: found.quality, exactness };
  }
  return { quality: 0, exactness: 0 };
}
