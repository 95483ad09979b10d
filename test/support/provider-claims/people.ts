import type { ProviderCase } from './provider-case.ts';

/** Providers that people log in at. */
export const peopleCases: readonly ProviderCase[] = [
  {
    preset: 'google',
    claims: {
      sub: '104212345678901234567',
      azp: '1234567890-abc.apps.googleusercontent.com',
      hd: 'acme.example',
      email: 'sue@acme.example',
      email_verified: true,
    },
    san: 'sue@acme.example',
    extensions: {},
    others: {
      'another Workspace': { hd: 'evil.example', email: 'eve@evil.example' },
      'a private account with an address of ours': { hd: undefined },
      'another service account': { hd: undefined, email: 'ci@evil.iam.gserviceaccount.com', sub: '1168999' },
    },
  },
  {
    preset: 'google',
    claims: {
      sub: '116812345678901234567',
      azp: '116812345678901234567',
      email: 'ci@proj.iam.gserviceaccount.com',
      email_verified: true,
    },
    san: 'ci@proj.iam.gserviceaccount.com',
    extensions: {},
    others: { 'an account that took the address': { sub: '999912345678901234567' } },
  },
  {
    preset: 'entra',
    claims: {
      sub: 'qJ8kP-pairwise-3QyZ',
      oid: 'c2d3e4f5-0617-4283-94a5-b6c7d8e9f001',
      tid: '3aa4a235-b6e2-48d5-9195-7fcf05b459b0',
      name: 'Sue',
      preferred_username: 'sue@acme.example',
      email: 'sue@acme.example',
      roles: ['sign'],
      ver: '2.0',
    },
    san: 'https://login.microsoftonline.com/3aa4a235-b6e2-48d5-9195-7fcf05b459b0/c2d3e4f5-0617-4283-94a5-b6c7d8e9f001',
    extensions: {},
    others: {
      'somebody without a role': { roles: undefined },
      'somebody with another role': { roles: ['read'] },
    },
  },
  {
    preset: 'okta',
    claims: {
      sub: '00u1a2b3c4d5e6f7g8h9',
      ver: 1,
      amr: ['pwd', 'mfa'],
      email: 'sue@acme.example',
      email_verified: true,
      groups: ['Everyone', 'signers'],
    },
    san: 'sue@acme.example',
    extensions: {},
    others: {
      'somebody of another group': { groups: ['Everyone'] },
      'a token without groups': { groups: undefined },
    },
  },
  {
    preset: 'keycloak',
    claims: {
      sub: 'f1e2d3c4-b5a6-4978-8899-aabbccddeeff',
      typ: 'ID',
      azp: 'ca.acme.example',
      preferred_username: 'sue',
      email: 'sue@acme.example',
      email_verified: true,
      groups: ['/signers'],
    },
    san: 'sue@acme.example',
    extensions: {},
    others: {
      'an access token': { typ: 'Bearer' },
      'a token of another client': { azp: 'wiki' },
      'somebody of another group': { groups: ['/readers'] },
      'a token without groups': { groups: undefined },
    },
  },
];
