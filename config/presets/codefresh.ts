import type { Preset } from './preset.ts';

const BUILD = '{{ .platform_url }}/build/{{ .workflow_id }}';

/** Builds on Codefresh. */
export const codefresh: Preset = {
  name: 'codefresh',
  title: 'Codefresh',
  about: [
    'Builds of pipelines on Codefresh. All accounts share one issuer, so the rule must name yours.',
    'platform_url is pinned to the public platform; change it where your account is on another one.',
  ],
  blanks: [
    {
      name: 'account-id',
      about: 'id of your account: Account Settings, or "account_id" of a token',
      example: '628a80b693a15c0f9c13ab75',
    },
    {
      name: 'pipeline-id',
      about: 'id of the pipeline that may sign: its Settings, General',
      example: '65e5a53e52853dc51a5b0cc1',
    },
  ],
  issuer: 'https://oidc.codefresh.io',
  type: 'ci-provider',
  provider: {
    name: 'codefresh-workflow',
    pinned: new Map([['platform_url', 'https://g.codefresh.io']]),
    defaults: new Map([
      ['runner_environment', ''],
      ['scm_ref', ''],
      ['scm_repo_url', ''],
    ]),
    subjectTemplate:
      '{{ .platform_url }}/{{ .account_name }}/{{ .pipeline_name }}:{{ .account_id }}/{{ .pipeline_id }}',
    extensionTemplates: new Map([
      [9, BUILD],
      [11, 'runner_environment'],
      [12, 'scm_repo_url'],
      [14, 'scm_ref'],
      [18, '{{ .platform_url }}/api/pipelines/{{ .pipeline_id }}'],
      [21, BUILD],
    ]),
  },
  claims: [
    ['account_id, pipeline_id', 'ids; stay through renames'],
    ['account_name, pipeline_name', 'names of the same, which stand in the certificate too'],
    ['scm_repo_url, scm_ref', 'repository, and branch or tag; absent where no push started the build'],
    ['initiator', 'who or what started the build'],
    ['runner_environment', 'cloud or hybrid'],
  ],
  rules: [
    {
      name: 'our-pipeline-main-branch',
      effect: 'allow',
      expression:
        'claims.account_id == "%account-id%" && claims.pipeline_id == "%pipeline-id%" && has(claims.scm_ref) && claims.scm_ref == "main"',
      why: 'By id, because names are given to others.',
    },
  ],
  token:
    'in the pipeline, a step of `type: obtain-oidc-id-token` with `arguments: { AUDIENCE: "%audience%" }`; later steps find it in ID_TOKEN',
};
