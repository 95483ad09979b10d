/** Clusters and clouds. */
import { DIGITS, like, MAP, NUMBER, TEXT, UUID } from './claim-shape.ts';
import { at, claims, COMMON, inside, type Provider } from './provider.ts';

const CLUSTERS =
  /^https:\/\/(?:kubernetes\.default\.svc(?:\.cluster\.local)?$|oidc\.eks\.|container\.googleapis\.com\/v1\/projects\/|[^/]+\.oic\.prod-aks\.azure\.com\/)/;

const SERVICE_ACCOUNT = like(
  /^system:serviceaccount:[^:\s*]+:[^:\s*]+$/,
  'system:serviceaccount:build:signer',
  'system:serviceaccount:',
);

const kubernetes: Provider = {
  title: 'Kubernetes',
  preset: 'kubernetes',
  types: ['kubernetes', 'ci-provider'],
  isOf: ({ url, type }) => type === 'kubernetes' || CLUSTERS.test(url),
  claims: {
    ...COMMON,
    ...claims([SERVICE_ACCOUNT, 'sub'], [MAP, 'kubernetes.io']),
    ...inside('kubernetes.io', {
      ...claims([TEXT, 'namespace'], [MAP, 'serviceaccount pod node'], [NUMBER, 'warnafter']),
      ...inside('serviceaccount', claims([TEXT, 'name'], [UUID, 'uid'])),
      ...inside('pod', claims([TEXT, 'name'], [UUID, 'uid'])),
      ...inside('node', claims([TEXT, 'name'], [UUID, 'uid'])),
    }),
  },
};

const AWS = 'https://sts.amazonaws.com/';

const awsSts: Provider = {
  title: 'AWS',
  preset: 'aws-sts',
  types: ['ci-provider'],
  isOf: at(/\.tokens\.sts\.global\.api\.aws$/),
  claims: {
    ...COMMON,
    ...claims([like(/^arn:[^\s*]+$/, 'arn:aws:iam::123456789012:role/signer', 'arn:'), 'sub'], [MAP, AWS]),
    ...inside(
      AWS,
      claims(
        [DIGITS, 'aws_account'],
        [TEXT, 'source_region org_id ou_path'],
        [MAP, 'principal_tags request_tags'],
      ),
    ),
  },
};

const spiffe: Provider = {
  title: 'SPIFFE',
  preset: 'spire',
  types: ['spiffe', 'ci-provider'],
  isOf: ({ type }) => type === 'spiffe',
  claims: {
    ...COMMON,
    ...claims([like(/^spiffe:\/\/[^\s*]+$/, 'spiffe://example.org/ns/build/sa/signer', 'spiffe://'), 'sub']),
  },
};

export const WORKLOADS: readonly Provider[] = [kubernetes, awsSts, spiffe];
