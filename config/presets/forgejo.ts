import { hostBlank, type Preset } from './preset.ts';

/** Forgejo Actions, Codeberg's included. */
export const forgejo: Preset = {
  name: 'forgejo',
  title: 'Forgejo Actions',
  about: [
    'Jobs of workflows on a Forgejo instance; on Codeberg with --host codeberg.org.',
    'The ids came with Forgejo 16. Before, match claims.repository_owner, and mind that names are given to others.',
  ],
  blanks: [
    hostBlank('host name of the instance', 'codeberg.org'),
    {
      name: 'owner-id',
      about: 'number of your organisation or user: `curl https://HOST/api/v1/users/NAME | jq .id`',
      example: '123456',
    },
  ],
  issuer: 'https://%host%/api/actions',
  type: 'ci-provider',
  provider: {
    name: 'forgejo-workflow',
    pinned: new Map([['url', 'https://%host%']]),
    defaults: new Map([
      ['repository_id', ''],
      ['repository_owner_id', ''],
    ]),
    subjectTemplate: '{{ .url }}/{{ .workflow_ref }}',
    extensionTemplates: new Map([
      [9, '{{ .url }}/{{ .workflow_ref }}'],
      [12, '{{ .url }}/{{ .repository }}'],
      [13, 'sha'],
      [14, 'ref'],
      [15, 'repository_id'],
      [16, '{{ .url }}/{{ .repository_owner }}'],
      [17, 'repository_owner_id'],
      [18, '{{ .url }}/{{ .workflow_ref }}'],
      [20, 'event_name'],
      [21, '{{ .url }}/{{ .repository }}/actions/runs/{{ .run_number }}'],
    ]),
  },
  claims: [
    ['repository_owner_id', 'number of the owner; stays through renames'],
    ['repository_id', 'number of the repository; likewise'],
    ['ref', 'what was checked out: refs/heads/BRANCH or refs/tags/TAG'],
    ['ref_protected', 'whether rules of the repository protect the ref'],
    ['event_name', 'what started the run: push, release, workflow_dispatch, pull_request, ...'],
    ['workflow_ref', 'the file of the workflow, which becomes the name in the certificate'],
  ],
  rules: [
    {
      name: 'our-main-branches',
      effect: 'allow',
      expression:
        'has(claims.repository_owner_id) && string(claims.repository_owner_id) == "%owner-id%" && claims.ref == "refs/heads/main"',
      why: 'By number, because names are given to others. For one repository alone, compare repository_id too.',
    },
    {
      name: 'no-pull-requests',
      effect: 'deny',
      expression: 'claims.event_name == "pull_request" || claims.event_name == "pull_request_target"',
      message: 'Runs for pull requests cannot sign; merge first.',
      why: 'pull_request_target runs on the main branch for the code of an untrusted author.',
    },
  ],
  token:
    'give the workflow or the job `enable-openid-connect: true`; then: `curl -sH "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=%audience%" | jq -r .value`',
};
