import type { ProviderCase } from './provider-case.ts';

const WORKSPACE = '%7B1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071%7D';
const REPOSITORY = '%7B9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6%7D';
const RAW =
  'https://bitbucket.org/{1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071}/{9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6}';

export const bitbucketCases: readonly ProviderCase[] = [
  {
    preset: 'bitbucket',
    claims: {
      sub: '{9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6}:{77aa0011-2233-4455-8677-8899aabbccdd}',
      workspaceUuid: '{1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071}',
      repositoryUuid: '{9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6}',
      pipelineUuid: '{0f1e2d3c-4b5a-4697-8889-7a6b5c4d3e2f}',
      stepUuid: '{77aa0011-2233-4455-8677-8899aabbccdd}',
      accountUuid: '{55667788-99aa-4bbc-8dde-ff0011223344}',
      deploymentEnvironmentUuid: '{aabbccdd-eeff-4001-8223-344556677889}',
      branchName: 'main',
    },
    san: `https://bitbucket.org/${WORKSPACE}/${REPOSITORY}`,
    extensions: {
      9: RAW,
      12: RAW,
      14: 'refs/heads/main',
      15: '{9c2e7a30-5b6c-4d7e-8f90-a1b2c3d4e5f6}',
      16: 'https://bitbucket.org/{1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071}',
      17: '{1d8f6b1c-0a4e-4d52-8f1b-2c3d4e5f6071}',
      21: `${RAW}/pipelines/results/{0f1e2d3c-4b5a-4697-8889-7a6b5c4d3e2f}/steps/{77aa0011-2233-4455-8677-8899aabbccdd}`,
      23: '{aabbccdd-eeff-4001-8223-344556677889}',
    },
    others: {
      'another repository': { repositoryUuid: '{ffffffff-5b6c-4d7e-8f90-a1b2c3d4e5f6}' },
      'another workspace': { workspaceUuid: '{ffffffff-0a4e-4d52-8f1b-2c3d4e5f6071}' },
      'another branch': { branchName: 'wip' },
      'a tag': { branchName: undefined },
    },
  },
];
