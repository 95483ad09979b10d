import type { Preset } from './preset.ts';

const OBJECT = '{{ .url }}/{{ .tid }}/{{ .oid }}';

/** Microsoft Entra ID: people and workloads of a tenant. */
export const entra: Preset = {
  name: 'entra',
  title: 'Microsoft Entra ID',
  about: [
    'People and applications of one tenant. The certificate names the object id, which stays: addresses in Entra can be changed by administrators, are not verified, and come without email_verified. If you must have addresses, use `type: email` with `skip-email-verification: true`, for a tenant whose addresses are all under your control.',
    'An audience in Entra is always the id of an app registration. Give the app a role "sign" and assign it to who may sign.',
  ],
  blanks: [
    {
      name: 'tenant-id',
      about: 'UUID of your tenant: entra.microsoft.com, Overview',
      example: '3aa4a235-b6e2-48d5-9195-7fcf05b459b0',
    },
    {
      name: 'client-id',
      about: 'UUID of the app registration made for this service: its Overview',
      example: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
    },
  ],
  issuer: 'https://login.microsoftonline.com/%tenant-id%/v2.0',
  audiences: ['%client-id%'],
  type: 'ci-provider',
  provider: {
    name: 'entra-object',
    pinned: new Map([['url', 'https://login.microsoftonline.com']]),
    defaults: new Map(),
    subjectTemplate: OBJECT,
    extensionTemplates: new Map(),
  },
  claims: [
    ['tid', 'UUID of the tenant'],
    ['oid', 'UUID of the person, application or managed identity; stays, the same for all apps'],
    ['roles', 'roles of the app that are assigned to it; absent where there is none'],
    ['sub', 'like oid, but another one for each app'],
    ['preferred_username, email', 'names that can change: for people to read'],
  ],
  rules: [
    {
      name: 'with-the-role-sign',
      effect: 'allow',
      expression: 'claims.tid == "%tenant-id%" && has(claims.roles) && "sign" in claims.roles',
      why: 'Without "Assignment required" in the enterprise application, everybody of the tenant gets tokens.',
    },
  ],
  token:
    "people: `mayfly certificate --issuer ISSUER --client-id CLIENT-ID`; workloads: `az account get-access-token --scope api://CLIENT-ID/.default --query accessToken -o tsv` (the app's accessTokenAcceptedVersion must be 2)",
};
