import type { ProviderCase } from './provider-case.ts';

export const jenkinsCases: readonly ProviderCase[] = [
  {
    preset: 'jenkins',
    claims: { sub: 'https://jenkins.acme.example/job/release/job/app/', build_number: 118 },
    san: 'https://jenkins.acme.example/job/release/job/app/',
    extensions: {},
    others: {
      'a job of another folder': { sub: 'https://jenkins.acme.example/job/sandbox/job/app/' },
      'a folder whose name begins alike': { sub: 'https://jenkins.acme.example/job/release-evil/job/app/' },
    },
  },
];
