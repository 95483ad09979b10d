import type { Preset } from './preset.ts';

const PIPELINE = '{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}';

/** Jobs on Buildkite. */
export const buildkite: Preset = {
  name: 'buildkite',
  title: 'Buildkite',
  about: [
    'Jobs of pipelines on Buildkite. All organisations share one issuer, so the rule must name yours.',
    'Slugs can be renamed and given to others; the ids are in a token only when it is asked for with --claim.',
  ],
  blanks: [
    {
      name: 'org-id',
      about: 'UUID of your organisation: Settings, GraphQL, or the API call /v2/organizations/SLUG',
      example: '0184990a-1111-4222-8333-444455556666',
    },
    {
      name: 'pipeline-id',
      about: 'UUID of the pipeline that may sign: its Settings',
      example: '0184990a-7777-4888-9999-aaaabbbbcccc',
    },
  ],
  issuer: 'https://agent.buildkite.com',
  type: 'ci-provider',
  provider: {
    name: 'buildkite-job',
    pinned: new Map([['url', 'https://buildkite.com']]),
    defaults: new Map(),
    subjectTemplate: PIPELINE,
    extensionTemplates: new Map([
      [9, PIPELINE],
      [11, 'runner_environment'],
      [13, 'build_commit'],
      [20, 'build_source'],
      [21, `${PIPELINE}/builds/{{ .build_number }}#{{ .job_id }}`],
    ]),
  },
  claims: [
    ['organization_id, pipeline_id', 'UUIDs; only with --claim organization_id,pipeline_id'],
    ['organization_slug, pipeline_slug', 'names in URLs, and in the certificate'],
    ['build_branch', 'name of the branch; anybody who can start a build can choose it'],
    ['build_source', 'what started the build: webhook, ui, api, schedule or trigger_job'],
    ['runner_environment', 'self-hosted or buildkite-hosted'],
    ['step_key', 'key of the step; null where it has none'],
  ],
  rules: [
    {
      name: 'our-pipeline-main-branch',
      effect: 'allow',
      expression:
        'has(claims.organization_id) && claims.organization_id == "%org-id%" && has(claims.pipeline_id) && claims.pipeline_id == "%pipeline-id%" && claims.build_branch == "main"',
      why: 'has() because these claims are there only when they were asked for.',
    },
  ],
  token:
    'in a step: `buildkite-agent oidc request-token --audience %audience% --claim organization_id,pipeline_id`',
};
