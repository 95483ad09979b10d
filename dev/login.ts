/** The login: a page that asks for an e-mail address and believes it. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { isEmail } from './email.ts';
import { errorNote, loginPage, page } from './pages.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

const MAX_BODY = 8 * 1024;
/** Adds `/login/UID` to `provider`. */
export function addLogin(provider: Provider): void {
  const secret = randomBytes(32);
  const csrfOf = (uid: string): string => createHmac('sha256', secret).update(uid).digest('base64url');
  provider.use(async (ctx, next) => {
    const uid = /^\/login\/([\w-]{1,64})$/.exec(ctx.path)?.[1];
    if (uid === undefined) {
      await next();
      return;
    }
    await answer(provider, ctx as unknown as KoaContextWithOIDC, uid, csrfOf(uid));
  });
}

async function answer(provider: Provider, ctx: KoaContextWithOIDC, uid: string, csrf: string): Promise<void> {
  ctx.set('cache-control', 'no-store');
  const interaction = await pending(provider, ctx, uid);
  if (interaction === undefined) {
    refuse(ctx, 400, 'This login is over or belongs to another browser. Start again in your program.');
  } else if (ctx.method === 'GET' || ctx.method === 'HEAD') {
    const hint = interaction.params['login_hint'];
    show(ctx, interaction, { csrf, email: typeof hint === 'string' ? hint : '' });
  } else if (ctx.method === 'POST') {
    await submit(provider, ctx, interaction, csrf);
  } else {
    refuse(ctx, 405, 'This page is only read and submitted.');
  }
}

/** The interaction of this browser, by its signed cookie; undefined when that is not `uid`. */
async function pending(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  uid: string,
): Promise<Interaction | undefined> {
  try {
    const interaction = await provider.interactionDetails(ctx.req, ctx.res);
    return interaction.uid === uid ? interaction : undefined;
  } catch {
    return undefined;
  }
}

async function submit(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
  csrf: string,
): Promise<void> {
  const form = await readForm(ctx);
  if (form === undefined || !isOwnForm(ctx, provider, form.get('csrf') ?? '', csrf)) {
    refuse(ctx, 403, 'This form did not come from this page. Start again in your program.');
    return;
  }
  if (form.get('answer') === 'cancel') {
    await finish(provider, ctx, { error: 'access_denied', error_description: 'the login was cancelled' });
    return;
  }
  const email = (form.get('email') ?? '').trim();
  if (!isEmail(email)) {
    ctx.status = 400;
    show(ctx, interaction, { csrf, email, error: 'Type an e-mail address, for example you@example.com.' });
    return;
  }
  await finish(provider, ctx, { login: { accountId: email, remember: false } });
}

async function finish(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  result: Parameters<Provider['interactionResult']>[2],
): Promise<void> {
  const location = await provider.interactionResult(ctx.req, ctx.res, result, {
    mergeWithLastSubmission: false,
  });
  ctx.status = 303;
  ctx.set('location', location);
  ctx.body = '';
}

interface Typed {
  readonly csrf: string;
  readonly email: string;
  readonly error?: string;
}

function show(ctx: KoaContextWithOIDC, interaction: Interaction, typed: Typed): void {
  const redirect = interaction.params['redirect_uri'];
  const target = typeof redirect === 'string' ? URL.parse(redirect) : null;
  allowFormTarget(ctx, target);
  ctx.type = 'html';
  ctx.body = loginPage({
    ...typed,
    action: ctx.path,
    destination: target?.protocol === 'http:' ? target.host : 'your terminal',
  });
}

/** Browsers hold `form-action` against every redirect that follows the form, so the client's port must be in it. CSP
 * cannot name an IPv6 address; there it is any address over HTTP. */
function allowFormTarget(ctx: KoaContextWithOIDC, target: URL | null): void {
  if (target?.protocol !== 'http:') return;
  const source = target.hostname.startsWith('[') ? 'http:' : target.origin;
  const policy = ctx.response.get('content-security-policy');
  ctx.set('content-security-policy', policy.replace("form-action 'self'", `form-action 'self' ${source}`));
}

function isOwnForm(ctx: KoaContextWithOIDC, provider: Provider, given: string, wanted: string): boolean {
  const { origin } = ctx.headers;
  if (origin !== undefined && origin !== new URL(provider.issuer).origin) return false;
  const a = Buffer.from(given);
  const b = Buffer.from(wanted);
  return a.length === b.length && timingSafeEqual(a, b);
}

async function readForm(ctx: KoaContextWithOIDC): Promise<URLSearchParams | undefined> {
  if (ctx.is('application/x-www-form-urlencoded') === false) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of ctx.req) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk as Buffer);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function refuse(ctx: KoaContextWithOIDC, status: number, sentence: string): void {
  ctx.status = status;
  ctx.type = 'html';
  ctx.body = page('This login cannot go on', errorNote(sentence));
}
