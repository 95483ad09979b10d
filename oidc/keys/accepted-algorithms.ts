import { ALGORITHMS } from '../algorithms.ts';
import type { Algorithm } from '../algorithms.ts';
import type { KeySet } from './key-set.ts';

/** The algorithms with which an issuer's tokens may be signed. */
export interface AcceptedAlgorithms {
  readonly names: ReadonlySet<Algorithm>;
  /** Who says so: the issuer's discovery document; OpenID Connect, where that announces none; or its keys, where nobody asks
   * for a document. */
  readonly source: 'announced' | 'assumed' | 'keys';
}

/** Those that a discovery document announces, of those that anybody may use here; RS256 alone where it announces none
 * (OpenID Connect Discovery 1.0 §3). */
export function announcedAlgorithms(announced: readonly unknown[]): AcceptedAlgorithms {
  if (announced.length === 0) return { names: new Set(['RS256']), source: 'assumed' };
  return { names: new Set(ALGORITHMS.filter((name) => announced.includes(name))), source: 'announced' };
}

/** Those of the keys of a set. */
export const algorithmsOf = ({ keys }: KeySet): AcceptedAlgorithms => ({
  names: new Set(keys.flatMap((key) => key.algorithms)),
  source: 'keys',
});
