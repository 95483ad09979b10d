import type { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { writeDurably } from '../ct-log/durable-file.ts';
import { GITHUB_ISSUER, GITHUB_PROVIDER } from '../oidc/github-provider.ts';
import type { CiProviderDefinition } from '../oidc/issuer-definition.ts';
import { EXTENSION_NUMBERS } from './fulcio-schema.ts';
import { mayflySchema } from './mayfly-schema.ts';
import { unwrap } from './shape.ts';

/**
 * The configuration files that `init` and `dev` write. In them `# text` explains, and `#key: value` without a space
 * is a setting that is ready: taking the `#` away leaves it at its place.
 */

/** What a fresh production file is made from. */
export interface TemplateOptions {
  readonly publicUrl?: string | undefined;
}

/** A commented file without issuers: it loads, and says that nothing can be issued yet. */
export function productionConfig(options: TemplateOptions = {}): string {
  return [
    prose(
      0,
      'Configuration of Mayfly. The keys at the top are the ones of Fulcio (of its issuer types email, uri and ci-provider are understood so far); what is under "mayfly" is our own. Reference: docs/configuration.md. The file is read at start: restart the service after a change.',
      '',
      'Text like this explains. A line with "#" right before its first word is a setting that is ready: take the "#" away.',
    ),
    section('Who may ask for certificates: URL of an OpenID provider -> what its tokens mean'),
    prose(0, 'There is none yet, so no certificate can be issued.'),
    'oidc-issuers:',
    off(2, GITHUB_ENTRY),
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
    indented(2, ciProviderYaml(GITHUB_PROVIDER)),
    section('What Fulcio sets by flags, and what only Mayfly has; the values shown are the defaults'),
    'mayfly:',
    ...mayflyBlock(options.publicUrl),
  ].join('\n');
}

/** What {@link devConfig} needs. */
export interface DevOptions {
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
      'INSECURE: for trying and for tests. The issuer below lets everybody log in with any e-mail address. `mayfly dev` made this file; `mayfly init` makes one for production.',
    ),
    'oidc-issuers:',
    `  ${quote(options.issuerUrl)}:`,
    `    issuer-url: ${quote(options.issuerUrl)}`,
    '    client-id: sigstore',
    '    type: email',
    '    description: the development issuer',
    'mayfly:',
    ...publicUrl,
    '  log-access: public',
    '',
  ].join('\n');
}

/** Writes {@link devConfig} to `path`, replacing what is there; mode 0600. */
export const writeDevConfig = (path: string, options: DevOptions): Promise<void> =>
  writeDurably(path, utf8(devConfig(options)), 0o600);

/** A CI provider's entry for `ci-issuer-metadata`. */
export function ciProviderYaml(provider: CiProviderDefinition): string {
  const templates = [...EXTENSION_NUMBERS].flatMap(([name, number]) => {
    const template = provider.extensionTemplates.get(number);
    return template === undefined ? [] : [`    ${name}: ${quote(template)}`];
  });
  return [
    `${provider.name}:`,
    '  default-template-values:',
    ...[...provider.defaults].map(([name, value]) => `    ${name}: ${quote(value)}`),
    '  extension-templates:',
    ...templates,
    `  subject-alternative-name-template: ${quote(provider.subjectTemplate)}`,
  ].join('\n');
}

const GITHUB_ENTRY = [
  `# GitHub Actions: jobs with "id-token: write". It uses the templates "${GITHUB_PROVIDER.name}" below.`,
  `${GITHUB_ISSUER}:`,
  `  issuer-url: ${GITHUB_ISSUER}`,
  '  # The audience that jobs ask a token for. "sigstore" is what public clients use; any other text keeps tokens',
  '  # made for other services out.',
  '  client-id: sigstore',
  '  type: ci-provider',
  `  ci-provider: ${GITHUB_PROVIDER.name}`,
].join('\n');

const EMAIL_ISSUER = [
  'https://login.example.com:',
  '  issuer-url: https://login.example.com',
  '  client-id: sigstore',
  '  type: email',
  '  # Further: issuer-claim, for a broker such as Dex, names the claim that says where the person really logged in',
  '  # (e.g. $.federated_claims.connector_id); ca-cert holds the PEM certificate of a private CA.',
].join('\n');

function mayflyBlock(publicUrl: string | undefined): string[] {
  const lines: string[] = [];
  for (const [name, member] of Object.entries(mayflySchema.shape) as [string, z.ZodType][]) {
    lines.push(prose(2, member.meta()?.description ?? ''));
    if (name === 'public-url' && publicUrl !== undefined) lines.push(`  ${name}: ${quote(publicUrl)}`, '');
    else lines.push(off(2, settingYaml(name, member)), '');
  }
  return lines;
}

/** Values shown where a setting has no default. */
const EXAMPLES: Readonly<Record<string, string>> = {
  'public-url': 'https://ca.example.com',
  'log-access-token-file': 'log-token',
};

function settingYaml(name: string, member: z.ZodType): string {
  const value: unknown = EXAMPLES[name] ?? member.parse(undefined);
  if (Array.isArray(value) && value.length > 0)
    return [`${name}:`, ...value.map((item) => `  - ${String(item)}`)].join('\n');
  if (Array.isArray(value)) return `${name}: []`;
  if (typeof value === 'object' && value !== null && unwrap(member).type === 'object')
    return [`${name}:`, ...Object.entries(value).map(([key, item]) => `  ${key}: ${String(item)}`)].join(
      '\n',
    );
  return `${name}: ${String(value)}`;
}

/** A YAML double-quoted scalar; JSON's is one. */
const quote = (text: string): string => JSON.stringify(text);

const section = (title: string): string => `\n# --- ${title}`;

/** Lines of explanation, wrapped. */
function prose(indent: number, ...paragraphs: string[]): string {
  const margin = `${' '.repeat(indent)}#`;
  return paragraphs
    .flatMap((text) => wrap(text, 110 - indent))
    .map((line) => `${margin} ${line}`.trimEnd())
    .join('\n');
}

const indented = (indent: number, block: string): string => block.replace(/^/gm, ' '.repeat(indent));

/** A block of settings, switched off; explanation inside stays explanation. */
function off(indent: number, block: string): string {
  return block
    .split('\n')
    .map((line) => line.replace(/^( *)(?=[^ #])/, '$1#'))
    .map((line) => ' '.repeat(indent) + line)
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
