/**
 * A real OpenID issuer over HTTP on loopback for tests: discovery, JWKS and signed tokens, with knobs for every way
 * in which an issuer can misbehave.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK } from 'jose';

/** One signing key of a test issuer. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** How a token deviates from a good one. */
export interface SignOptions {
  /** The key to sign with instead of the issuer's current one. */
  readonly key?: IssuerKey | undefined;
  /** Parameters of the JOSE header laid over the good ones; `undefined` takes one away. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
  /** Names of claims to leave out. */
  readonly without?: readonly string[] | undefined;
  /** The issuer's idea of now, in milliseconds; default `Date.now()`. */
  readonly now?: number | undefined;
}

/** What an endpoint answers instead of the truth. `raw` is sent as it is. */
export interface Misbehaviour {
  status?: number | undefined;
  /** Laid over the true document. */
  patch?: Readonly<Record<string, unknown>> | undefined;
  raw?: string | undefined;
  /** Sent as `Location` with status 302 (or `status`). `/moved/discovery` and `/moved/jwks` are right. */
  redirect?: string | undefined;
  /** The answer waits for this. */
  until?: Promise<unknown> | undefined;
  /** Called when a request has come, before the answer. */
  onRequest?: (() => void) | undefined;
  /** Send the head and one byte of the body, then nothing more. */
  stall?: boolean | undefined;
}

/** How many requests each endpoint has seen, refused ones too. */
export interface IssuerCounters {
  discovery: number;
  jwks: number;
  other: number;
}

/** Connections to an issuer. */
export interface IssuerSockets {
  /** Since it was started. */
  opened: number;
}

/** A running issuer. */
export interface TestIssuer {
  /** The issuer's URL, without a slash at the end unless `path` has one. */
  readonly url: string;
  readonly requests: IssuerCounters;
  readonly sockets: IssuerSockets;
  /** Connections that were ever made to it. */
  readonly connections: number;
  readonly discovery: Misbehaviour;
  readonly jwks: Misbehaviour;
  /** The current signing key. */
  readonly key: IssuerKey;
  /** The keys that the JWKS holds; change it at will. */
  readonly published: IssuerKey[];
  /** A signed token; `iss`, `aud` (sigstore), `sub`, `iat` and `exp` (+5 min) are filled in where `claims` has none. */
  sign(claims?: Readonly<Record<string, unknown>>, options?: SignOptions): Promise<string>;
  /** Signs with a new key from now on; the old ones leave the JWKS unless `keep`. */
  rotate(options?: { keep?: boolean; alg?: string; kid?: string }): Promise<IssuerKey>;
  /** Stops answering; {@link TestIssuer.listen} takes the same port again. */
  close(): Promise<void>;
  /** Answers again after {@link TestIssuer.close}. */
  listen(): Promise<void>;
}

/** What {@link startIssuer} takes. */
export interface IssuerOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Path of the issuer's URL, with a slash in front; default none. */
  readonly path?: string | undefined;
  /** Algorithm of the first key, default ES256. */
  readonly alg?: string | undefined;
  /** What discovery announces; default the algorithm of the first key; null announces nothing. */
  readonly algorithms?: readonly string[] | null | undefined;
}

let keysMade = 0;

/** A new key for `alg`. */
export async function makeIssuerKey(alg = 'ES256', kid = `key-${++keysMade}`): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Starts an issuer on 127.0.0.1. */
export async function startIssuer(options: IssuerOptions = {}): Promise<TestIssuer> {
  const issuer = new HttpIssuer(await makeIssuerKey(options.alg), options);
  await issuer.listen(options.port);
  return issuer;
}

class HttpIssuer implements TestIssuer {
  readonly requests: IssuerCounters = { discovery: 0, jwks: 0, other: 0 };
  readonly sockets: IssuerSockets = { opened: 0 };
  readonly discovery: Misbehaviour = {};
  readonly jwks: Misbehaviour = {};
  readonly published: IssuerKey[];
  connections = 0;
  key: IssuerKey;
  readonly #path: string;
  readonly #algorithms: readonly string[] | null;
  #server: Server | undefined;
  #port = 0;

  constructor(key: IssuerKey, options: IssuerOptions) {
    this.key = key;
    this.published = [key];
    this.#path = options.path ?? '';
    this.#algorithms = options.algorithms === undefined ? [key.alg] : options.algorithms;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}${this.#path}`;
  }

  async listen(port = this.#port): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.on('connection', () => this.sockets.opened++);
    server.on('connection', () => this.connections++);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  async sign(claims: Readonly<Record<string, unknown>> = {}, options: SignOptions = {}): Promise<string> {
    const key = options.key ?? this.key;
    const now = Math.floor((options.now ?? Date.now()) / 1000);
    const payload: Record<string, unknown> = {
      iss: this.url,
      aud: 'sigstore',
      sub: 'subject',
      iat: now,
      exp: now + 300,
      ...claims,
    };
    for (const name of options.without ?? []) Reflect.deleteProperty(payload, name);
    const header = { alg: key.alg, typ: 'JWT', kid: key.kid, ...options.header };
    return new SignJWT(payload)
      .setProtectedHeader(JSON.parse(JSON.stringify(header)) as { alg: string })
      .sign(key.privateKey);
  }

  async rotate(options: { keep?: boolean; alg?: string; kid?: string } = {}): Promise<IssuerKey> {
    this.key = await makeIssuerKey(options.alg ?? this.key.alg, options.kid);
    if (options.keep !== true) this.published.length = 0;
    this.published.push(this.key);
    return this.key;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const base = this.#path.replace(/\/$/, '');
    if (request.url === `${base}/.well-known/openid-configuration`) {
      this.requests.discovery++;
      await send(response, this.discovery, this.#discoveryDocument());
    } else if (request.url === `${base}/jwks`) {
      this.requests.jwks++;
      await send(response, this.jwks, this.#keySet());
    } else {
      this.requests.other++;
      if (request.url === '/moved/discovery') await send(response, {}, this.#discoveryDocument());
      else if (request.url === '/moved/jwks') await send(response, {}, this.#keySet());
      else response.writeHead(404).end();
    }
  }

  #keySet(): Record<string, unknown> {
    return { keys: this.published.map((key) => key.publicJwk) };
  }

  #discoveryDocument(): Record<string, unknown> {
    return {
      issuer: this.url,
      jwks_uri: `http://127.0.0.1:${this.#port}${this.#path.replace(/\/$/, '')}/jwks`,
      ...(this.#algorithms === null ? {} : { id_token_signing_alg_values_supported: this.#algorithms }),
    };
  }
}

async function send(
  response: ServerResponse,
  how: Misbehaviour,
  truth: Record<string, unknown>,
): Promise<void> {
  const body = how.raw ?? JSON.stringify({ ...truth, ...how.patch });
  const { redirect, stall, status } = how;
  how.onRequest?.();
  await how.until;
  if (redirect !== undefined) {
    response.writeHead(status ?? 302, { location: redirect }).end();
    return;
  }
  response.writeHead(status ?? 200, { 'content-type': 'application/json' });
  if (stall === true) response.write(body.slice(0, 1));
  else response.end(body);
}
