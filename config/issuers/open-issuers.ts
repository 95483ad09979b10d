import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';

/** Issuers where anybody can have an account or a job, and who that is then. The URL, or what it begins with when it
 * ends with a slash. */
export const ANYBODY: readonly (readonly [url: string, who: string])[] = [
  ['https://token.actions.githubusercontent.com', 'every workflow on github.com'],
  ['https://gitlab.com', 'every pipeline on gitlab.com'],
  [
    'https://accounts.google.com',
    'everybody with a Google account, and every service account of Google Cloud',
  ],
  ['https://oauth2.sigstore.dev/auth', 'everybody with a GitHub, Google or Microsoft account'],
  ['https://oauth2.sigstage.dev/auth', 'everybody with a GitHub, Google or Microsoft account'],
  ['https://login.microsoftonline.com/common/', 'everybody with a Microsoft account, of any tenant'],
  ['https://login.microsoftonline.com/organizations/', 'everybody with a Microsoft account, of any tenant'],
  ['https://login.microsoftonline.com/consumers/', 'everybody with a Microsoft account'],
  // The tenant of personal accounts.
  [
    'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/',
    'everybody with a Microsoft account',
  ],
  ['https://agent.buildkite.com', 'every job of every organization on Buildkite'],
  ['https://oidc.circleci.com', 'every job of every organization on CircleCI'],
  ['https://oidc.codefresh.io', 'every pipeline of every account on Codefresh'],
  ['https://oidc.buddyusercontent.com', 'every pipeline of every workspace on Buddy'],
  ['https://eu-oidc.buddyusercontent.com', 'every pipeline of every workspace on Buddy (EU)'],
  ['https://asia-oidc.buddyusercontent.com', 'every pipeline of every workspace on Buddy (Asia)'],
  ['https://issuer.enforce.dev', 'every identity of every customer of Chainguard'],
  ['https://issuer.hello.coop', 'everybody with a Hellō account'],
  ['https://www.kaggle.com/api/v1/models/signing', 'everybody with a Kaggle account'],
  ['https://codeberg.org', 'every workflow on codeberg.org'],
  ['https://appleid.apple.com', 'everybody with an Apple account'],
  ['https://auth.docker.com', 'everybody with a Docker account'],
];

/** Who signs at an issuer without rules, if that is as good as everybody; undefined otherwise. */
export function openTo({ url, isMeta }: IssuerDefinition): string | undefined {
  if (isMeta) return `everybody for whom an issuer fits ${url}`;
  const row = ANYBODY.find(([known]) => (known.endsWith('/') ? url.startsWith(known) : url === known));
  return row?.[1];
}

/** Domains below which anybody can have a host name. */
const SHARED_DOMAINS: readonly string[] = [
  ...['github.io', 'gitlab.io', 'codeberg.page', 'pages.dev', 'workers.dev', 'vercel.app', 'netlify.app'],
  ...['web.app', 'firebaseapp.com', 'run.app', 'appspot.com', 'herokuapp.com', 'onrender.com', 'fly.dev'],
  ...['azurewebsites.net', 'blob.core.windows.net', 's3.amazonaws.com', 'cloudfront.net', 'ngrok.io'],
  ...['ngrok.app', 'ngrok-free.app', 'trycloudflare.com', 'surge.sh', 'glitch.me', 'repl.co', 'replit.app'],
];

/** Whether anybody can get a host name that fits a pattern of issuers, and so make an issuer that says whatever its
 * owner likes: a star stands in the part of the name that one registers. */
export function isRegistrable(pattern: string): boolean {
  const host = /^https?:\/\/([^/:]*)/.exec(pattern)?.[1] ?? '';
  const shared = SHARED_DOMAINS.find((domain) => host.endsWith(`.${domain}`));
  const labels = host.split('.');
  const registered = shared === undefined ? 2 : shared.split('.').length + 1;
  return labels.slice(-registered).some((label) => label.includes('*'));
}
