/** An identity token by logging in at an issuer, in the browser or on another device. */
import * as oidc from 'openid-client';
import { CommandError } from '../program/command.ts';
import { exchangeRaw, parseUrl, requireSafeTransport } from './http.ts';
import { openLoginCallback } from './login-callback.ts';
import { printable } from '../../core/printable.ts';

/** How to log in. */
export type LoginFlow = 'browser' | 'device';

/** What a login needs. */
export interface LoginOptions {
  readonly issuer: string;
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

/** Logs in and answers the ID token. Throws {@link CommandError}. */
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
  const { authorization_endpoint: endpoint } = config.serverMetadata();
  if (endpoint !== undefined) requireSafeTransport(new URL(endpoint), 'the login page of the issuer');
  return config;
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
    options.notify(`Log in with your browser:\n\n  ${url.href}\n`);
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
  options.notify(
    `Log in on any device:\n\n  ${printable(complete)}\n\nand compare the code: ${printable(code)}\n`,
  );
  const signal = AbortSignal.timeout(options.timeoutMs ?? LOGIN_TIMEOUT_MS);
  const interval = Math.min(Math.max(device.interval ?? USUAL_INTERVAL, MIN_INTERVAL), MAX_INTERVAL);
  const polled = { ...device, interval };
  return await oidc.pollDeviceAuthorizationGrant(config, polled, { code_verifier: verifier }, { signal });
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
  const plain = error instanceof Error ? error.message : 'unknown fault';
  const sentence = known ?? printable(said === '' ? plain : said);
  return new CommandError('FAILED', `logging in at ${printable(issuer)} did not work: ${sentence}`, {
    cause: error,
  });
}
