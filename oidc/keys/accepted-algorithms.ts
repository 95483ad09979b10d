import { ALGORITHMS } from '../core/algorithms.ts';
import type { Algorithm } from '../core/algorithms.ts';
import type { KeySet } from './key-set.ts';

/** The algorithms with which an issuer's tokens may be signed. */
export interface AcceptedAlgorithms {
  readonly names: ReadonlySet<Algorithm>;
  /** Where they come from: the issuer's discovery document (`announced`); OpenID Connect, where that document announces none
   * (`assumed`); or the keys, where no document is fetched. */
  readonly source: 'announced' | 'assumed' | 'keys';
}

/** Those that a discovery document announces, of those that are accepted here; RS256 alone where it announces none
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
