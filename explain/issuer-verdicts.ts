import type { IssuerDefinition } from '../oidc/core/issuer-definition.ts';
import { IssuerPattern } from '../oidc/issuer-pattern.ts';
import type { ConfiguredIssuer } from '../policy/issuer-policy-definition.ts';
import type { IssuerVerdict } from './explanation.ts';

/** What is known of a token's way to an issuer block. */
interface Choice {
  /** The token's `iss`; undefined when it could not be read. */
  readonly issuer: string | undefined;
  /** Definitions among which the audience chooses. */
  readonly candidates: readonly IssuerDefinition[];
  readonly chosen: IssuerDefinition | undefined;
}

/** Says of each issuer block why it is or is not the one for a token: the one that is first, then those that are near. */
export function issuerVerdicts(issuers: readonly ConfiguredIssuer[], choice: Choice): IssuerVerdict[] {
  const verdicts = issuers.map(({ definition }) => verdictOn(definition, choice));
  return [0, 1, 2].flatMap((rank) => verdicts.filter((verdict) => rankOf(verdict) === rank));
}

const OTHER = 'another issuer';

const rankOf = ({ chosen, why }: IssuerVerdict): number => (chosen ? 0 : why === OTHER ? 2 : 1);

function verdictOn(definition: IssuerDefinition, choice: Choice): IssuerVerdict {
  const { name, url, audiences } = definition;
  const chosen = definition === choice.chosen;
  if (chosen) return { name, url, chosen, why: 'issuer and audience fit' };
  const wanted = audiences.map((audience) => JSON.stringify(audience)).join(' or ');
  const why = choice.candidates.includes(definition)
    ? `the issuer fits; it takes the audience ${wanted}`
    : issuerReason(definition, choice);
  return { name, url, chosen, why };
}

function issuerReason({ url, isMeta }: IssuerDefinition, { issuer }: Choice): string {
  if (issuer === undefined) return 'the token does not say who issued it';
  if (isMeta && new IssuerPattern(url).matches(issuer))
    return 'the pattern fits too, but the issuer has an issuer block of its own, or a pattern with more letters';
  return plain(url) === plain(issuer)
    ? 'nearly the same URL: compare to the letter, with http or https and a slash at the end'
    : OTHER;
}

const plain = (url: string): string =>
  url
    .toLowerCase()
    .replace(/(?<!\/)\/+$/, '')
    .replace(/^http:/, 'https:');
