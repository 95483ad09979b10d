/**
 * The development issuer: a real OpenID provider on a listener of its own, where everybody can be anybody. Only
 * `mayfly dev` and the tests load it.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';
import { acceptKnownClients } from './client-compatibility.ts';
import { DevError } from './dev-error.ts';
import { isLoopbackListener } from '../core/loopback.ts';
import { hostCheck } from './host-check.ts';
import type { IssuerJwk } from './issuer-key.ts';
import { addLogin } from './login.ts';
import { page, STYLE } from './pages.ts';
import { providerConfiguration } from './provider-configuration.ts';

/** How to start it. */
interface ProviderOptions {
  /** Address to listen on, IPv6 without brackets. */
  readonly host: string;
  /** Port; 0 picks one. */
  readonly port: number;
  /** The name by which other machines reach it. Needed for any address but loopback, and a promise that everybody who
   * can reach it may be anybody. As in a URL. */
  readonly publicHost?: string | undefined;
  readonly key: IssuerJwk;
  /** Called with faults of the provider itself; never about a login that was refused. */
  readonly onFault?: ((error: Error) => void) | undefined;
}

/** A provider that listens. */
export interface RunningProvider {
  /** The issuer's URL, as in `iss` and discovery; no slash at the end. */
  readonly issuer: string;
  /** Stops listening and ends the connections. */
  close(): Promise<void>;
}

/** Starts the provider. Throws {@link DevError} when the address is not loopback and no public host was given, and
 * when it cannot be listened on. */
export async function startProvider(options: ProviderOptions): Promise<RunningProvider> {
  const urlHost = options.host.includes(':') ? `[${options.host}]` : options.host;
  if (!isLoopbackListener(options.host) && options.publicHost === undefined) {
    throw new DevError('DEV_ADDRESS_REFUSED', `the development issuer does not listen on ${options.host}`, {
      hint: 'Anyone who can reach it can be anybody. Listen on 127.0.0.1.',
    });
  }
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 });
  const port = await listen(server, options);
  const issuer = new URL(`http://${options.publicHost ?? urlHost}:${port}`).origin;
  server.on('request', listener(issuer, port, options));
  return { issuer, close: () => close(server) };
}

async function listen(server: Server, { host, port }: ProviderOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const sentence = taken
        ? `port ${port} on ${host} is taken`
        : `cannot listen on ${host} port ${port} (${cause.code ?? cause.message})`;
      const hint = 'Choose another address: --issuer-listen 127.0.0.1:0 picks a free port.';
      reject(new DevError(taken ? 'DEV_PORT_TAKEN' : 'DEV_LISTEN_FAILED', sentence, { hint, cause }));
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

function listener(
  issuer: string,
  port: number,
  options: ProviderOptions,
): (req: IncomingMessage, res: ServerResponse) => void {
  const provider = buildProvider(issuer, options);
  const handle = provider.callback();
  const isOwnHost = hostCheck(port, options.publicHost);
  const ownHost = new URL(issuer).host;
  return (req, res) => {
    const { host } = req.headers;
    if (!isOwnHost(host)) {
      res.writeHead(421, { 'content-type': 'text/plain' });
      res.end('this issuer does not answer to that Host name\n');
    } else if (host !== ownHost && req.method === 'GET') {
      // Cookies belong to one name, so a login that began under another one could not be finished.
      res.writeHead(307, { location: `${issuer}${req.url ?? '/'}` }).end();
    } else {
      void handle(req, res);
    }
  };
}

function buildProvider(issuer: string, options: ProviderOptions): Provider {
  const provider = new Provider(issuer, providerConfiguration(options.key));
  provider.silent = true;
  provider.on('server_error', (_ctx, error) => options.onFault?.(error));
  // Koa's own event; the provider's types list only theirs.
  (provider as NodeJS.EventEmitter).on('error', (error: Error) => options.onFault?.(error));
  provider.use(securityHeaders);
  provider.use(landingPage(issuer));
  provider.use(forgetLogin as Parameters<Provider['use']>[0]);
  addLogin(provider);
  acceptKnownClients(provider);
  return provider;
}

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** oidc-provider adds the hash of its own script to `script-src` where a page posts itself. */
const POLICY =
  `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; script-src 'self'; form-action 'self'; ` +
  "frame-ancestors 'none'; base-uri 'none'";

const securityHeaders: Parameters<Provider['use']>[0] = async (ctx, next) => {
  ctx.set({
    'content-security-policy': POLICY,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    // Not `no-referrer`: the browser would then send `Origin: null` with the login form.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
  });
  await next();
};

function landingPage(issuer: string): Parameters<Provider['use']>[0] {
  return async (ctx, next) => {
    if (ctx.path !== '/') {
      await next();
      return;
    }
    ctx.type = 'html';
    ctx.body = page(
      'Mayfly development issuer',
      `<p>Issuer: <code>${issuer}</code></p>
<p><a href="/.well-known/openid-configuration">Discovery document</a>, <a href="/device">log in a device</a></p>`,
    );
  };
}

/** Drops the session once the code is made (see `loginEveryTime`). */
async function forgetLogin(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next();
  // The getter exists only on the provider's own routes.
  const session = 'oidc' in ctx ? ctx.oidc.session : undefined;
  if (session?.accountId !== undefined) await session.destroy();
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeAllConnections();
  await closed;
}
