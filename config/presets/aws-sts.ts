import type { Preset } from './preset.ts';

/** Roles of an AWS account, by its outbound identity federation. */
export const awsSts: Preset = {
  name: 'aws-sts',
  title: 'AWS (IAM outbound identity federation)',
  about: [
    'Whatever has a role of one AWS account: functions, instances, containers, and people. Each account has an issuer of its own, once it was switched on: `aws iam enable-outbound-web-identity-federation`.',
    'The certificate names the role by its ARN. For pods on Amazon EKS there is the preset eks.',
  ],
  blanks: [
    {
      name: 'issuer-id',
      about:
        'first part of the issuer: `aws iam get-outbound-web-identity-federation-info --query IssuerIdentifier`',
      example: 'abc123-def456-ghi789-jkl012',
      unset: 'edit-me',
    },
    { name: 'account-id', about: 'number of your account', example: '123456789012' },
    { name: 'role', about: 'name of the role that may sign, with its path', example: 'release/signer' },
  ],
  issuer: 'https://%issuer-id%.tokens.sts.global.api.aws',
  type: 'ci-provider',
  provider: {
    name: 'aws-role',
    defaults: new Map(),
    subjectTemplate: '{{ .sub }}',
    extensionTemplates: new Map(),
  },
  claims: [
    ['sub', 'ARN of the role, which becomes the name in the certificate'],
    [
      'https://sts.amazonaws.com/',
      'a map: aws_account, source_region, org_id, ou_path, principal_tags, and of what has the role, such as lambda_source_function_arn; its request_tags are whatever the caller likes',
    ],
  ],
  rules: [
    {
      name: 'our-role',
      effect: 'allow',
      expression:
        'claims["https://sts.amazonaws.com/"].aws_account == "%account-id%" && claims.sub == "arn:aws:iam::%account-id%:role/%role%"',
      why: 'A role can be made again under the name of one that was deleted: who may make roles decides who signs.',
    },
  ],
  token:
    'with a policy that allows sts:GetWebIdentityToken, and a region: `aws sts get-web-identity-token --audience %audience% --signing-algorithm RS256 --query WebIdentityToken --output text`',
};
