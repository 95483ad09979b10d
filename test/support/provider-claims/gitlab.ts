import type { ProviderCase } from './provider-case.ts';

const claimsOn = (host: string): Record<string, unknown> => ({
  jti: 'c82eeb0c-5c6f-4a33-abf5-4c474b92b558',
  sub: 'project_path:grp/app:ref_type:branch:ref:main',
  namespace_id: '72',
  namespace_path: 'grp',
  project_id: '20',
  project_path: 'grp/app',
  project_visibility: 'internal',
  job_project_id: '20',
  job_project_path: 'grp/app',
  job_namespace_id: '72',
  job_namespace_path: 'grp',
  user_id: '1',
  user_login: 'sue',
  user_email: 'sue@example.com',
  user_access_level: 'developer',
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'main',
  ref_type: 'branch',
  ref_path: 'refs/heads/main',
  ref_protected: 'true',
  environment: 'prod',
  environment_protected: 'true',
  deployment_tier: 'production',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  ci_config_ref_uri: `${host}/grp/app//.gitlab-ci.yml@refs/heads/main`,
  ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
});

const caseOn = (preset: string, host: string): ProviderCase => ({
  preset,
  claims: claimsOn(host),
  san: `https://${host}/grp/app//.gitlab-ci.yml@refs/heads/main`,
  extensions: {
    9: `https://${host}/grp/app//.gitlab-ci.yml@refs/heads/main`,
    10: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    11: 'self-hosted',
    12: `https://${host}/grp/app`,
    13: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    14: 'refs/heads/main',
    15: '20',
    16: `https://${host}/grp`,
    17: '72',
    18: `https://${host}/grp/app//.gitlab-ci.yml@refs/heads/main`,
    19: '714a629c0b401fdce83e847fc9589983fc6f46bc',
    20: 'push',
    21: `https://${host}/grp/app/-/jobs/302`,
    22: 'internal',
    23: 'prod',
  },
  others: {
    'another group': { namespace_id: '73' },
    'a ref that anybody may push': { ref_protected: 'false' },
    'a merge request, of a fork too before 18.2.2': {
      pipeline_source: 'merge_request_event',
      ref_path: 'refs/merge-requests/7/head',
    },
    'a pipeline that was started for a merge request of a fork in our group': {
      project_id: '21',
      project_path: 'grp/fork',
      pipeline_source: 'parent_pipeline',
    },
  },
});

// Without a digest of the configuration, for a tag, and without an environment.
const base = caseOn('gitlab', 'gitlab.com');
const absent = [10, 19, 23];
const withoutDigest: ProviderCase = {
  ...base,
  claims: { ...base.claims, ci_config_sha: null, environment: undefined, ref_type: 'tag', ref: 'v1' },
  extensions: {
    ...Object.fromEntries(
      Object.entries(base.extensions).filter(([number]) => !absent.includes(Number(number))),
    ),
    14: 'refs/tags/v1',
  },
};

/** What GitLab says of a pipeline whose configuration lies in another project or at a URL. */
export const ELSEWHERE = { ci_config_ref_uri: null, ci_config_sha: null } as const;

export const gitlabCases: readonly ProviderCase[] = [
  base,
  withoutDigest,
  caseOn('gitlab-self-hosted', 'gitlab.acme.example'),
];
