import { GITHUB_ISSUER } from '../../oidc/types/github-provider.ts';
import { GITHUB_CLAIMS, GITHUB_OWNER, GITHUB_RULES, GITHUB_TOKEN, githubProvider } from './github.ts';
import { hostBlank, type BlankValues, type Preset } from './preset.ts';

/** Where the host's jobs get their tokens: an own server, a tenant of ghe.com, or an enterprise on github.com whose
 * issuer carries its name. */
function issuerOf(values: BlankValues): string {
  const host = values.get('host') ?? '';
  if (host.startsWith(PUBLIC)) return `${GITHUB_ISSUER}/${host.slice(PUBLIC.length)}`;
  return host.endsWith('.ghe.com') ? `https://token.actions.${host}` : `https://${host}/_services/token`;
}

const PUBLIC = 'github.com/';

/** Where its repositories are. */
function urlOf(values: BlankValues): string {
  const host = values.get('host') ?? '';
  return host.startsWith(PUBLIC) ? 'https://github.com' : `https://${host}`;
}

/** GitHub Enterprise of every kind. */
export const githubEnterprise: Preset = {
  name: 'github-enterprise',
  title: 'GitHub Enterprise',
  about: [
    'Jobs of workflows on your own GitHub Enterprise Server, on a tenant of ghe.com, or of an enterprise on github.com that has its own issuer (`--host github.com/ENTERPRISE`).',
    'A server with a certificate of a private CA needs ca-cert; one that this service cannot reach, mayfly.jwks-file.',
  ],
  blanks: [
    hostBlank('host name of your server or tenant, or github.com/ENTERPRISE', 'github.acme.example'),
    GITHUB_OWNER,
  ],
  derived: { issuer: issuerOf, url: urlOf },
  issuer: '%issuer%',
  type: 'ci-provider',
  provider: githubProvider('github-enterprise-workflow', '%url%'),
  claims: GITHUB_CLAIMS,
  rules: GITHUB_RULES,
  token: GITHUB_TOKEN,
};
