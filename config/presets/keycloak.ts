import { hostBlank, type Preset } from './preset.ts';

/** Keycloak: people. */
export const keycloak: Preset = {
  name: 'keycloak',
  title: 'Keycloak',
  about: [
    'People of one realm of your Keycloak, by their e-mail address (which the realm must verify).',
    'Make a public client with the audience below as its client id, with a mapper "Group Membership" into the ID token. Access tokens of Keycloak are signed by the same keys: the rule takes ID tokens of that client alone.',
    'A Keycloak with a certificate of a private CA needs ca-cert.',
  ],
  blanks: [
    hostBlank('host name of your Keycloak', 'keycloak.acme.example'),
    { name: 'realm', about: 'the realm', example: 'staff' },
    { name: 'group', about: 'group whose people may sign, by its path', example: '/signers' },
  ],
  issuer: 'https://%host%/realms/%realm%',
  type: 'email',
  claims: [
    ['azp', 'client that the token was made for'],
    ['typ', '"ID" for ID tokens, "Bearer" for access tokens'],
    ['groups', 'paths of the groups'],
    ['sub', 'UUID of the person; stays'],
  ],
  rules: [
    {
      name: 'our-signers',
      effect: 'allow',
      expression:
        'has(claims.typ) && claims.typ == "ID" && has(claims.azp) && claims.azp == "%audience%" && has(claims.groups) && "%group%" in claims.groups',
      why: 'Else everybody of the realm may sign, and with tokens that were made for other services.',
    },
  ],
  token: 'people: `mayfly certificate --issuer ISSUER --client-id %audience%`',
};
