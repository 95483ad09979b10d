import type { ProviderCase } from './provider-case.ts';

const DEFINITION = 'https://dev.azure.com/acme/7c6d5e4f-3a2b-4190-8f8e-7d6c5b4a3928/_build?definitionId=17';

export const azureDevopsCases: readonly ProviderCase[] = [
  {
    preset: 'azure-devops',
    claims: {
      sub: 'p://acme/payments/build-main',
      jti: '5b1e2d3c-4f5a-4697-8889-7a6b5c4d3e2f',
      org_id: '6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e',
      prj_id: '7c6d5e4f-3a2b-4190-8f8e-7d6c5b4a3928',
      def_id: '17',
      rpo_id: '0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9',
      rpo_uri: 'https://dev.azure.com/acme/payments/_git/app',
      rpo_ver: '9ab3182061f1e2cca4702c368cbc039b7dc9d448',
      rpo_ref: 'refs/heads/main',
      run_id: '881',
    },
    san: DEFINITION,
    extensions: {
      9: DEFINITION,
      12: 'https://dev.azure.com/acme/payments/_git/app',
      13: '9ab3182061f1e2cca4702c368cbc039b7dc9d448',
      14: 'refs/heads/main',
      15: '0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9',
      16: 'https://dev.azure.com/acme',
      17: '6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e',
      18: DEFINITION,
      21: 'https://dev.azure.com/acme/7c6d5e4f-3a2b-4190-8f8e-7d6c5b4a3928/_build/results?buildId=881',
    },
    others: {
      'another organisation': { org_id: 'ffffffff-4a5b-4c6d-8e7f-901a2b3c4d5e' },
      'another repository': { rpo_id: 'ffffffff-4f50-4617-8293-a4b5c6d7e8f9' },
      'a pull request': { rpo_ref: 'refs/pull/3/merge' },
    },
  },
];
