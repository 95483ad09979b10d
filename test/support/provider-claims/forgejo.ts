import type { ProviderCase } from './provider-case.ts';

const claims = {
  sub: 'repo:acme-123456/app-456789:ref:refs/heads/main',
  actor: 'sue',
  actor_id: '98',
  base_ref: '',
  event_name: 'push',
  head_ref: '',
  ref: 'refs/heads/main',
  ref_protected: 'true',
  ref_type: 'branch',
  repository: 'acme/app',
  repository_id: '456789',
  repository_owner: 'acme',
  repository_owner_id: '123456',
  run_attempt: '1',
  run_id: '8675309',
  run_number: '42',
  sha: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
  workflow: 'release.yml',
  workflow_ref: 'acme/app/.forgejo/workflows/release.yml@refs/heads/main',
};

const good: ProviderCase = {
  preset: 'forgejo',
  claims,
  san: 'https://codeberg.org/acme/app/.forgejo/workflows/release.yml@refs/heads/main',
  extensions: {
    9: 'https://codeberg.org/acme/app/.forgejo/workflows/release.yml@refs/heads/main',
    12: 'https://codeberg.org/acme/app',
    13: '6dcb09b5b57875f334f61aebed695e2e4193db5e',
    14: 'refs/heads/main',
    15: '456789',
    16: 'https://codeberg.org/acme',
    17: '123456',
    18: 'https://codeberg.org/acme/app/.forgejo/workflows/release.yml@refs/heads/main',
    20: 'push',
    21: 'https://codeberg.org/acme/app/actions/runs/42',
  },
  others: {
    'another owner that took the name': { repository_owner_id: '654321' },
    'a token of an instance that has no ids yet': {
      repository_owner_id: undefined,
      repository_id: undefined,
    },
    'another branch': { ref: 'refs/heads/wip' },
    'a pull request that runs on the main branch': { event_name: 'pull_request_target' },
  },
};

/** An instance may write the ids as numbers. */
export const forgejoCases: readonly ProviderCase[] = [
  good,
  { ...good, claims: { ...claims, repository_id: 456789, repository_owner_id: 123456 } },
];
