/**
 * An API server of Kubernetes as far as a pod sees it that wants the keys of service accounts: the two documents, and
 * everything else that such a server answers. Made after k8s.io/kubernetes `pkg/routes/openidmetadata.go` (what is
 * registered), go-restful 3 (its router: 404, 405, 406) and k8s.io/apiserver (401, 403, the form of a Status, headers).
 * `test/judges/kubernetes-router.long.test.ts` holds it against go-restful itself.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeIssuerKey, type IssuerKey } from './oidc-issuer.ts';
import { selfSigned } from './tls-identity.ts';

/** Two addresses of one server: the name that pods know, and the control plane's own address. */
const INSIDE = '127.0.0.1';
const NODE = '127.0.0.2';

/** What an operator of the cluster decides. */
export interface ApiServerSettings {
  /** `--service-account-issuer`; default the name that pods know. */
  issuer?: string | undefined;
  /** `--service-account-jwks-uri`; default the control plane's own address. */
  jwksUri?: string | undefined;
  /** `--anonymous-auth`; default true. */
  anonymousAuth?: boolean | undefined;
  /** Whom the role system:service-account-issuer-discovery is bound to; default `accounts`. */
  discoveryFor?: 'everybody' | 'accounts' | 'nobody' | undefined;
}

/** One request: the address by which it came, its path, and the token that it carried. */
export interface ApiServerRequest {
  readonly host: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly userAgent: string | undefined;
}

/** A running server. */
export interface ApiServer {
  /** Its address for pods, and that of its node: `https://HOST:PORT`. */
  readonly url: string;
  readonly nodeUrl: string;
  /** Host and port of {@link ApiServer.url}. */
  readonly host: string;
  /** PEM. */
  readonly ca: string;
  readonly key: IssuerKey;
  readonly settings: ApiServerSettings;
  /** Tokens that it takes. */
  readonly tokens: Set<string>;
  readonly seen: ApiServerRequest[];
  close(): Promise<void>;
}

/** Starts one, with keys of its own. */
export async function startApiServer(settings: ApiServerSettings = {}): Promise<ApiServer> {
  const identity = await selfSigned(INSIDE, NODE);
  const key = await makeIssuerKey('RS256');
  const server = createServer(identity);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  const made: ApiServer = {
    url: `https://${INSIDE}:${port}`,
    nodeUrl: `https://${NODE}:${port}`,
    host: `${INSIDE}:${port}`,
    ca: identity.cert,
    key,
    settings,
    tokens: new Set(),
    seen: [],
    close: () => closed(server),
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answer(made, request, response);
  });
  return made;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

/** What is registered: path → the one type that it produces. */
const ROUTES: ReadonlyMap<string, string> = new Map([
  ['/.well-known/openid-configuration', 'application/json'],
  ['/openid/v1/jwks', 'application/jwk-set+json'],
]);

function answer(server: ApiServer, request: IncomingMessage, response: ServerResponse): void {
  const { authorization, host = '', accept = '*/*', 'user-agent': userAgent } = request.headers;
  const path = request.url ?? '';
  const token = /^Bearer (.*)$/.exec(authorization ?? '')?.[1];
  server.seen.push({ host, path, token, userAgent });
  const { anonymousAuth = true, discoveryFor = 'accounts' } = server.settings;
  const user = authorization === undefined ? 'system:anonymous' : 'system:serviceaccount:mayfly:mayfly';
  const isKnown = token !== undefined && server.tokens.has(token);
  if (authorization === undefined ? !anonymousAuth : !isKnown) {
    status(response, 401, 'Unauthorized', 'Unauthorized');
    return;
  }
  if (discoveryFor === 'nobody' || (discoveryFor === 'accounts' && !isKnown)) {
    status(response, 403, 'Forbidden', `forbidden: User "${user}" cannot get path "${path}"`);
    return;
  }
  route(server, { path, method: request.method ?? '', accept }, response);
}

function route(
  server: ApiServer,
  { path, method, accept }: { readonly path: string; readonly method: string; readonly accept: string },
  response: ServerResponse,
): void {
  const type = ROUTES.get(path);
  if (type === undefined) {
    status(response, 404, 'NotFound', 'the server could not find the requested resource');
    return;
  }
  if (method !== 'GET') {
    response.setHeader('Allow', 'GET');
    status(response, 405, 'MethodNotAllowed', '405: Method Not Allowed');
    return;
  }
  if (!accepts(accept, type)) {
    const message = `406: Not Acceptable\n\nAvailable representations: ${type}`;
    status(response, 406, 'NotAcceptable', message);
    return;
  }
  response.writeHead(200, { 'cache-control': 'public, max-age=3600', 'content-type': type, ...AUDIT });
  response.end(JSON.stringify(path === '/openid/v1/jwks' ? keySetOf(server) : discoveryOf(server)));
}

/** As go-restful has it: types are compared as texts, and their weights are not looked at. */
const accepts = (header: string, type: string): boolean =>
  header
    .split(',')
    .map((one) => one.replace(/;.*/, '').replace(/^ +| +$/g, ''))
    .some((one) => one === '*/*' || one === type);

const AUDIT = { 'audit-id': 'b9c1a0f4-5d3e-4c1b-9a57-0f1e2d3c4b5a' } as const;

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  response.writeHead(code, {
    'cache-control': 'no-cache, private',
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    ...AUDIT,
  });
  response.end(`${JSON.stringify(body)}\n`);
}

const keySetOf = ({ key }: ApiServer): unknown => {
  const { kty, n, e, kid } = key.publicJwk;
  return { keys: [{ use: 'sig', kty, kid, alg: 'RS256', n, e }] };
};

const discoveryOf = ({ url, nodeUrl, settings }: ApiServer): unknown => ({
  issuer: settings.issuer ?? url,
  jwks_uri: settings.jwksUri ?? `${nodeUrl}/openid/v1/jwks`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
});
