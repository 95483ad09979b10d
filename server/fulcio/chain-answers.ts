/** The chains that Fulcio's calls report, whatever they are asked by. */
import type { Authority } from '../../ca/authority.ts';

/** A chain as the trust bundle has it: PEM, issuing CA first. */
interface BundledChain {
  readonly certificates: string[];
}

/** The trust bundle: the authority's chain first, behind it `others`, the chains that issued before, and its successor's. */
export const trustBundleOf = (
  { chainPems }: Authority,
  others: readonly (readonly string[])[],
): { readonly chains: BundledChain[] } => ({
  chains: [chainPems, ...others].map((certificates) => ({ certificates: [...certificates] })),
});

/** The authority's chain as one text. Each block keeps its own newline and one more joins them: a blank line between, none at the end. */
export const rootCertificatePem = ({ chainPems }: Authority): string => chainPems.join('\n').trimEnd();
