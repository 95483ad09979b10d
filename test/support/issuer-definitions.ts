import { GITHUB_PROVIDER } from '../../oidc/types/github-provider.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';

/** An issuer of e-mail addresses. */
export const emailDefinition = (url: string, changes: Partial<IssuerDefinition> = {}): IssuerDefinition => ({
  name: url,
  url,
  audiences: ['sigstore'],
  isMeta: false,
  type: 'email',
  skipEmailVerification: false,
  ...changes,
});

/** An issuer of GitHub-like jobs. */
export const githubDefinition = (url: string, changes: Partial<IssuerDefinition> = {}): IssuerDefinition =>
  emailDefinition(url, { type: 'ci-provider', ciProvider: GITHUB_PROVIDER, ...changes });
