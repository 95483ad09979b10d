import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import { hostBlank, type Preset } from './preset.ts';

// Null in some versions of GitLab where the configuration lies elsewhere; Fulcio's own template would write "<nil>".
const CONFIG_DIGEST = '{{ if ne .ci_config_sha "<nil>" }}{{ .ci_config_sha }}{{ end }}';

const gitlabProvider = (name: string, url: string): CiProviderDefinition => ({
  name,
  pinned: new Map([['url', url]]),
  defaults: new Map([
    ['ci_config_sha', ''],
    ['environment', ''],
    ['project_visibility', ''],
  ]),
  subjectTemplate: 'https://{{ .ci_config_ref_uri }}',
  extensionTemplates: new Map([
    [9, 'https://{{ .ci_config_ref_uri }}'],
    [10, CONFIG_DIGEST],
    [11, 'runner_environment'],
    [12, '{{ .url }}/{{ .project_path }}'],
    [13, 'sha'],
    [14, 'refs/{{ if eq .ref_type "branch" }}heads/{{ else }}tags/{{ end }}{{ .ref }}'],
    [15, 'project_id'],
    [16, '{{ .url }}/{{ .namespace_path }}'],
    [17, 'namespace_id'],
    [18, 'https://{{ .ci_config_ref_uri }}'],
    [19, CONFIG_DIGEST],
    [20, 'pipeline_source'],
    [21, '{{ .url }}/{{ .project_path }}/-/jobs/{{ .job_id }}'],
    [22, 'project_visibility'],
    [23, 'environment'],
  ]),
});

/** The name is made of that claim, and null would be the same name for every such project. */
const ELSEWHERE =
  'A pipeline whose configuration lies in another project or at a URL, or that runs for a merge request of a fork, has null in ci_config_ref_uri, and is refused. Give the project a file of its own that includes the other one (`include:`), or put `{{ .url }}/{{ .project_path }}@{{ .ref_path }}` into subject-alternative-name-template and take out build-signer-uri and build-config-uri.';

const COMMON = {
  type: 'ci-provider',
  claims: [
    ['namespace_id', 'number of the group or user that owns the project; a subgroup has its own'],
    ['project_id', 'number of the project: of the fork, in a merge request pipeline of a fork'],
    ['job_project_id', 'number of the project that the job runs in; since GitLab 18.4'],
    ['ref_protected', 'text "true" or "false", as all truth values here'],
    ['ref_type', 'branch or tag'],
    ['pipeline_source', 'what started the pipeline: push, schedule, web, merge_request_event, ...'],
    [
      'ci_config_ref_uri',
      "where the pipeline's configuration is: the name in the certificate; null where that is elsewhere",
    ],
    ['environment', 'deployment environment; absent where the job names none'],
  ],
  rules: [
    {
      name: 'our-protected-refs',
      effect: 'allow',
      expression: 'claims.namespace_id == "%namespace-id%" && claims.ref_protected == "true"',
      why: 'By number, because paths are given to others. For one project alone, compare project_id instead.',
    },
    {
      name: 'no-merge-requests',
      effect: 'deny',
      expression:
        'claims.pipeline_source == "merge_request_event" || has(claims.job_project_id) && claims.job_project_id != claims.project_id',
      message: 'Pipelines for merge requests cannot sign; merge first.',
      why: "A pipeline for a merge request of a fork runs the fork's code in your project. Before GitLab 18.2.2 all of its numbers are your project's; since 18.4 job_project_id is your project's and project_id the fork's, also in the pipelines that it starts. To let merge requests of your own branches sign, on 18.4 or later, take out the first comparison.",
    },
  ],
  token:
    'in .gitlab-ci.yml, give the job `id_tokens: { SIGSTORE_ID_TOKEN: { aud: "%audience%" } }`; cosign and `mayfly sign` find the variable',
} as const satisfies Partial<Preset>;

const NAMESPACE = {
  name: 'namespace-id',
  about: 'number of your group: on its page, in the menu with the three dots',
  example: '72',
};

/** Pipelines on gitlab.com. */
export const gitlab: Preset = {
  ...COMMON,
  name: 'gitlab',
  title: 'GitLab CI',
  about: ['Jobs of pipelines on gitlab.com.', ELSEWHERE],
  blanks: [NAMESPACE],
  issuer: 'https://gitlab.com',
  provider: gitlabProvider('gitlab-pipeline', 'https://gitlab.com'),
};

/** Pipelines on an organisation's own GitLab. */
export const gitlabSelfHosted: Preset = {
  ...COMMON,
  name: 'gitlab-self-hosted',
  title: 'GitLab CI, self-hosted',
  about: [
    'Jobs of pipelines on your own GitLab.',
    ELSEWHERE,
    'An instance with a certificate of a private CA needs mayfly.ca-cert-file; one that this service cannot reach, mayfly.jwks-file.',
  ],
  blanks: [hostBlank('host name of your GitLab', 'gitlab.acme.example'), NAMESPACE],
  issuer: 'https://%host%',
  provider: gitlabProvider('gitlab-self-hosted-pipeline', 'https://%host%'),
};
