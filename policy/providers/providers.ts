/**
 * The claims of each provider that there is a preset for: of which kind their values are, and what their texts look like,
 * as the providers document them and their tokens have them. A comparison with anything else is never true.
 */
import { CI_SYSTEMS } from './ci-systems.ts';
import type { ClaimKind, ClaimShape } from './claim-shape.ts';
import { forgejo, githubActions } from './github.ts';
import { gitlabCi } from './gitlab.ts';
import { PEOPLE } from './people.ts';
import type { IssuerFacts, Provider } from './provider.ts';
import { WORKLOADS } from './workloads.ts';

/** All of them. */
export const PROVIDERS: readonly Provider[] = [
  ...[githubActions, forgejo, gitlabCi],
  ...[...CI_SYSTEMS, ...PEOPLE, ...WORKLOADS],
];

/** Whose tokens an issuer block takes, where that is known. */
export const providerOf = (issuer: IssuerFacts): Provider | undefined =>
  PROVIDERS.find(({ isOf }) => isOf(issuer));

/** What is known of a claim of an unknown provider: the kinds that its values have anywhere. */
const ANYWHERE: ReadonlyMap<string, ClaimShape> = new Map(
  [...new Set(PROVIDERS.flatMap(({ claims }) => Object.keys(claims)))].map((name) => {
    const kinds = new Set(PROVIDERS.flatMap(({ claims }): readonly ClaimKind[] => claims[name]?.kinds ?? []));
    return [name, { kinds: [...kinds] }];
  }),
);

/** The shape of a claim, by its name or, for what is inside of it, its names; undefined when nothing is known. */
export function shapeOf(provider: Provider | undefined, names: readonly string[]): ClaimShape | undefined {
  const key = names.join('\n');
  if (provider === undefined) return ANYWHERE.get(key);
  return Object.hasOwn(provider.claims, key) ? provider.claims[key] : undefined;
}
