/** One issuer with an issuer block of each type, chosen by audience, and a good token for each. */
import { GITHUB_PROVIDER } from '../../../oidc/types/github-provider.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import { githubClaims } from '../../support/github-claims.ts';
import { emailDefinition } from '../../support/issuer-definitions.ts';
import { TYPED_TOKENS } from '../../support/typed-tokens.ts';
import { issuerBlock, startWorld, type World } from './world.ts';

/** A type with what its tokens claim. */
export interface TypeCase {
  readonly definition: Partial<IssuerDefinition> & Pick<IssuerDefinition, 'type'>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Claims that make the name in the certificate. */
  readonly naming: readonly string[];
}

const NAMING: Readonly<Record<string, readonly string[]>> = {
  'github-workflow': ['job_workflow_ref'],
  'gitlab-pipeline': ['ci_config_ref_uri'],
  'codefresh-workflow': ['account_name', 'pipeline_name', 'account_id', 'pipeline_id', 'platform_url'],
  'buildkite-job': ['organization_slug', 'pipeline_slug'],
};

/** Every type there is. */
export const TYPE_CASES: readonly TypeCase[] = [
  {
    definition: { type: 'email' },
    claims: { email: 'alice@example.com', email_verified: true },
    naming: ['email'],
  },
  {
    definition: { type: 'uri', subjectDomain: 'http://127.0.0.1' },
    claims: { sub: 'http://127.0.0.1/users/alice' },
    naming: ['sub'],
  },
  {
    definition: { type: 'ci-provider', ciProvider: GITHUB_PROVIDER },
    claims: githubClaims(),
    naming: ['job_workflow_ref'],
  },
  ...TYPED_TOKENS.map(({ definition, claims }) => ({
    definition,
    claims,
    naming: NAMING[definition.type] ?? ['sub'],
  })),
];

/** Starts a world with all of them. */
export const startEveryType = (): Promise<World> =>
  startWorld({
    issuers: (url) =>
      ['sigstore', ...TYPE_CASES].map((one) =>
        typeof one === 'string'
          ? issuerBlock(emailDefinition(url, { name: 'people', audiences: [one] }))
          : issuerBlock(
              emailDefinition(url, {
                ...one.definition,
                name: one.definition.type,
                audiences: [`for ${one.definition.type}`],
              }),
            ),
      ),
  });

/** A token of that type with `changes` to its claims. */
export const typedToken = (
  { issuer }: World,
  { definition, claims }: TypeCase,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> => issuer.sign({ aud: `for ${definition.type}`, ...claims, ...changes });
