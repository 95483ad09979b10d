import type { DifferenceId } from './accepted-differences.ts';
import type { TokenSpec } from './many-issuers.ts';
import type { Expectation } from './outcome.ts';

/** One token that both programs are asked about. */
export interface DifferentialCase extends TokenSpec {
  readonly title: string;
  /** The name of the issuer in `configuration.ts`; the token says to come from it. */
  readonly issuer: string;
  /** What the proof of possession signs; default what clients of the issuer's type sign. */
  readonly challenge?: string | undefined;
  /** Both must issue; else they need only agree. */
  readonly issued?: boolean | undefined;
  /** The row of the table that explains why the answers differ; they must then be just these. */
  readonly differs?:
    readonly [DifferenceId, { readonly fulcio: Expectation; readonly mayfly: Expectation }] | undefined;
}

/** Claims by name; undefined takes one away. */
export type CaseClaims = Readonly<Record<string, unknown>>;

/** What both say of a token that is refused before its key is looked at. */
export const REFUSED = { status: 400, message: 'There was an error processing the identity token' };
const ISSUED = { status: 200 };

type Sides = NonNullable<DifferentialCase['differs']>[1];

/** Fulcio issues, Mayfly refuses. */
export const STRICTER: Sides = { fulcio: ISSUED, mayfly: REFUSED };
/** Fulcio issues; Mayfly refuses, in the words that Fulcio has for a claim that is missing. */
export const STRICTER_IN_WORDS: Sides = { fulcio: ISSUED, mayfly: { status: 400 } };
/** Fulcio refuses, Mayfly issues. */
export const LOOSER: Sides = { fulcio: REFUSED, mayfly: ISSUED };

/** Marks cases whose answers differ, and why. */
export const differing = (
  id: DifferenceId,
  sides: Sides,
  cases: readonly DifferentialCase[],
): DifferentialCase[] => cases.map((row) => ({ ...row, differs: [id, sides] }));

/** Marks the cases whose issuer and title match. */
export function explaining(
  cases: readonly DifferentialCase[],
  ...rows: readonly (readonly [DifferenceId, Sides, RegExp])[]
): DifferentialCase[] {
  return cases.map((row) => {
    const found = rows.find(([, , pattern]) => pattern.test(`${row.issuer} ${row.title}`));
    return found === undefined ? row : { ...row, differs: [found[0], found[1]] };
  });
}

/** A case for each row of claims. */
export const casesOf = (
  issuer: string,
  base: CaseClaims,
  rows: Readonly<Record<string, CaseClaims>>,
): DifferentialCase[] =>
  Object.entries(rows).map(([title, claims]) => ({ title, issuer, claims: { ...base, ...claims } }));

/** A case without each of the claims, with each of them empty, and with each of them null. */
export const withoutEach = (issuer: string, base: CaseClaims, names: readonly string[]): DifferentialCase[] =>
  names.flatMap((name) => {
    const cases = casesOf(issuer, base, {
      [`without ${name}`]: { [name]: undefined },
      [`with an empty ${name}`]: { [name]: '' },
      [`with null as ${name}`]: { [name]: null },
    });
    return name === 'sub' ? differing('subject', STRICTER, cases) : cases;
  });
