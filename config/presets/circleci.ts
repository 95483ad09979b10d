import type { Preset } from './preset.ts';

const DEFINITION =
  '{{ .api_url }}/projects/{{ index . "oidc.circleci.com/project-id" }}/pipeline-definitions/{{ index . "oidc.circleci.com/pipeline-definition-id" }}';

/** Jobs on CircleCI. */
export const circleci: Preset = {
  name: 'circleci',
  title: 'CircleCI',
  about: [
    'Jobs of one organisation on CircleCI: each organisation has an issuer of its own.',
    'The tokens hold no commit, so the certificates hold none.',
  ],
  blanks: [
    {
      name: 'org',
      about: 'UUID of your organisation: Organization Settings, Overview',
      example: '2f0b8c1d-6a52-4b6e-9a3b-0c5d7e9f1a21',
    },
    {
      name: 'project-id',
      about: 'UUID of the project that may sign: Project Settings, Overview',
      example: 'a1c2d3e4-5f60-4718-92a3-b4c5d6e7f809',
    },
  ],
  issuer: 'https://oidc.circleci.com/org/%org%',
  type: 'ci-provider',
  provider: {
    name: 'circleci-job',
    pinned: new Map([
      ['api_url', 'https://circleci.com/api/v2'],
      ['platform_url', 'https://app.circleci.com'],
    ]),
    defaults: new Map(),
    subjectTemplate: DEFINITION,
    extensionTemplates: new Map([
      [9, DEFINITION],
      [11, '{{ if eq (index . "oidc.circleci.com/ssh-rerun") "true" }}ssh-rerun{{ end }}'],
      [12, '{{ index . "oidc.circleci.com/vcs-origin" }}'],
      [14, '{{ index . "oidc.circleci.com/vcs-ref" }}'],
      [18, '{{ .api_url }}/pipeline/{{ index . "oidc.circleci.com/pipeline-id" }}/config'],
      [
        21,
        '{{ .platform_url }}/workflow/{{ index . "oidc.circleci.com/workflow-id" }}/job/{{ index . "oidc.circleci.com/job-id" }}',
      ],
    ]),
  },
  claims: [
    ['oidc.circleci.com/project-id', 'UUID of the project; stays through renames'],
    ['oidc.circleci.com/pipeline-definition-id', 'UUID of the pipeline: part of the name in the certificate'],
    [
      'oidc.circleci.com/vcs-ref',
      'refs/heads/BRANCH or refs/tags/TAG; absent where no repository started the run',
    ],
    ['oidc.circleci.com/vcs-origin', 'the repository; likewise'],
    ['oidc.circleci.com/ssh-rerun', 'true where a person reruns the job with a shell in it'],
    ['oidc.circleci.com/context-ids', 'UUIDs of the contexts that the job uses'],
  ],
  rules: [
    {
      name: 'our-project-main-branch',
      effect: 'allow',
      expression:
        'claims["oidc.circleci.com/project-id"] == "%project-id%" && "oidc.circleci.com/vcs-ref" in claims && claims["oidc.circleci.com/vcs-ref"] == "refs/heads/main"',
      why: 'Names with dots and slashes stand in brackets.',
    },
    {
      name: 'no-shells',
      effect: 'deny',
      expression: 'claims["oidc.circleci.com/ssh-rerun"] != false',
      message: 'Reruns with SSH cannot sign.',
      why: 'Anyone who is logged in to such a job could sign anything.',
    },
  ],
  token:
    'in a step: `circleci run oidc get --claims \'{"aud":"%audience%"}\'` (CIRCLE_OIDC_TOKEN_V2 is for the organisation, not for this service)',
};
