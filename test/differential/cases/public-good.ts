/** A token of each issuer and pattern of Fulcio's public-good configuration, and URLs that nearly fit its patterns. */
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import { publicGoodIssuers } from '../../support/public-good.ts';
import type { CaseClaims, DifferentialCase } from '../differential-case.ts';

const claimsOf = (preset: string): CaseClaims =>
  PROVIDER_CASES.find((row) => row.preset === preset)?.claims ?? {};

const email = 'sue@example.com';
const PERSON = {
  email,
  email_verified: true,
  federated_claims: { connector_id: 'https://connector.example' },
};
const ACCOUNT = {
  sub: 'system:serviceaccount:build:signer',
  'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'signer', uid: '4f1e' } },
};

/** By CI provider, else by type. */
const CLAIMS: Readonly<Record<string, CaseClaims>> = {
  'github-workflow': claimsOf('github'),
  'gitlab-pipeline': claimsOf('gitlab'),
  'codefresh-workflow': claimsOf('codefresh'),
  'buildkite-job': claimsOf('buildkite'),
  'circleci-job': claimsOf('circleci'),
  'buddy-pipeline': claimsOf('buddy'),
  email: PERSON,
  kubernetes: ACCOUNT,
  'chainguard-identity': { sub: 'a1b2c3/d4e5f6' },
};

/** The issuer's URL, over plain HTTP and with a part for each `*`. The server knows by its name that a slash follows. */
const urlOf = ({ url }: IssuerDefinition): string =>
  url.replace('https:', 'http:').replace(/\*\/$/, 'slashed/').replaceAll('*', 'part-1_a');

/** Fits no pattern any more: a part too many or too few, another host, a part with a dot. */
const MISSES: readonly ((url: string) => string)[] = [
  (url) => `${url}/more`,
  (url) => `${url}//`,
  (url) => `${url}?x=y`,
  (url) => `${url}#x`,
  (url) => `http://evil.example/?issuer=${url}`,
  (url) => `http://evil.example/redirect/${url}`,
  (url) => url.replace(/part-1_a|slashed/, 'a.b'),
  (url) => url.replace(/part-1_a|slashed/, ''),
  (url) => url.replace(/part-1_a|slashed/, 'a%20b'),
  (url) => url.replace(/part-1_a|slashed/, '@evil.example/'),
  (url) => url.replace('http:', 'https:'),
  (url) => url.replace('http:', 'HTTP:'),
  (url) => url.replace('.com', '.com.evil.example'),
  (url) => url.replace('.com', '.com:80'),
];

function casesOf(definition: IssuerDefinition): DifferentialCase[] {
  const claims = CLAIMS[definition.ciProvider?.name ?? definition.type];
  const issuer = urlOf(definition);
  const base = { issuer, claims, challenge: definition.type === 'email' ? email : String(claims?.['sub']) };
  const misses = definition.isMeta ? MISSES.map((miss) => miss(issuer)).filter((url) => url !== issuer) : [];
  return [
    { ...base, title: `as ${definition.type}`, issued: true },
    { ...base, title: `as ${definition.type}, for another audience`, claims: { ...claims, aud: 'other' } },
    { ...base, title: `as ${definition.type}, signed with a foreign key`, foreignKey: true },
    ...[...new Set(misses)].map((url) => ({ ...base, issuer: url, title: `instead of ${definition.url}` })),
  ];
}

export const publicGoodCases: readonly DifferentialCase[] = publicGoodIssuers().flatMap(casesOf);
