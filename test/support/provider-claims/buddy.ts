import type { ProviderCase } from './provider-case.ts';

const PIPELINE = 'https://eu.buddy.works/acme/app/pipelines/pipeline/45289';

export const buddyCases: readonly ProviderCase[] = [
  {
    preset: 'buddy',
    claims: {
      sub: PIPELINE,
      workspace_domain: 'acme',
      project_name: 'app',
      pipeline_id: 45289,
      pipeline_name: 'release',
      execution_id: 'RELEASE-69aff6292d3e5ce26541804d',
      triggered_on: 'MANUAL',
      runner_environment: 'platform-hosted',
      revision: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
      ref: 'refs/heads/main',
      base_url: 'https://evil.example',
    },
    san: PIPELINE,
    extensions: {
      9: PIPELINE,
      11: 'platform-hosted',
      12: 'https://eu.buddy.works/acme/app',
      13: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
      14: 'refs/heads/main',
      16: 'https://eu.buddy.works/acme',
      20: 'MANUAL',
      21: `${PIPELINE}/execution/RELEASE-69aff6292d3e5ce26541804d`,
    },
    others: {
      'another pipeline': { pipeline_id: 45290 },
      'another workspace': { workspace_domain: 'evil' },
    },
  },
];
