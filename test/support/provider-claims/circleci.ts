import type { ProviderCase } from './provider-case.ts';

const DEFINITION =
  'https://circleci.com/api/v2/projects/a1c2d3e4-5f60-4718-92a3-b4c5d6e7f809/pipeline-definitions/5d6e7f80-9a1b-4c2d-8e3f-405162738495';

export const circleciCases: readonly ProviderCase[] = [
  {
    preset: 'circleci',
    claims: {
      sub: 'org/2f0b8c1d-6a52-4b6e-9a3b-0c5d7e9f1a21/project/a1c2d3e4-5f60-4718-92a3-b4c5d6e7f809/user/77665544-3322-4110-8998-776655443322',
      'oidc.circleci.com/project-id': 'a1c2d3e4-5f60-4718-92a3-b4c5d6e7f809',
      'oidc.circleci.com/vcs-origin': 'github.com/acme/app',
      'oidc.circleci.com/vcs-ref': 'refs/heads/main',
      'oidc.circleci.com/context-ids': ['11aa22bb-33cc-44dd-8eef-556677889900'],
      'oidc.circleci.com/ssh-rerun': false,
      'oidc.circleci.com/pipeline-id': '0a1b2c3d-4e5f-4061-8273-8495a6b7c8d9',
      'oidc.circleci.com/pipeline-definition-id': '5d6e7f80-9a1b-4c2d-8e3f-405162738495',
      'oidc.circleci.com/workflow-id': '9f8e7d6c-5b4a-4938-8271-605f4e3d2c1b',
      'oidc.circleci.com/job-id': '1f2e3d4c-5b6a-4798-8089-7a6b5c4d3e2f',
    },
    san: DEFINITION,
    extensions: {
      9: DEFINITION,
      12: 'github.com/acme/app',
      14: 'refs/heads/main',
      18: 'https://circleci.com/api/v2/pipeline/0a1b2c3d-4e5f-4061-8273-8495a6b7c8d9/config',
      21: 'https://app.circleci.com/workflow/9f8e7d6c-5b4a-4938-8271-605f4e3d2c1b/job/1f2e3d4c-5b6a-4798-8089-7a6b5c4d3e2f',
    },
    others: {
      'another project': { 'oidc.circleci.com/project-id': 'ffffffff-5f60-4718-92a3-b4c5d6e7f809' },
      'another branch': { 'oidc.circleci.com/vcs-ref': 'refs/heads/wip' },
      'a run that no repository started': { 'oidc.circleci.com/vcs-ref': undefined },
      'a person with a shell in the job': { 'oidc.circleci.com/ssh-rerun': true },
    },
  },
];
