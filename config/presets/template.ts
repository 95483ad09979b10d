import type { z } from 'zod';
import { GITHUB_ISSUER } from '../../oidc/types/github-provider.ts';
import { ciProviderYaml } from './ci-provider-yaml.ts';
import { mayflySchema } from '../schema/mayfly-schema.ts';
import { githubProvider } from './github.ts';
import { newAudience } from './preset.ts';
import { indented, off, prose, quote } from '../yaml/yaml-text.ts';

/**
 * The configuration files that `init` and `dev` write. In them `# text` explains, and `#key: value` without a space
 * is a setting that is ready: taking the `#` away leaves it at its place.
 */

/** What a fresh production file is made from. */
interface TemplateOptions {
  readonly publicUrl?: string | undefined;
  /** The audience that the example for jobs shows; default: a new one. */
  readonly audience?: string | undefined;
}

/** A commented file without issuers: it loads, and says that nothing can be issued yet. */
export function productionConfig(options: TemplateOptions = {}): string {
  return [
    prose(
      0,
      'Configuration of Mayfly. The keys at the top are the ones of Fulcio; what is under "mayfly" is our own. Reference: docs/configuration.md. The service follows the file while it runs; what cannot be used leaves the last good one in force.',
      '',
      'Text like this explains. A line with "#" right before its first word is a setting that is ready: take the "#" away.',
    ),
    section('Who may ask for certificates: URL of an OpenID provider -> what its tokens mean'),
    prose(
      0,
      'There is none yet, so no certificate can be issued. For other providers: mayfly config preset --list. What is wrong with this file, and what it opens: mayfly config check FILE.',
    ),
    'oidc-issuers:',
    off(2, githubEntry(options.audience ?? newAudience())),
    '',
    prose(2, 'People with an e-mail address, at your own OpenID provider (Keycloak, Dex, Okta, ...).'),
    off(2, EMAIL_ISSUER),
    section('How the claims of a CI provider become the name and the extensions of a certificate'),
    prose(
      0,
      'A template is the name of a claim, or text with {{ .claim }}. What comes out empty is left out of the certificate. Relying parties should match on the numeric ids (source-repository-identifier, source-repository-owner-identifier): names can be given to somebody else.',
    ),
    // Switched on: nobody gets anything by it, and the issuer above works as soon as its own lines are.
    'ci-issuer-metadata:',
    indented(2, ciProviderYaml(githubProvider('github-workflow', 'https://github.com'))),
    section('What Fulcio sets by flags, and what only Mayfly has; what is switched off shows the defaults'),
    'mayfly:',
    ...mayflyBlock(options.publicUrl),
  ].join('\n');
}

/** What {@link devConfig} needs. */
interface DevOptions {
  /** URL of the development issuer, e.g. `http://127.0.0.1:5556`. */
  readonly issuerUrl: string;
  readonly publicUrl?: string | undefined;
}

/** The file of `mayfly dev`: one issuer, the development provider, for any e-mail address. */
export function devConfig(options: DevOptions): string {
  const publicUrl = options.publicUrl === undefined ? [] : [`  public-url: ${quote(options.publicUrl)}`];
  return [
    prose(
      0,
      'INSECURE: for development and for tests. The issuer below lets everybody log in with any e-mail address. `mayfly dev` made this file; `mayfly init` makes one for production.',
    ),
    'oidc-issuers:',
    `  ${quote(options.issuerUrl)}:`,
    `    issuer-url: ${quote(options.issuerUrl)}`,
    '    client-id: sigstore',
    '    type: email',
    '    description: the development issuer',
    '    mayfly:',
    '      rules:',
    '        - name: everybody-with-an-address',
    '          allow: has(claims.email)',
    'mayfly:',
    ...publicUrl,
    '  log-access: public',
    '',
  ].join('\n');
}

const githubEntry = (audience: string): string =>
  `
# GitHub Actions: jobs with "id-token: write". It uses the templates "github-workflow" below.
${GITHUB_ISSUER}:
  issuer-url: ${GITHUB_ISSUER}
  # The audience of this deployment alone: tokens made for other services are useless here, and the reverse. Jobs
  # have to ask for it:
  #     mayfly certificate --client-id ${audience}
  # How other clients get such a token: mayfly config preset github. Clients that can only ask for the audience
  # "sigstore" need that here.
  client-id: ${audience}
  type: ci-provider
  ci-provider: github-workflow
  mayfly:
    # Who may. The issuer speaks for every workflow on github.com: say which are yours, by number, because names
    # are given to others. The number of an organisation or user: gh api users/NAME --jq .id
    rules:
      - name: our-main-branches
        allow: claims.repository_owner_id == "EDIT-ME-owner-id" && claims.ref == "refs/heads/main"
      - name: no-pull-requests
        deny: claims.event_name == "pull_request" || claims.event_name == "pull_request_target"
        message: Runs for pull requests cannot sign; merge first.`.trim();

const EMAIL_ISSUER = `
https://login.example.com:
  issuer-url: https://login.example.com
  # The client that people log in as, which the provider has to know: one that no other service uses.
  client-id: mayfly
  type: email
  # Further: issuer-claim, for a broker such as Dex, names the claim that says where the person really logged in
  # (e.g. $.federated_claims.connector_id), and mayfly.issuer-claim-values what it may say; ca-cert holds the PEM
  # certificate of a private CA.
  mayfly:
    rules:
      - name: our-people
        allow: claims.email.endsWith("@example.com")`.trim();

function mayflyBlock(publicUrl: string | undefined): string[] {
  const lines: string[] = [];
  for (const [name, member] of Object.entries(mayflySchema.shape) as [string, z.ZodType][]) {
    // What has no default and no example here is for few, and has a page of its own.
    if (SET[name] === undefined && exampleOf(name, member) === undefined) continue;
    lines.push(prose(2, member.meta()?.description ?? ''));
    const set = name === 'public-url' && publicUrl !== undefined ? quote(publicUrl) : SET[name];
    if (set !== undefined) lines.push(`  ${name}: ${set}`, '');
    else lines.push(off(2, settingYaml(name, member)), '');
  }
  return lines;
}

/** What a fresh file sets: nobody is let in by an issuer block that does not say whom, and both logs of artifacts are on, which `init` makes. */
const SET: Readonly<Record<string, string>> = {
  'require-rules': 'true',
  'artifact-log': '{ v1: true, v2: true }',
};

/** Values shown where a setting has no default. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  'public-url': 'https://ca.example.com',
  'log-access-token-file': 'log-token',
  audit: { file: '{path: audit/audit.jsonl}' },
};

const exampleOf = (name: string, member: z.ZodType): unknown => EXAMPLES[name] ?? member.parse(undefined);

const settingYaml = (name: string, member: z.ZodType): string => yamlOf(name, exampleOf(name, member));

/** `name: value` in YAML, for what our defaults are made of. */
function yamlOf(name: string, value: unknown): string {
  if (Array.isArray(value) && value.length > 0)
    return [`${name}:`, ...value.map((item) => `  - ${String(item)}`)].join('\n');
  if (Array.isArray(value)) return `${name}: []`;
  if (typeof value !== 'object' || value === null) return `${name}: ${String(value)}`;
  const items = Object.entries(value);
  if (items.length === 0) return `${name}: {}`;
  return [`${name}:`, ...items.map(([key, item]) => indented(2, yamlOf(key, item)))].join('\n');
}

const section = (title: string): string => `\n# --- ${title}`;
