import type { Preset } from './preset.ts';

const REPOSITORY = '{{ .url }}/{{ .workspaceUuid }}/{{ .repositoryUuid }}';

/** Bitbucket Pipelines. */
export const bitbucket: Preset = {
  name: 'bitbucket',
  title: 'Bitbucket Pipelines',
  about: [
    'Steps of pipelines of one workspace on bitbucket.org: each workspace has an issuer of its own.',
    'The certificate names workspace and repository by UUID, braces escaped, which is also an address on bitbucket.org; "sub" is another one for each step. The tokens hold no commit and no kind of runner.',
  ],
  blanks: [
    { name: 'org', about: 'your workspace, as in its URL', example: 'acme' },
    {
      name: 'workspace-uuid',
      about: 'UUID of the workspace without braces: Repository settings, OpenID Connect',
      example: '1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071',
    },
    {
      name: 'repository-uuid',
      about: 'UUID of the repository that may sign, without braces: at the same place',
      example: '9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6',
    },
  ],
  issuer: 'https://api.bitbucket.org/2.0/workspaces/%org%/pipelines-config/identity/oidc',
  type: 'ci-provider',
  provider: {
    name: 'bitbucket-pipeline',
    pinned: new Map([['url', 'https://bitbucket.org']]),
    defaults: new Map([
      ['branchName', ''],
      ['deploymentEnvironmentUuid', ''],
    ]),
    subjectTemplate: REPOSITORY,
    extensionTemplates: new Map([
      [9, REPOSITORY],
      [12, REPOSITORY],
      [14, '{{ if ne .branchName "" }}refs/heads/{{ .branchName }}{{ end }}'],
      [15, 'repositoryUuid'],
      [16, '{{ .url }}/{{ .workspaceUuid }}'],
      [17, 'workspaceUuid'],
      [21, `${REPOSITORY}/pipelines/results/{{ .pipelineUuid }}/steps/{{ .stepUuid }}`],
      [23, 'deploymentEnvironmentUuid'],
    ]),
  },
  claims: [
    ['workspaceUuid, repositoryUuid', 'UUIDs in braces; stay through renames'],
    ['branchName', 'name of the branch; absent for tags'],
    ['deploymentEnvironmentUuid', 'deployment environment; absent where the step names none'],
    ['pipelineUuid, stepUuid', 'this one run'],
  ],
  rules: [
    {
      name: 'our-repository-main-branch',
      effect: 'allow',
      expression:
        'claims.workspaceUuid == "{%workspace-uuid%}" && claims.repositoryUuid == "{%repository-uuid%}" && has(claims.branchName) && claims.branchName == "main"',
      why: 'By UUID, because names are given to others.',
    },
  ],
  token:
    'in bitbucket-pipelines.yml, give the step `oidc: { audiences: ["%audience%"] }`; the token is in BITBUCKET_STEP_OIDC_TOKEN',
};
