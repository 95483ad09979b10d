import { certificateUri } from './certificate-uri.ts';
import { requiredTexts } from '../core/claims.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { workloadPrincipal } from './workload-principal.ts';

/** Type buildkite-job (deprecated by Fulcio): a pipeline of Buildkite. Its certificates have no extensions about the job. */
export const buildkiteIssuer = (): PrincipalReader => (token) => {
  const claims = requiredTexts(token.claims, ['organization_slug', 'pipeline_slug']);
  const name = `https://buildkite.com/${claims.organization_slug}/${claims.pipeline_slug}`;
  return workloadPrincipal(token, certificateUri(name));
};
