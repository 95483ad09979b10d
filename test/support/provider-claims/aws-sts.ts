import type { ProviderCase } from './provider-case.ts';

const NAMESPACE = 'https://sts.amazonaws.com/';

const details = {
  aws_account: '123456789012',
  source_region: 'eu-central-1',
  org_id: 'o-abc1234567',
  ou_path: 'o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/',
  principal_tags: { environment: 'production', 'cost-center': 'engineering' },
  lambda_source_function_arn: 'arn:aws:lambda:eu-central-1:123456789012:function:sign',
  request_tags: { 'job-id': 'job-2026-001' },
};

/** A function that has a role of the account. */
export const awsStsCases: readonly ProviderCase[] = [
  {
    preset: 'aws-sts',
    claims: {
      sub: 'arn:aws:iam::123456789012:role/release/signer',
      jti: 'xyz123-def456-ghi789-jkl012',
      [NAMESPACE]: details,
    },
    san: 'arn:aws:iam::123456789012:role/release/signer',
    extensions: {},
    others: {
      'another role': { sub: 'arn:aws:iam::123456789012:role/signer' },
      'another account': { [NAMESPACE]: { ...details, aws_account: '210987654321' } },
    },
  },
];
