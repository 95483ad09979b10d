import { writtenUri } from './certificate-uri.ts';
import { claim, optionalText, requiredTexts } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { goQuote } from '../../core/go/quote.ts';
import { GoUrlError, replaceScheme } from '../../core/go/url.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { joinedUri } from './joined-uri.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

const REQUIRED = [
  'project_path',
  'pipeline_source',
  'pipeline_id',
  'ci_config_ref_uri',
  'job_id',
  'ref',
  'ref_type',
  'namespace_path',
  'namespace_id',
  'project_id',
  'sha',
  'runner_environment',
] as const;

const onGitlab = (...elements: readonly string[]): string => joinedUri('https://gitlab.com/', ...elements);

/** Type gitlab-pipeline (deprecated by Fulcio): a job of GitLab, whose project is always on gitlab.com. */
export const gitlabIssuer = (): PrincipalReader => (token) => {
  const claims = requiredTexts(token.claims, REQUIRED);
  const digest = optionalText(token.claims, 'ci_config_sha');
  const visibility = optionalText(token.claims, 'project_visibility');
  checkRunner(token.claims);
  const config = configUri(claims.ci_config_ref_uri);
  return workloadPrincipal(
    token,
    writtenUri(`https://${claims.ci_config_ref_uri}`, (spelled) =>
      configUri(spelled.slice('https://'.length)),
    ),
    [
      [9, config],
      [10, digest],
      [11, claims.runner_environment],
      [12, onGitlab(claims.project_path)],
      [13, claims.sha],
      [14, gitRef(claims.ref_type, claims.ref)],
      [15, claims.project_id],
      [16, onGitlab(claims.namespace_path)],
      [17, claims.namespace_id],
      [18, config],
      [19, digest],
      [20, claims.pipeline_source],
      [21, onGitlab(claims.project_path, '/-/jobs/', claims.job_id)],
      [22, visibility],
    ],
  );
};

function checkRunner(claims: Claims): void {
  const id = claim(claims, 'runner_id') ?? 0;
  // As Go reads it: what does not fit into 64 bits is no runner.
  if (typeof id === 'number' && Number.isInteger(id) && id !== 0 && Math.abs(id) < 2 ** 63) return;
  throw new TokenError(
    id === 0 ? 'CLAIM_MISSING' : 'CLAIM_INVALID',
    id === 0 ? 'the token has no "runner_id"' : 'the token\'s "runner_id" is not a whole number',
    { hint: 'Use an ID token of a GitLab job.', metadata: { claim: 'runner_id' } },
  );
}

const REF_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['branch', 'refs/heads/'],
  ['tag', 'refs/tags/'],
]);

function gitRef(type: string, name: string): string {
  const prefix = REF_PREFIXES.get(type);
  if (prefix !== undefined) return prefix + name;
  throw new TokenError('CLAIM_INVALID', `the token's "ref_type" ${goQuote(type)} is neither branch nor tag`, {
    hint: 'Only jobs for a branch or a tag can sign.',
    metadata: { claim: 'ref_type' },
  });
}

/** `gitlab.com/group/project//.gitlab-ci.yml@refs/heads/main` with https:// in front. */
function configUri(text: string): string {
  const uri = secured(text);
  // A host with a port, which Go takes for a scheme, would get lost: `https:8443/group/…`.
  if (/^https:\/\/[^/?#]/.test(uri)) return uri;
  throw notUri(text, undefined);
}

function secured(text: string): string {
  try {
    return replaceScheme(text, 'https');
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error;
    throw notUri(text, error);
  }
}

const notUri = (text: string, cause: GoUrlError | undefined): TokenError =>
  new TokenError(
    'IDENTITY_REFUSED',
    `the token's "ci_config_ref_uri" ${goQuote(text)} does not name a host`,
    {
      hint: 'It has to be host/group/project//file@ref. A host with a port needs type ci-provider.',
      fulcioMessage: cause?.goMessage,
      cause,
    },
  );
