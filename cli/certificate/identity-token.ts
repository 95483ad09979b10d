/** Where the token comes from: named, ambient, or by logging in; in that order. */
import { CommandError } from '../program/command.ts';
import { readInput } from '../program/input-file.ts';
import { quoted } from '../../storage/quoted-path.ts';
import { hasGithubIdentity, issuersOfJob, requestGithubToken } from './github-token.ts';
import type { LoginFlow, LoginOptions } from './login.ts';
import { printable } from '../../core/printable.ts';
import type { OfferedIssuer, ServiceClient } from './service.ts';

/** What decides it. */
export interface TokenSource {
  readonly tokenFile?: string | undefined;
  /** Where to log in, whatever other ways there are. */
  readonly issuer?: string | undefined;
  /** Where people log in when nothing else is said; else at the service's issuer for them. */
  readonly usualIssuer?: NamedIssuer | undefined;
  /** Of a login the client, of a job the audience; default what the service says for the issuer, else `sigstore`. */
  readonly clientId?: string | undefined;
  readonly flow?: LoginFlow | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a person sits there. */
  readonly interactive: boolean;
  readonly notify: (text: string) => void;
}

/** An issuer, and who says that people log in there: the person, by a file of theirs, or the service. */
export interface NamedIssuer {
  readonly url: string;
  readonly namedBy: LoginOptions['namedBy'];
}

const DEFAULT_CLIENT = 'sigstore';

/** The token, without white space around it. Throws {@link CommandError}. */
export async function identityToken(source: TokenSource, service: ServiceClient): Promise<string> {
  if (source.tokenFile !== undefined) return (await readInput(source.tokenFile, '--token-file')).trim();
  const fromEnv = source.env['SIGSTORE_ID_TOKEN']?.trim() ?? '';
  if (fromEnv !== '') return fromEnv;
  const wantsLogin = source.issuer !== undefined || source.flow !== undefined;
  if (!wantsLogin && hasGithubIdentity(source.env)) {
    return await requestGithubToken(
      source.env,
      source.clientId ?? (await audienceOfJob(source.env, service)),
    );
  }
  if (!wantsLogin && source.env['GITHUB_ACTIONS'] === 'true') throw noPermission();
  if (!source.interactive && source.flow === undefined) throw noToken();
  const login = await loginOptions(source, service);
  // With its library, which other runs need not load.
  const { logIn } = await import('./login.ts');
  return await logIn(login);
}

/** The audience that the service wants of such jobs; `sigstore` where it does not say: their issuer may be one of many
 * that fit a pattern. Throws {@link CommandError} for one that is neither that nor the service's own name: with such a token the service could be the job at others. */
async function audienceOfJob(env: TokenSource['env'], service: ServiceClient): Promise<string> {
  const audiences = issuersOfJob(env, await service.issuers()).map(({ audience }) => audience);
  const [audience = DEFAULT_CLIENT, ...more] = new Set(audiences.filter((text) => text !== ''));
  if (more.length === 0) {
    if (isOwnAudience(audience, service.url)) return audience;
    throw new CommandError(
      'USAGE',
      `the service wants tokens for the audience "${printable(audience)}", which is not its own name`,
      {
        hint: `Such a token may be good elsewhere, too. If the operator says that it is right: --client-id ${quoted(printable(audience))}`,
      },
    );
  }
  const listed = [audience, ...more].map(printable).join(', ');
  throw new CommandError(
    'USAGE',
    `the service takes several audiences for jobs of GitHub Actions: ${listed}`,
    {
      hint: 'Say which one with --client-id; the operator of the service knows which jobs may use it.',
    },
  );
}

/** What may be asked for on the word of the service at that URL: its host or an address of it, and what all clients of Sigstore ask for. */
function isOwnAudience(audience: string, url: string): boolean {
  const { hostname, host, origin } = new URL(url);
  return [DEFAULT_CLIENT, hostname, host, origin, `${origin}/`, url, `${url}/`].includes(audience);
}

const noPermission = (): CommandError =>
  new CommandError('FAILED', 'this GitHub Actions job may not ask for an identity token', {
    hint: 'Give the job `permissions: id-token: write`; a pull request from a fork never gets it.',
  });

const noToken = (): CommandError =>
  new CommandError('FAILED', 'there is no identity token, and nobody here to log in', {
    hint: 'Set SIGSTORE_ID_TOKEN, give --token-file, or --flow device to log in from elsewhere.',
  });

async function loginOptions(source: TokenSource, service: ServiceClient): Promise<LoginOptions> {
  const offered = await service.issuers();
  const { url: issuer, namedBy } = issuerOf(source, offered);
  const audience = offered.find(({ url }) => url === issuer)?.audience ?? '';
  return {
    issuer,
    namedBy,
    clientId: source.clientId ?? (audience === '' ? DEFAULT_CLIENT : audience),
    flow: source.flow ?? 'auto',
    notify: source.notify,
    openBrowser: canOpenBrowser(source.env) ? openBrowser : undefined,
  };
}

function issuerOf({ issuer, usualIssuer }: TokenSource, offered: readonly OfferedIssuer[]): NamedIssuer {
  if (issuer !== undefined) return { url: issuer, namedBy: 'person' };
  return usualIssuer ?? { url: onlyIssuer(offered).url, namedBy: 'service' };
}

/** The issuer that people log in at: the only one, or the only one for e-mail addresses. */
function onlyIssuer(offered: readonly OfferedIssuer[]): OfferedIssuer {
  const people = offered.filter(({ type }) => type === 'email');
  const [found, ...more] = people.length > 0 ? people : offered;
  if (found !== undefined && more.length === 0) return found;
  if (found === undefined) throw new CommandError('FAILED', 'the service offers no issuer to log in at');
  const urls = [found, ...more].map(({ url }) => printable(url)).join(', ');
  throw new CommandError('USAGE', `the service takes tokens of several issuers: ${urls}`, {
    hint: 'Say which one with --issuer.',
  });
}

type Environment = Readonly<Record<string, string | undefined>>;

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  linux: ['xdg-open'],
  freebsd: ['xdg-open'],
  openbsd: ['xdg-open'],
  // `start` is a word of the shell, and a URL is full of the shell's own characters.
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Whether a browser could open here: a known system, and on X11 or Wayland a display. */
function canOpenBrowser(env: Environment, platform: NodeJS.Platform = process.platform): boolean {
  if (platform === 'darwin' || platform === 'win32') return env['SSH_CONNECTION'] === undefined;
  const hasDisplay = Boolean(env['DISPLAY']) || Boolean(env['WAYLAND_DISPLAY']);
  return OPENERS[platform] !== undefined && hasDisplay;
}

/** Opens `url` in the person's browser and does not wait for it. A failure is not reported: the URL has been
 * printed too. */
function openBrowser(url: URL, platform: NodeJS.Platform = process.platform): void {
  const [command, ...words] = OPENERS[platform] ?? [];
  if (command === undefined) return;
  // Loaded here: what hardly any run needs takes as long to load as a request.
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(command, [...words, url.href], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
