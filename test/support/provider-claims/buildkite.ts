import type { ProviderCase } from './provider-case.ts';

export const buildkiteCases: readonly ProviderCase[] = [
  {
    preset: 'buildkite',
    claims: {
      sub: 'organization:acme:pipeline:app:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:build',
      jti: '0194b014-8517-7cef-b232-76a827315f08',
      organization_slug: 'acme',
      organization_id: '0184990a-1111-4222-8333-444455556666',
      pipeline_slug: 'app',
      pipeline_id: '0184990a-7777-4888-9999-aaaabbbbcccc',
      build_number: 1,
      build_branch: 'main',
      build_tag: null,
      build_commit: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
      build_source: 'webhook',
      step_key: 'build',
      job_id: '0184990a-477b-4fa8-9968-496074483cee',
      agent_id: '0184990a-4782-42b5-afc1-16715b10b8ff',
      runner_environment: 'self-hosted',
    },
    san: 'https://buildkite.com/acme/app',
    extensions: {
      9: 'https://buildkite.com/acme/app',
      11: 'self-hosted',
      13: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
      20: 'webhook',
      21: 'https://buildkite.com/acme/app/builds/1#0184990a-477b-4fa8-9968-496074483cee',
    },
    others: {
      'another organisation that took the name': { organization_id: '0184990a-ffff-4222-8333-444455556666' },
      'another pipeline': { pipeline_id: '0184990a-ffff-4888-9999-aaaabbbbcccc' },
      'another branch': { build_branch: 'wip' },
      'a token without the ids': { organization_id: undefined, pipeline_id: undefined },
    },
  },
];
