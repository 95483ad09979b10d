import type { Preset } from './preset.ts';

const PROJECT = '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}';
const PIPELINE = `${PROJECT}/pipelines/pipeline/{{ .pipeline_id }}`;

/** Pipelines on Buddy. */
export const buddy: Preset = {
  name: 'buddy',
  title: 'Buddy',
  about: [
    'Executions of pipelines on Buddy. All workspaces of a region share one issuer, so the rule must name yours.',
    'The only id that stays is the number of the pipeline; names of workspaces and projects can change.',
  ],
  blanks: [
    {
      name: 'region',
      about: 'first part of your address at buddy.works: app, eu or asia',
      example: 'eu',
      unset: 'edit-me',
    },
    { name: 'workspace', about: 'your workspace, as in its URL', example: 'acme' },
    {
      name: 'pipeline-id',
      about: 'number of the pipeline that may sign, the last part of its URL',
      example: '45289',
    },
  ],
  derived: {
    // The oldest region has no prefix.
    prefix: (values) => (values.get('region') === 'app' ? '' : `${values.get('region') ?? ''}-`),
  },
  issuer: 'https://%prefix%oidc.buddyusercontent.com',
  type: 'ci-provider',
  provider: {
    name: 'buddy-pipeline',
    pinned: new Map([['base_url', 'https://%region%.buddy.works']]),
    defaults: new Map([
      ['ref', ''],
      ['revision', ''],
    ]),
    subjectTemplate: PIPELINE,
    extensionTemplates: new Map([
      [9, PIPELINE],
      [11, 'runner_environment'],
      [12, PROJECT],
      [13, 'revision'],
      [14, 'ref'],
      [16, '{{ .base_url }}/{{ .workspace_domain }}'],
      [20, 'triggered_on'],
      [21, `${PIPELINE}/execution/{{ .execution_id }}`],
    ]),
  },
  claims: [
    ['pipeline_id', 'number of the pipeline; unique in its region, never given to another'],
    ['workspace_domain, project_name', 'names, which stand in the certificate too'],
    ['ref, revision', 'what was checked out; absent where no repository is'],
    ['triggered_on', 'what started the execution'],
  ],
  rules: [
    {
      name: 'our-pipeline',
      effect: 'allow',
      expression: 'string(claims.pipeline_id) == "%pipeline-id%" && claims.workspace_domain == "%workspace%"',
      why: 'The id is a number in the token.',
    },
  ],
  token:
    'in the pipeline, an integration of the type OIDC with the audience %audience%; actions find its token',
};
