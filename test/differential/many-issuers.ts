/**
 * One HTTP server that is every issuer of the suite: each path below it has a discovery document, and all share their
 * keys. Asked as a proxy it is the issuer at every other URL too. Signs with node:crypto alone, so that tokens can be
 * wrong in every way.
 */
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a token is made of; everything has a good default. */
export interface TokenSpec {
  /** Laid over good claims; undefined takes one away. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** The payload itself, instead of claims. `ISSUER` and `SOON` stand for the issuer's URL and a time to come. */
  readonly payload?: string | undefined;
  readonly header?: Readonly<Record<string, unknown>> | undefined;
  /** Default RS256. */
  readonly alg?: string | undefined;
  /** Signs with a key that nobody publishes. */
  readonly foreignKey?: boolean | undefined;
  /** Changes the finished token. */
  readonly bend?: ((token: string) => string) | undefined;
}

/** The running server. */
export interface ManyIssuers {
  /** The URL of the issuer of that name, which is a path or already a URL. */
  readonly url: (name: string) => string;
  /** What `HTTP_PROXY` has to say. */
  readonly proxy: string;
  token(name: string, spec: TokenSpec): string;
  /** The RSA key that all publish, as SPKI in PEM. */
  readonly publicPem: string;
  close(): Promise<void>;
}

interface Key {
  readonly algorithms: readonly string[];
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

const key = (
  kid: string,
  algorithms: string[],
  pair: { publicKey: KeyObject; privateKey: KeyObject },
): Key => ({
  algorithms,
  privateKey: pair.privateKey,
  jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig' },
});

const makeKeys = (): Key[] => [
  key(
    'rsa',
    ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ),
  key('p256', ['ES256'], generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  key('p384', ['ES384'], generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  key('p521', ['ES512'], generateKeyPairSync('ec', { namedCurve: 'P-521' })),
  key('ed', ['EdDSA'], generateKeyPairSync('ed25519')),
];

/** Names with a meaning of their own, by the first word of the path. */
const SPECIAL: Readonly<
  Record<string, (document: Record<string, unknown>, response: ServerResponse) => void>
> = {
  quiet: (document) => delete document['id_token_signing_alg_values_supported'],
  liar: (document) => (document['issuer'] = 'http://127.0.0.1/another'),
  down: (_, response) => (response.statusCode = 503),
  keyless: (document) => (document['jwks_uri'] = String(document['jwks_uri']).replace('jwks', 'none')),
};

/** Starts the server on a free port of 127.0.0.1. */
export async function startManyIssuers(): Promise<ManyIssuers> {
  const keys = makeKeys();
  const foreignKeys = makeKeys();
  const server = createServer((request, response) => {
    // A proxy is sent the whole URL.
    const { origin, pathname } = new URL(request.url ?? '', `http://${request.headers.host ?? ''}`);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(documentAt(origin, pathname, keys, response)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = (name: string): string => (name.startsWith('http') ? name : `${proxy}/${name}`);
  return {
    url,
    proxy,
    token: (name, spec) => tokenOf(url(name), spec, spec.foreignKey === true ? foreignKeys : keys),
    publicPem: createPublicKey(keyFor('RS256', keys).privateKey)
      .export({ format: 'pem', type: 'spki' })
      .toString(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function documentAt(origin: string, path: string, keys: readonly Key[], response: ServerResponse): unknown {
  if (path === '/jwks') return { keys: keys.map(({ jwk }) => jwk) };
  if (path === '/none') return { keys: [] };
  const name = /^(.*)\/\.well-known\/openid-configuration$/.exec(path)?.[1];
  if (name === undefined) {
    response.statusCode = 404;
    return {};
  }
  const document: Record<string, unknown> = {
    // Clients have taken the slash at the end away.
    issuer: `${origin}${name}${name.endsWith('/slashed') ? '/' : ''}`,
    jwks_uri: `${origin}/jwks`,
    id_token_signing_alg_values_supported: keys.flatMap(({ algorithms }) => algorithms),
  };
  SPECIAL[name.split('/')[1] ?? '']?.(document, response);
  return document;
}

function keyFor(alg: string, keys: readonly Key[]): Key {
  const found = keys.find(({ algorithms }) => algorithms.includes(alg));
  if (found === undefined) throw new Error(`no key signs ${alg}`);
  return found;
}

function tokenOf(issuer: string, spec: TokenSpec, keys: readonly Key[]): string {
  const now = Math.floor(Date.now() / 1000);
  const alg = spec.alg ?? 'RS256';
  const { privateKey, jwk } = keyFor(alg, keys);
  const claims = { iss: issuer, aud: 'sigstore', sub: 'subject', iat: now, exp: now + 300, ...spec.claims };
  const payload = (spec.payload ?? JSON.stringify(claims))
    .replaceAll('ISSUER', issuer)
    .replaceAll('SOON', String(now + 300));
  const header = JSON.stringify({ alg, kid: jwk['kid'], typ: 'JWT', ...spec.header });
  const input = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  const token = `${input}.${signatureOf(alg, input, privateKey)}`;
  return spec.bend?.(token) ?? token;
}

function signatureOf(alg: string, input: string, privateKey: KeyObject): string {
  const digest = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  const padding = alg.startsWith('PS') ? { padding: 6, saltLength: -1 } : {};
  return sign(digest, Buffer.from(input), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
    ...padding,
  }).toString('base64url');
}
