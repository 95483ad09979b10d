import { GITHUB_ISSUER, GITHUB_PROVIDER } from '../../oidc/types/github-provider.ts';
import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import type { Blank, Preset, PresetRule } from './preset.ts';

/** GitHub's templates for the instance at `url`, which no claim can move elsewhere. */
export const githubProvider = (name: string, url: string): CiProviderDefinition => ({
  ...GITHUB_PROVIDER,
  name,
  defaults: new Map([...GITHUB_PROVIDER.defaults].filter(([key]) => key !== 'url')),
  pinned: new Map([['url', url]]),
});

/** The number of the owner. */
export const GITHUB_OWNER: Blank = {
  name: 'owner-id',
  about: 'number of your organisation or user: `gh api users/NAME --jq .id`',
  example: '123456',
};

/** What GitHub's tokens say, where rules can use it. */
export const GITHUB_CLAIMS: Preset['claims'] = [
  ['repository_owner_id', 'number of the owner; stays through renames, and is never given to another'],
  ['repository_id', 'number of the repository; likewise'],
  ['ref', 'what was checked out: refs/heads/BRANCH, refs/tags/TAG or refs/pull/N/merge'],
  ['ref_protected', '"true" where rules of the repository protect the ref'],
  ['event_name', 'what started the run: push, release, workflow_dispatch, pull_request, ...'],
  ['job_workflow_ref', 'the file that holds the job, which becomes the name in the certificate'],
  ['environment', 'deployment environment; absent where the job names none'],
  [
    'sub',
    'made of the above in several forms, and customizable by the repository: never match on parts of it',
  ],
];

/** Whose jobs may sign, on GitHub of every kind. */
export const GITHUB_RULES: readonly PresetRule[] = [
  {
    name: 'our-main-branches',
    effect: 'allow',
    expression: 'claims.repository_owner_id == "%owner-id%" && claims.ref == "refs/heads/main"',
    why: 'By number, because names are given to others. For one repository alone, compare repository_id too.',
  },
  {
    name: 'no-pull-requests',
    effect: 'deny',
    expression: 'claims.event_name == "pull_request" || claims.event_name == "pull_request_target"',
    message: 'Runs for pull requests cannot sign; merge first.',
    why: 'pull_request_target runs on the main branch for the code of an untrusted author.',
  },
];

/** How a job asks. */
export const GITHUB_TOKEN =
  'give the job `permissions: id-token: write`; then `mayfly sign --url URL --client-id %audience% FILE` (the option can go where the audience is the host or the URL of the service), or for other clients: `curl -sH "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=%audience%" | jq -r .value`';

/** Workflows on github.com. */
export const github: Preset = {
  name: 'github',
  title: 'GitHub Actions',
  about: ['Jobs of workflows on github.com.'],
  blanks: [GITHUB_OWNER],
  issuer: GITHUB_ISSUER,
  type: 'ci-provider',
  provider: githubProvider('github-workflow', 'https://github.com'),
  claims: GITHUB_CLAIMS,
  rules: GITHUB_RULES,
  token: GITHUB_TOKEN,
};
