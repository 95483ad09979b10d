import type { Preset } from './preset.ts';

/** Google: people and service accounts. */
export const google: Preset = {
  name: 'google',
  title: 'Google',
  about: [
    'People with an account of your Google Workspace, and service accounts of Google Cloud. The certificate names the e-mail address.',
    'Everybody has a Google account, so the rules must name yours. People log in with an OAuth client of the type Desktop (its id is an audience); service accounts ask for any audience.',
  ],
  blanks: [
    {
      name: 'client-id',
      about: 'id of your OAuth client: console.cloud.google.com, APIs and Services, Credentials',
      example: '1234567890-abc.apps.googleusercontent.com',
    },
    { name: 'domain', about: 'domain of your Google Workspace', example: 'acme.example' },
    {
      name: 'service-account-id',
      about:
        'number of the service account: `gcloud iam service-accounts describe EMAIL --format="value(uniqueId)"`',
      example: '116812345678901234567',
    },
  ],
  issuer: 'https://accounts.google.com',
  audiences: ['%client-id%', '%audience%'],
  type: 'email',
  claims: [
    ['hd', 'domain of the Google Workspace; absent for private accounts, whatever their address'],
    ['sub', 'number of the account; stays, and is never given to another'],
    ['email', 'the address, which can be given to a successor'],
  ],
  rules: [
    {
      name: 'our-people',
      effect: 'allow',
      expression: 'has(claims.hd) && claims.hd == "%domain%"',
      why: 'hd rather than the ending of the address: a private account may carry any address.',
    },
    {
      name: 'our-service-account',
      effect: 'allow',
      expression: 'claims.sub == "%service-account-id%"',
      why: 'By number, because a deleted account frees its address.',
    },
  ],
  token:
    'people: `mayfly certificate --issuer https://accounts.google.com --client-id CLIENT-ID`; service accounts: `gcloud auth print-identity-token --impersonate-service-account=EMAIL --audiences=%audience% --include-email`',
};
