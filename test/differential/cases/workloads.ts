/** Types spiffe, kubernetes and chainguard-identity. */
import { PROVIDER_CASES } from '../../support/provider-claims/all.ts';
import {
  casesOf,
  explaining,
  LOOSER,
  REFUSED,
  STRICTER,
  type DifferentialCase,
} from '../differential-case.ts';

const SPIFFE_IDS = [
  ...[
    'spiffe://acme.org/ns/build/sa/signer',
    'spiffe://acme.org',
    'spiffe://acme.org/',
    'spiffe://acme.org/a/',
    'spiffe://acme.org//a',
    'spiffe://acme.org/./a',
  ],
  ...[
    'spiffe://acme.org/../a',
    'spiffe://acme.org/a/..',
    'spiffe://acme.org/...',
    'spiffe://acme.org/a b',
    'spiffe://acme.org/a%20b',
    'spiffe://acme.org/ü',
  ],
  ...[
    'spiffe://acme.org/A-Z_a.z0',
    'spiffe://acme.org/a?q',
    'spiffe://acme.org/a#f',
    'spiffe://acme.org:8080/a',
    'spiffe://u@acme.org/a',
    'spiffe://ACME.org/a',
  ],
  ...[
    'spiffe://other.org/a',
    'spiffe://sub.acme.org/a',
    'spiffe://acme.org.evil/a',
    'SPIFFE://acme.org/a',
    'https://acme.org/a',
    'spiffe:///a',
    'spiffe://',
    'spiffe:/acme.org/a',
  ],
  ...[
    'acme.org/a',
    '',
    'sue@acme.org',
    'spiffe://acme.org/a\n',
    'spiffe://acme.org/a\0',
    ' spiffe://acme.org/a',
    'spiffe://acme.org/a@b',
    'spiffe://acme.org/a:b',
    'spiffe://acme.org/a*',
  ],
];

const account = { namespace: 'build', serviceaccount: { name: 'signer', uid: '4f1e' } };
const cluster = {
  sub: 'system:serviceaccount:build:signer',
  'kubernetes.io': { ...account, pod: { name: 'sign-7c9', uid: 'x' }, warnafter: 1790003000 },
};
const named = (namespace: unknown, name: unknown): Record<string, unknown> => ({
  'kubernetes.io': { namespace, serviceaccount: { name } },
});

const circleci = PROVIDER_CASES.find(({ preset }) => preset === 'circleci')?.claims ?? {};

const chainguard = { sub: 'a1b2c3/d4e5f6', email: undefined };

const all: readonly DifferentialCase[] = [
  ...SPIFFE_IDS.map((sub) => ({ title: `for ${JSON.stringify(sub)}`, issuer: 'spiffe', claims: { sub } })),
  ...casesOf('kubernetes', cluster, {
    'of a service account': {},
    'of a service account with names in capitals': {
      'kubernetes.io': { Namespace: 'build', ServiceAccount: { Name: 'signer' } },
    },
    'of a service account under a claim in capitals': {
      'kubernetes.io': undefined,
      'Kubernetes.io': account,
    },
    'without the claim': { 'kubernetes.io': undefined },
    'with null as the claim': { 'kubernetes.io': null },
    'with a text as the claim': { 'kubernetes.io': 'x' },
    'with a list as the claim': { 'kubernetes.io': [] },
    'without a namespace': named(undefined, 'signer'),
    'without a name': named('build', undefined),
    'with an empty namespace': named('', 'signer'),
    'with an empty name': named('build', ''),
    'with null as the name': named('build', null),
    'with a number as the name': named('build', 7),
    'without an account': { 'kubernetes.io': { namespace: 'build' } },
    'with a pod that is a text': { 'kubernetes.io': { ...account, pod: 'x' } },
    'with a slash in the namespace': named('a/b', 'signer'),
    'with dots as the name': named('build', '..'),
    'with a blank in the name': named('build', 'a b'),
    'with an escape in the name': named('build', '%2e'),
    'with a broken escape in the name': named('build', '%zz'),
    'with a query in the name': named('build', 'a?b#c'),
    'with a line break in the name': named('build', 'a\nb'),
    'with a colon in the namespace': named('a:b', 'signer'),
    'with an umlaut in the name': named('build', 'ü'),
    'without a subject': { sub: undefined },
  }),
  ...casesOf('chainguard', chainguard, {
    'without a subject': { sub: undefined },
    'with an empty subject': { sub: '' },
    'with null as subject': { sub: null },
  }),
  ...casesOf('chainguard', chainguard, {
    'of an identity': {},
    'of an identity with a verified address': { email: 'sue@example.com', email_verified: true },
    'of an identity with an address that is not verified': {
      email: 'sue@example.com',
      email_verified: false,
    },
    'of an identity with an address and no word on it': { email: 'sue@example.com' },
    'of an identity with an address that is none': { email: 'sue', email_verified: true },
    'of an identity with an empty address': { email: '', email_verified: true },
    'of an identity with a verification that is none': { email: 'sue@example.com', email_verified: 'yes' },
    'of an identity that acts for another': { act: { iss: 'https://x.example', sub: 'y' } },
    'of an identity that acts for something else': { act: { iss: 7 } },
    'of an identity that acts for a text': { act: 'x' },
    'of an identity that acts for null': { act: null },
    'with an internal claim': { internal: { 'service-principal': 'x' } },
    'with an internal claim of another kind': { internal: 'x' },
    'with dots in its subject': { sub: 'a/../../b' },
    'with a slash in front of its subject': { sub: '/a//b/' },
    'with a URL as its subject': { sub: 'https://evil.example/x' },
    'with a blank in its subject': { sub: 'a b' },
    'with an escape in its subject': { sub: 'a%2Fb' },
    'with a broken escape in its subject': { sub: 'a%zz' },
    'with a query in its subject': { sub: 'a?b#c' },
    'with a line break in its subject': { sub: 'a\nb' },
    'with an umlaut in its subject': { sub: 'ü' },
    'with a colon in its subject': { sub: 'a:b' },
  }),
];

/** Issuers that a pattern of the configuration fits, or nearly. */
const PATTERN_PATHS = [
  ...[
    'eks/B02C93B6A2D30341AD01E1B6D48164CB',
    'eks/a-b_c',
    'eks/',
    'eks/a/b',
    'eks/a.b',
    'eks/a%20b',
    'eks/ä',
    'eks/*',
  ],
  ...[
    'aks/tenant/cluster',
    'aks/tenant/cluster/',
    'aks/tenant',
    'aks/tenant/',
    'aks/tenant/cluster/x',
    'aks//cluster',
  ],
  ...['x/eks/a', 'eks/a?x=y', 'eks/a#x', 'EKS/a'],
];

const patternCases: readonly DifferentialCase[] = [
  ...PATTERN_PATHS.map((issuer) => ({ title: 'by a pattern', issuer, claims: cluster })),
  ...PATTERN_PATHS.map((issuer) => ({
    title: 'by a pattern, for somebody else',
    issuer,
    claims: { ...cluster, aud: 'x' },
  })),
  { title: 'by a pattern', issuer: 'circle/org/2f0b', claims: circleci },
  {
    title: 'by a pattern, signed with a foreign key',
    issuer: 'circle/org/2f0b',
    claims: circleci,
    foreignKey: true,
  },
];

/** Keys of an issuer that a pattern describes are not fetched from a private address, whatever the audience. */
const UNREACHED = { fulcio: {}, mayfly: { ...REFUSED, status: 503 } };

const UNPARSABLE = { fulcio: { status: 400, message: /^parse "/ }, mayfly: REFUSED };

export const workloadCases = explaining(
  [...all, ...patternCases],
  ['private', UNREACHED, /^(?:eks\/[\w-]+|aks\/\w+\/\w+\/?|circle\/org\/\w+) by a pattern/],
  ['names', STRICTER, /^kubernetes of a service account (?:with names|under a claim) in capitals/],
  ['account', STRICTER, /^kubernetes (?:without (?:the|a name|an)|with (?:null|an empty))/],
  ['kubernetes', UNPARSABLE, /^kubernetes with a (?:broken escape|line break)/],
  ['kubernetes', STRICTER, /^kubernetes with (?:a (?:slash|blank|query|colon)|an (?:escape|umlaut)|dots)/],
  ['unread', LOOSER, /^kubernetes with a pod/],
  ['subject', STRICTER, /^kubernetes without a subject/],
  ['escapes', STRICTER, /^chainguard with a broken escape/],
  ['spellings', STRICTER, /^chainguard with (?:dots|a slash|a URL)/],
);
