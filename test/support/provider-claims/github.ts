import { githubClaims } from '../github-claims.ts';
import type { ProviderCase } from './provider-case.ts';

const others = {
  'another owner of the same name': { repository_owner_id: '654321' },
  'another branch': { ref: 'refs/heads/wip' },
  'a pull request': { event_name: 'pull_request', ref: 'refs/pull/7/merge' },
  'a pull request that runs on the main branch': { event_name: 'pull_request_target' },
};

const ON_HOST = (url: string): ProviderCase['extensions'] => ({
  2: 'push',
  3: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
  4: 'release',
  5: 'octo-org/octo-repo',
  6: 'refs/heads/main',
  9: `${url}/octo-org/shared/.github/workflows/build.yml@refs/tags/v2`,
  10: '9af0c8e1d2b3a4958677665544332211ffeeddcc',
  11: 'github-hosted',
  12: `${url}/octo-org/octo-repo`,
  13: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
  14: 'refs/heads/main',
  15: '456789',
  16: `${url}/octo-org`,
  17: '123456',
  18: `${url}/octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main`,
  19: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
  20: 'push',
  21: `${url}/octo-org/octo-repo/actions/runs/9876543210/attempts/1`,
  22: 'private',
  23: 'prod',
});

const caseOn = (preset: string, url: string): ProviderCase => ({
  preset,
  // A claim of that name must not move the job to another instance.
  claims: githubClaims({ url: 'https://evil.example' }),
  san: `${url}/octo-org/shared/.github/workflows/build.yml@refs/tags/v2`,
  extensions: ON_HOST(url),
  others,
});

export const githubCases: readonly ProviderCase[] = [
  caseOn('github', 'https://github.com'),
  caseOn('github-enterprise', 'https://github.acme.example'),
];
