/** GitHub Actions, as Fulcio's public-good instance describes its jobs. */
import type { CiProviderDefinition } from '../core/issuer-definition.ts';

/** The issuer of github.com's own runners. */
export const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';

const RUN = '{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}';

/** Name and extensions of a job of GitHub Actions, deployment environment included. */
export const GITHUB_PROVIDER: CiProviderDefinition = {
  name: 'github-workflow',
  defaults: new Map([
    ['url', 'https://github.com'],
    ['environment', ''],
  ]),
  subjectTemplate: '{{ .url }}/{{ .job_workflow_ref }}',
  extensionTemplates: new Map([
    [2, 'event_name'],
    [3, 'sha'],
    [4, 'workflow'],
    [5, 'repository'],
    [6, 'ref'],
    [9, '{{ .url }}/{{ .job_workflow_ref }}'],
    [10, 'job_workflow_sha'],
    [11, 'runner_environment'],
    [12, '{{ .url }}/{{ .repository }}'],
    [13, 'sha'],
    [14, 'ref'],
    [15, 'repository_id'],
    [16, '{{ .url }}/{{ .repository_owner }}'],
    [17, 'repository_owner_id'],
    [18, '{{ .url }}/{{ .workflow_ref }}'],
    [19, 'workflow_sha'],
    [20, 'event_name'],
    [21, RUN],
    [22, 'repository_visibility'],
    [23, 'environment'],
  ]),
};
