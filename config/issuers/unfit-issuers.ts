import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { providerOf } from '../../policy/providers/providers.ts';
import { ANYBODY } from './open-issuers.ts';
import type { Path, Report } from '../findings/report.ts';

/** Finds an issuer whose tokens never fit its block: its URL is not the one that tokens name, or the type of the block asks
 * for what they do not hold. */
export function findUnfitIssuer(definition: IssuerDefinition, path: Path, report: Report): void {
  const meant = definition.isMeta ? undefined : urlMeant(definition.url);
  if (meant !== undefined)
    report.finding('ISSUER_MISSPELT', path, 'is not what its tokens name as their issuer', { hint: meant });
  const provider = providerOf(definition);
  if (provider === undefined || provider.types.includes(definition.type)) return;
  report.finding(
    'TYPE_UNFIT',
    [...path, 'type'],
    `tokens of ${provider.title} get no certificate by the type "${definition.type}": they do not hold what it asks for`,
    {
      hint: `Take the type ${provider.types[0] ?? ''}; \`mayfly config preset ${provider.preset}\` prints the block.`,
    },
  );
}

const DISCOVERY = '/.well-known/openid-configuration';

/** What an issuer should be called that is called nearly so, as advice. */
function urlMeant(url: string): string | undefined {
  if (url.endsWith(DISCOVERY))
    return `That is the address of the discovery document. Its member "issuer" says what tokens name; most often it is ${url.slice(0, -DISCOVERY.length)}`;
  const known = KNOWN.find((candidate) => candidate !== url && plain(candidate) === plain(url));
  if (known !== undefined) return `Tokens name ${known}.`;
  return WRONG.find(([form]) => form.test(url))?.[1];
}

/** Without what people add and leave out. */
const plain = (url: string): string =>
  url
    .toLowerCase()
    .replace(/^http:/, 'https:')
    .replace(/^https:\/\/www\./, 'https://')
    .replace(/\/$/, '');

const KNOWN: readonly string[] = ANYBODY.map(([url]) => url).filter((url) => !url.endsWith('/'));

/** Where people know a provider by → what its tokens name. */
const WRONG: readonly (readonly [form: RegExp, advice: string])[] = [
  [
    /^https:\/\/(?:api\.github\.com(?:\/|$)|github\.com\/?$)/,
    'Tokens of GitHub Actions name https://token.actions.githubusercontent.com.',
  ],
  [/^https:\/\/gitlab\.com\/./, 'Tokens of gitlab.com name https://gitlab.com, whatever the group.'],
  [
    /^https:\/\/(?:app\.)?circleci\.com(?:\/|$)/,
    'Tokens of CircleCI name https://oidc.circleci.com/org/ORG-ID.',
  ],
  [/^https:\/\/(?:www\.)?buildkite\.com(?:\/|$)/, 'Tokens of Buildkite name https://agent.buildkite.com.'],
  [/^https:\/\/dev\.azure\.com(?:\/|$)/, 'Tokens of Azure DevOps name https://vstoken.dev.azure.com/ORG-ID.'],
  [
    /^https:\/\/bitbucket\.org(?:\/|$)/,
    'Tokens name https://api.bitbucket.org/2.0/workspaces/WORKSPACE/pipelines-config/identity/oidc.',
  ],
  [
    /^https:\/\/(?:www\.)?(?:google\.com|googleapis\.com|accounts\.google\.com\/.)/,
    'Tokens of Google name https://accounts.google.com.',
  ],
  [
    /^https:\/\/login\.microsoftonline\.com\/[^/]+\/?$/,
    'Tokens of version 2.0 name https://login.microsoftonline.com/TENANT-ID/v2.0; those of version 1.0 name https://sts.windows.net/TENANT-ID/.',
  ],
  [
    /^https:\/\/[^/]+\.oic\.prod-aks\.azure\.com\/.*[^/]$/,
    'On AKS the slash at the end belongs to the URL: `az aks show --query oidcIssuerProfile.issuerUrl` prints it.',
  ],
];
