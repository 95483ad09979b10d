/** An identity token by logging in at an issuer, in the browser or on another device. */
import * as oidc from 'openid-client';
import { CommandError } from '../program/command.ts';
import { exchangeRaw, parseUrl, requireSafeTransport } from './http.ts';
import { openLoginCallback } from './login-callback.ts';
import { isLoopbackHostname } from '../../core/loopback.ts';
import { printable } from '../../core/printable.ts';
import { quoted } from '../../storage/quoted-path.ts';

/** How to log in. */
export type LoginFlow = 'browser' | 'device';

/** What a login needs. */
export interface LoginOptions {
  readonly issuer: string;
  /** Who says that people log in there: the person, by an option or a file of theirs, or the service alone, whose word
   * leads to no login page of somebody else. */
  readonly namedBy: 'person' | 'service';
  readonly clientId: string;
  /** The wanted way; `auto` takes the browser where one can open, else the device flow where the issuer has it. */
  readonly flow: LoginFlow | 'auto';
  /** Says something to the person, whatever else the output is for: without it nobody could log in. */
  readonly notify: (text: string) => void;
  /** Opens a browser; undefined where none can open. */
  readonly openBrowser?: ((url: URL) => void) | undefined;
  /** Most milliseconds that a person may take; default five minutes. */
  readonly timeoutMs?: number | undefined;
}

const SCOPE = 'openid email';
const LOGIN_TIMEOUT_MS = 5 * 60_000;
/** Seconds between questions whether somebody has logged in on a device, whatever the issuer says (RFC 8628 §3.2). */
const USUAL_INTERVAL = 5;
const MIN_INTERVAL = 1;
const MAX_INTERVAL = 60;

/**
 * Logs in and answers the ID token. Throws {@link CommandError}, `REFUSED` where the issuer leads to plain HTTP or, on the
 * word of the service alone, to the login page of another host.
 *
 * An issuer that lies may name the login page of an honest one and a token endpoint of its own, to which the code of the
 * honest one would then go (RFC 9700 §4.4). An `iss` beside the code shows that, and is compared wherever it is given
 * (RFC 9207 §2.4); most issuers give none. Honest ones do name other hosts, so that these are said and not refused.
 */
export async function logIn(options: LoginOptions): Promise<string> {
  try {
    const config = await discover(options);
    const tokens = await (pickFlow(config, options) === 'device' ? byDevice : byBrowser)(config, options);
    if (tokens.id_token !== undefined) return tokens.id_token;
    throw new CommandError('FAILED', `${options.issuer} gave no identity token`);
  } catch (error) {
    throw error instanceof CommandError ? error : explained(error, options.issuer);
  }
}

type Tokens = Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;

async function discover(options: LoginOptions): Promise<oidc.Configuration> {
  const issuer = parseUrl(options.issuer, '--issuer');
  requireSafeTransport(issuer, 'the issuer');
  const config = await oidc.discovery(issuer, options.clientId, undefined, oidc.None(), {
    // Plain HTTP is held back by our own fetch: to this machine it is safe, to any other it is refused.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- our own fetch decides
    execute: [oidc.allowInsecureRequests],
    [oidc.customFetch]: guardedFetch,
    timeout: 30,
  });
  const { authorization_endpoint: page, token_endpoint: exchange } = config.serverMetadata();
  if (page !== undefined) endpointOf(issuer, page, 'the login page of the issuer');
  if (exchange !== undefined) endpointOf(issuer, exchange, 'the token endpoint of the issuer');
  return config;
}

/** A URL that an issuer gave. Throws {@link CommandError} where what goes there could be read on the way, or, of an issuer
 * elsewhere, would go to this very machine, where only its user's own programs listen. */
function endpointOf(issuer: URL, text: string, what: string): URL {
  const url = URL.parse(text);
  if (url === null) throw new CommandError('FAILED', `${what} is no address: "${printable(text)}"`);
  requireSafeTransport(url, what);
  if (isLoopbackHostname(url.hostname) && !isLoopbackHostname(issuer.hostname))
    throw new CommandError('REFUSED', `${what} is on this machine (${url.host}), and the issuer is not`);
  return url;
}

/** Every request of the library goes through the same limits as ours. */
const guardedFetch: oidc.CustomFetch = async (url, options) => {
  const target = new URL(url);
  requireSafeTransport(target, 'the issuer');
  return await exchangeRaw(target, 'the issuer', options as RequestInit);
};

function pickFlow(config: oidc.Configuration, options: LoginOptions): LoginFlow {
  const hasDevice = config.serverMetadata().device_authorization_endpoint !== undefined;
  if (options.flow === 'device' && !hasDevice) {
    throw new CommandError('FAILED', `${options.issuer} has no device flow`, { hint: 'Use --flow browser.' });
  }
  if (options.flow !== 'auto') return options.flow;
  return options.openBrowser === undefined && hasDevice ? 'device' : 'browser';
}

async function byBrowser(config: oidc.Configuration, options: LoginOptions): Promise<Tokens> {
  const callback = await openLoginCallback();
  try {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
    const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: callback.redirectUri,
      scope: SCOPE,
      state: expectedState,
      nonce: expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    requireOwnPage(options, url);
    options.notify(
      `Log in with your browser at ${url.host}:\n\n  ${url.href}\n${otherHosts(config, options, url)}`,
    );
    options.openBrowser?.(url);
    const answer = await callback.wait(expectedState, options.timeoutMs ?? LOGIN_TIMEOUT_MS);
    return await oidc.authorizationCodeGrant(config, answer, {
      pkceCodeVerifier,
      expectedState,
      expectedNonce,
    });
  } finally {
    await callback.close();
  }
}

async function byDevice(config: oidc.Configuration, options: LoginOptions): Promise<Tokens> {
  const verifier = oidc.randomPKCECodeVerifier();
  const device = await oidc.initiateDeviceAuthorization(config, {
    scope: SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const { verification_uri: uri, verification_uri_complete: complete = uri, user_code: code } = device;
  const page = endpointOf(new URL(options.issuer), complete, 'the login page of the issuer');
  options.notify(
    `Log in on any device at ${page.host}:\n\n  ${page.href}\n\nand compare the code: ${printable(code)}\n${otherHosts(config, options, page)}`,
  );
  const signal = AbortSignal.timeout(options.timeoutMs ?? LOGIN_TIMEOUT_MS);
  const interval = Math.min(Math.max(device.interval ?? USUAL_INTERVAL, MIN_INTERVAL), MAX_INTERVAL);
  const polled = { ...device, interval };
  return await oidc.pollDeviceAuthorizationGrant(config, polled, { code_verifier: verifier }, { signal });
}

/** What the library found wrong, which it puts under a sentence that is the same for all of a kind; below that may be what was read. */
function plainReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault';
  const { cause, message } = error;
  return cause instanceof Error && cause.name === 'OperationProcessingError' ? cause.message : message;
}

/** On the word of a service nobody is sent from one host to log in at another. The page for a code is left out: that of Google and of Microsoft is elsewhere. */
function requireOwnPage({ issuer, namedBy }: LoginOptions, page: URL): void {
  const { host, hostname } = new URL(issuer);
  if (namedBy === 'person' || page.hostname === hostname) return;
  throw new CommandError(
    'REFUSED',
    `the issuer at ${host} leads to the login page of another host, ${page.host}, and the service alone says that it is to be asked`,
    { hint: `If the operator of the service says that this is right: --issuer ${quoted(printable(issuer))}` },
  );
}

/** What a person should know before they log in at `page`: which hosts have a part in it beside the issuer's own. Empty where there is none. */
function otherHosts(config: oidc.Configuration, { issuer }: LoginOptions, page: URL): string {
  const { host, hostname } = new URL(issuer);
  const exchange = new URL(config.serverMetadata().token_endpoint ?? issuer);
  const sentences = [
    ...(page.hostname === hostname
      ? []
      : [
          `The issuer, ${host}, leads to a page of another host. Go on only if you mean to log in for ${host}.`,
        ]),
    ...(exchange.hostname === hostname
      ? []
      : [`The issuer, ${host}, has the login completed at ${exchange.host}.`]),
  ];
  return sentences.map((sentence) => `\n${sentence}\n`).join('');
}

const OAUTH_SENTENCES: Readonly<Record<string, string>> = {
  access_denied: 'the login was refused or cancelled',
  expired_token: 'nobody logged in in time',
  invalid_client: 'the issuer does not know this client; --client-id names another',
  unauthorized_client: 'the issuer does not let this client log in this way',
};

function explained(error: unknown, issuer: string): CommandError {
  const fault = error as { error?: unknown; error_description?: unknown; code?: unknown; name?: unknown };
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof CommandError) return cause;
  if (fault.name === 'TimeoutError' || fault.code === 'OAUTH_TIMEOUT') {
    return new CommandError('FAILED', 'nobody logged in in time', {
      hint: 'Run the command again.',
      cause: error,
    });
  }
  const code = typeof fault.error === 'string' ? fault.error : '';
  const said = typeof fault.error_description === 'string' ? fault.error_description : code;
  const known = Object.hasOwn(OAUTH_SENTENCES, code) ? OAUTH_SENTENCES[code] : undefined;
  const sentence = known ?? printable(said === '' ? plainReason(error) : said);
  return new CommandError('FAILED', `logging in at ${printable(issuer)} did not work: ${sentence}`, {
    cause: error,
  });
}
