/** The configuration of oidc-provider: one public client, two flows, no memory of who logged in. */
import { randomBytes } from 'node:crypto';
import { interactionPolicy, type Configuration } from 'oidc-provider';
import { LOOPBACK_NAMES } from '../core/loopback.ts';
import { deviceCodePage, deviceConfirmPage, errorNote, page } from './pages.ts';
import { emailClaims } from './mint-token.ts';
import type { IssuerJwk } from './issuer-key.ts';
import { memoryAdapters } from './memory-adapter.ts';

/** The client id that every Sigstore client uses. It is also the audience of the tokens. */
export const CLIENT_ID = 'sigstore';

/** Seconds that a token of a login is good for. */
const TOKEN_SECONDS = 600;

const LOGIN_SECONDS = 600;

/** Everybody has to say who they are every time: with a remembered login, the next program that opens a browser would
 * get a token without a click, and the next try as somebody else would need a logout page. */
function loginEveryTime(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  policy
    .get('login')
    ?.checks.add(
      new Check('every_time', 'this issuer asks at every login', (ctx) =>
        ctx.oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
      ),
    );
  // Consent is given by logging in: the login page says who gets the token.
  policy.remove('consent');
  return policy;
}

/** The configuration of the provider. Everything that oidc-provider would warn about is set on purpose, so its notices
 * stay quiet without being silenced: the store in memory, the keys, the pages and the life times are our own. */
export function providerConfiguration(jwk: IssuerJwk): Configuration {
  return {
    adapter: memoryAdapters(),
    jwks: { keys: [jwk] },
    clients: [client()],
    scopes: ['openid', 'email'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    // Certificates are issued from the ID token alone, so the e-mail has to be in it, whatever OpenID Core prefers.
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
    clientAuthMethods: ['none'],
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...emailClaims(sub), sub }) }),
    loadExistingGrant: grantEverything,
    // The session is forgotten as soon as the code is made, before the code is exchanged.
    expiresWithSession: () => false,
    interactions: { policy: loginEveryTime(), url: (_ctx, { uid }) => `/login/${uid}` },
    cookies: cookies(),
    features: features(),
    ttl: lifetimes(),
    clientBasedCORS: (_ctx, origin) => isOwnOrigin(origin),
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = page('This login cannot go on', errorNote(out.error_description ?? out.error));
    },
  };
}

/** Whether the page that asks comes from this machine, over plain HTTP and under one of the three usual names. */
function isOwnOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && url.origin === text && LOOPBACK_NAMES.includes(url.hostname);
}

function client(): NonNullable<Configuration['clients']>[number] {
  return {
    client_id: CLIENT_ID,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code'],
    // For the schema's sake; client-compatibility.ts decides which ones are really taken.
    redirect_uris: ['http://localhost/auth/callback', 'http://127.0.0.1/auth/callback'],
  };
}

/** A user who logged in grants what was asked. */
const grantEverything: NonNullable<Configuration['loadExistingGrant']> = async (ctx) => {
  const { client: asking, session, provider, requestParamScopes } = ctx.oidc;
  if (asking === undefined || session?.accountId === undefined) return undefined;
  const grant = new provider.Grant({ clientId: asking.clientId, accountId: session.accountId });
  grant.addOIDCScope([...requestParamScopes].join(' '));
  await grant.save();
  return grant;
};

/** Keys are new with every start: a cookie of an earlier one means nothing. Plain HTTP, so never `Secure`. */
function cookies(): NonNullable<Configuration['cookies']> {
  const common = { signed: true, httpOnly: true, sameSite: 'lax', overwrite: true } as const;
  return { keys: [randomBytes(32).toString('base64url')], long: common, short: common };
}

function features(): NonNullable<Configuration['features']> {
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    dPoP: { enabled: false },
    resourceIndicators: { enabled: false },
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      deviceInfo: () => ({}),
      userCodeInputSource: (ctx, _form, _out, error) => {
        const failed = error as (Error & { userCode?: string }) | undefined;
        ctx.body = deviceCodePage({
          ...deviceForm(ctx),
          userCode: failed?.userCode ?? '',
          error: failed === undefined ? undefined : deviceProblem(failed),
        });
      },
      userCodeConfirmSource: (ctx, _form, _client, _info, userCode) => {
        ctx.body = deviceConfirmPage({ ...deviceForm(ctx), userCode });
      },
      successSource: (ctx) => {
        ctx.body = page('Done', '<p>Your terminal is logged in. You can close this page.</p>');
      },
    },
  };
}

type DeviceContext = Parameters<
  NonNullable<NonNullable<NonNullable<Configuration['features']>['deviceFlow']>['successSource']>
>[0];

const deviceForm = (ctx: DeviceContext): { action: string; xsrf: string } => {
  const secret = ctx.oidc.session?.state?.['secret'];
  return { action: ctx.oidc.urlFor('code_verification'), xsrf: typeof secret === 'string' ? secret : '' };
};

const DEVICE_PROBLEMS: Readonly<Record<string, string>> = {
  NoCodeError: 'No code was given.',
  NotFoundError: 'There is no such code. Look at your terminal again.',
  ExpiredError: 'That code has expired. Start again in your terminal.',
  AlreadyUsedError: 'That code was used already. Start again in your terminal.',
  AbortedError: 'The login was cancelled.',
};

const deviceProblem = (error: Error): string =>
  DEVICE_PROBLEMS[error.name] ?? DEVICE_PROBLEMS[error.constructor.name] ?? 'That did not work. Try again.';

function lifetimes(): NonNullable<Configuration['ttl']> {
  return {
    AccessToken: TOKEN_SECONDS,
    AuthorizationCode: 60,
    DeviceCode: LOGIN_SECONDS,
    Grant: LOGIN_SECONDS + TOKEN_SECONDS,
    IdToken: TOKEN_SECONDS,
    Interaction: LOGIN_SECONDS,
    Session: LOGIN_SECONDS,
  };
}
