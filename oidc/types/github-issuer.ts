import { certificateUri } from './certificate-uri.ts';
import { requiredTexts } from '../core/claims.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { joinedBehind, joinedUri } from './joined-uri.ts';
import { workloadPrincipal } from './workload-principal.ts';

const REQUIRED = [
  'job_workflow_ref',
  'sha',
  'event_name',
  'repository',
  'workflow',
  'ref',
  'job_workflow_sha',
  'runner_environment',
  'repository_id',
  'repository_owner',
  'repository_owner_id',
  'repository_visibility',
  'workflow_ref',
  'workflow_sha',
  'run_id',
  'run_attempt',
] as const;

const GITHUB = 'https://github.com/';

const onGithub = (...elements: readonly string[]): string => joinedUri(GITHUB, ...elements);

/** Type github-workflow (deprecated by Fulcio): a job of GitHub Actions, always on github.com. */
export const githubIssuer = (): PrincipalReader => (token) => {
  const claims = requiredTexts(token.claims, REQUIRED);
  const signer = onGithub(claims.job_workflow_ref);
  const run = ['actions/runs', claims.run_id, 'attempts', claims.run_attempt];
  return workloadPrincipal(
    token,
    certificateUri(`${GITHUB}${claims.job_workflow_ref}`, joinedBehind(GITHUB)),
    [
      [2, claims.event_name],
      [3, claims.sha],
      [4, claims.workflow],
      [5, claims.repository],
      [6, claims.ref],
      [9, signer],
      [10, claims.job_workflow_sha],
      [11, claims.runner_environment],
      [12, onGithub(claims.repository)],
      [13, claims.sha],
      [14, claims.ref],
      [15, claims.repository_id],
      [16, onGithub(claims.repository_owner)],
      [17, claims.repository_owner_id],
      [18, onGithub(claims.workflow_ref)],
      [19, claims.workflow_sha],
      [20, claims.event_name],
      [21, onGithub(claims.repository, ...run)],
      [22, claims.repository_visibility],
    ],
  );
};
