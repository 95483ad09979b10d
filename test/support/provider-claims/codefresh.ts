import type { ProviderCase } from './provider-case.ts';

export const codefreshCases: readonly ProviderCase[] = [
  {
    preset: 'codefresh',
    claims: {
      sub: 'account:628a80b693a15c0f9c13ab75:pipeline:65e5a53e52853dc51a5b0cc1:initiator:sue:scm_repo_url:https://github.com/acme/app:scm_user_name:sue:scm_ref:main',
      account_id: '628a80b693a15c0f9c13ab75',
      account_name: 'acme',
      pipeline_id: '65e5a53e52853dc51a5b0cc1',
      pipeline_name: 'app/release',
      workflow_id: '65e6bcf7c2af1f228fa97f80',
      initiator: 'sue',
      platform_url: 'https://evil.example',
      scm_user_name: 'sue',
      scm_repo_url: 'https://github.com/acme/app',
      scm_ref: 'main',
      runner_environment: 'hybrid',
    },
    san: 'https://g.codefresh.io/acme/app/release:628a80b693a15c0f9c13ab75/65e5a53e52853dc51a5b0cc1',
    extensions: {
      9: 'https://g.codefresh.io/build/65e6bcf7c2af1f228fa97f80',
      11: 'hybrid',
      12: 'https://github.com/acme/app',
      14: 'main',
      18: 'https://g.codefresh.io/api/pipelines/65e5a53e52853dc51a5b0cc1',
      21: 'https://g.codefresh.io/build/65e6bcf7c2af1f228fa97f80',
    },
    others: {
      'another account that took the name': { account_id: '628a80b693a15c0f9c13ffff' },
      'another pipeline': { pipeline_id: '65e5a53e52853dc51a5bffff' },
      'another branch': { scm_ref: 'wip' },
      'a build that no push started': { scm_ref: undefined, scm_repo_url: undefined },
    },
  },
];
