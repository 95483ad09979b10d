/**
 * What signing clients do that an OpenID provider does not expect. Each function names the clients that do it.
 */
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { isLoopbackHostname } from '../core/loopback.ts';
import { CLIENT_ID } from './provider-configuration.ts';
import { outOfBandPage } from './pages.ts';

/** Where a client that cannot open a port wants the code shown to a person (old OAuth "out of band"). */
const OUT_OF_BAND = 'urn:ietf:wg:oauth:2.0:oob';

type Middleware = (ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>;

/** Teaches `provider` all of them. */
export function acceptKnownClients(provider: Provider): void {
  provider.Client.prototype.redirectUriAllowed = isRedirectAllowed;
  const all: Middleware[] = [basicWithoutPassword, showCodeOutOfBand, identityTokenTwice, shortPolling];
  for (const middleware of all) provider.use(middleware as Parameters<Provider['use']>[0]);
}

/** Any port and any path of this machine over plain HTTP, or out of band. sigstore-go and sigstore-python listen at a
 * random port under `/auth/callback`, the sigstore-js command line at a random port with no path at all. */
export function isRedirectAllowed(uri: string): boolean {
  if (uri === OUT_OF_BAND) return true;
  const parsed = URL.parse(uri);
  if (parsed?.protocol !== 'http:' || parsed.username !== '' || parsed.password !== '') return false;
  return isLoopbackHostname(parsed.hostname) && !uri.includes('#');
}

/** sigstore-python calls the token endpoint with HTTP Basic, its client id and an empty password. For oidc-provider a
 * public client sends nothing but `client_id` in the body: so the header is taken away and the id put in front of
 * the body, which nobody has read yet. */
const basicWithoutPassword: Middleware = async ({ req }, next) => {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(req.headers.authorization ?? '')?.[1] ?? '';
  if (req.method === 'POST' && Buffer.from(encoded, 'base64').toString('utf8') === `${CLIENT_ID}:`) {
    delete req.headers.authorization;
    const prefix = Buffer.from(`client_id=${CLIENT_ID}&`);
    req.unshift(prefix);
    const length = req.headers['content-length'];
    if (length !== undefined) req.headers['content-length'] = String(Number(length) + prefix.length);
  }
  await next();
};

/** sigstore-go without a browser and `sigstore sign --oauth-force-oob` want to show the code to a person. */
const showCodeOutOfBand: Middleware = async (ctx, next) => {
  await next();
  const location = ctx.res.getHeader('location');
  if (typeof location !== 'string' || !location.startsWith(OUT_OF_BAND)) return;
  const answer = new URL(location).searchParams;
  ctx.remove('location');
  ctx.status = answer.has('code') ? 200 : 400;
  ctx.type = 'html';
  ctx.body = outOfBandPage(answer.get('code') ?? answer.get('error_description') ?? 'no code');
};

/** sigstore-python takes `access_token` for the identity token, as Dex answers it. There is nothing here that an
 * access token could open, so both members carry the ID token. */
const identityTokenTwice: Middleware = async (ctx, next) => {
  await next();
  const body = ctx.body as { id_token?: unknown; access_token?: unknown } | null | undefined;
  if (ctx.path === '/token' && ctx.status === 200 && typeof body?.id_token === 'string') {
    body.access_token = body.id_token;
  }
};

/** Device clients wait five seconds between two questions unless the provider says otherwise; here there is no load to spare. */
const shortPolling: Middleware = async (ctx, next) => {
  await next();
  const body = ctx.body as { device_code?: unknown; interval?: number } | null | undefined;
  if (ctx.path === '/device/auth' && typeof body?.device_code === 'string') body.interval = 1;
};
