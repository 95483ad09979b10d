import { hostBlank, type Preset } from './preset.ts';

/** Okta: people. */
export const okta: Preset = {
  name: 'okta',
  title: 'Okta',
  about: [
    'People of your Okta organisation, by their e-mail address.',
    'The issuer is an authorization server of your organisation ("default" here), the audience of its ID tokens the id of the app that people log in with. The server must put a claim "groups" into ID tokens: Security, API, the server, Claims.',
  ],
  blanks: [
    hostBlank('host name of your organisation', 'acme.okta.com'),
    {
      name: 'client-id',
      about: 'id of a native app made for this service: Applications, the app, General',
      example: '0oa1b2c3d4e5f6g7h8i9',
    },
    { name: 'group', about: 'group whose people may sign', example: 'signers' },
  ],
  issuer: 'https://%host%/oauth2/default',
  audiences: ['%client-id%'],
  type: 'email',
  claims: [
    ['groups', 'names of groups, as the filter of the claim lets through'],
    ['sub', 'id of the person (00u...); stays'],
    ['email', 'the address, which can be given to a successor'],
  ],
  rules: [
    {
      name: 'our-signers',
      effect: 'allow',
      expression: 'has(claims.groups) && "%group%" in claims.groups',
      why: 'Else everybody whom the app is assigned to may sign.',
    },
  ],
  token:
    'people: `mayfly certificate --issuer ISSUER --client-id CLIENT-ID` (redirect URI http://127.0.0.1/callback, or the device grant)',
};
