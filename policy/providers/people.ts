/** Providers that people log in at. */
import { BOOL, DIGITS, like, LIST, MAP, NUMBER, oneOf, TEXT, UUID } from './claim-shape.ts';
import { at, claims, COMMON, type Provider } from './provider.ts';

const PERSON = {
  ...COMMON,
  ...claims(
    [
      TEXT,
      'email name given_name family_name preferred_username locale picture azp nonce acr sid at_hash c_hash',
    ],
    [BOOL, 'email_verified'],
    [LIST, 'groups amr'],
  ),
};

const google: Provider = {
  title: 'Google',
  preset: 'google',
  types: ['email', 'ci-provider'],
  isOf: at(/^https:\/\/accounts\.google\.com$/),
  claims: {
    ...PERSON,
    ...claims([DIGITS, 'sub'], [like(/^[^@\s*/]+$/, 'example.com'), 'hd'], [MAP, 'google']),
  },
  membership: 'hd',
};

const entra: Provider = {
  title: 'Microsoft Entra ID',
  preset: 'entra',
  types: ['ci-provider', 'email', 'username'],
  isOf: at(/^https:\/\/(?:login\.microsoftonline\.(?:com|us)|sts\.windows\.net)\//),
  claims: {
    ...PERSON,
    ...claims(
      [UUID, 'tid oid appid'],
      [LIST, 'roles wids'],
      [TEXT, 'ver idp idtyp azpacr appidacr upn unique_name scp uti rh'],
    ),
  },
};

const okta: Provider = {
  title: 'Okta',
  preset: 'okta',
  types: ['email', 'username', 'ci-provider'],
  isOf: at(/^https:\/\/[^/]+\.okta(?:-emea|preview)?\.com(?:\/|$)/),
  claims: { ...PERSON, ...claims([NUMBER, 'ver'], [TEXT, 'idp cid uid'], [LIST, 'scp']) },
};

const keycloak: Provider = {
  title: 'Keycloak',
  preset: 'keycloak',
  types: ['email', 'username', 'ci-provider'],
  isOf: at(/\/realms\/[^/]+$/),
  claims: {
    ...PERSON,
    ...claims(
      [oneOf('ID', 'Bearer', 'Refresh', 'Offline', 'Logout'), 'typ'],
      [TEXT, 'scope session_state'],
      [MAP, 'realm_access resource_access'],
      [LIST, 'allowed-origins'],
    ),
  },
};

export const PEOPLE: readonly Provider[] = [google, entra, okta, keycloak];
