/**
 * A server of OpenBao as far as keys of its transit engine need one: keys, signatures, tokens, two logins, a seal. Its answers are those of
 * OpenBao 2.7.2, status and text, which `test/judges/openbao.long.test.ts` holds it against. It fails as a test wants it.
 */
import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign,
  type KeyObject,
} from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signedDigest } from './signed-digest.ts';
import { selfSigned } from './tls-identity.ts';

/** A key of the engine. */
export interface TransitServerKey {
  readonly type: string;
  /** The first is version 1. */
  readonly versions: KeyObject[];
  minEncryption: number;
  minDecryption: number;
  softDeleted: boolean;
  derived: boolean;
  exportable: boolean;
}

/** A token that it takes. */
export interface TransitServerToken {
  /** Seconds for which it was given, and is renewed; 0: for ever. */
  ttl: number;
  /** Milliseconds of `Date.now()`. */
  endsAt: number;
  /** The same: beyond it, no renewal leads. */
  readonly maxEndsAt: number;
  readonly isRenewable: boolean;
}

/** What a request meets in the place of its answer. */
export interface TransitFault {
  /** Which requests, by their paths below `/v1/`; default all. */
  readonly of?: RegExp | undefined;
  /** Only so many of them. */
  times?: number | undefined;
  /** Status, headers and text of the answer. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly text?: string | undefined;
  /** What becomes of the right answer: it never comes; the connection ends in its place, or in the middle of it. */
  readonly becomes?: 'silence' | 'end' | 'cut' | undefined;
  /** What becomes of its text. */
  readonly changed?: ((text: string) => string) | undefined;
}

/** One request. */
export interface TransitServerRequest {
  readonly method: string;
  /** Below `/v1/`. */
  readonly path: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

type Reply = readonly [status: number, body: unknown];

const GENERATORS: Readonly<Record<string, () => { privateKey: KeyObject }>> = {
  'ecdsa-p256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'ecdsa-p384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'ecdsa-p521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  'rsa-2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: () => generateKeyPairSync('ed25519'),
};

/** The token that may do everything. */
export const ROOT_TOKEN = 's.root-0123456789';

/** A running one. */
export class TransitServer {
  /** Its address, and the PEM file of its CA. */
  readonly url: string;
  readonly caFile: string;
  /** Below its mount. */
  readonly keys = new Map<string, TransitServerKey>();
  readonly tokens = new Map<string, TransitServerToken>([
    [ROOT_TOKEN, { ttl: 0, endsAt: Infinity, maxEndsAt: Infinity, isRenewable: false }],
  ]);
  /** Secret-ids of the role {@link TransitServer.roleId}, and service account tokens of the Kubernetes role `mayfly`. */
  readonly roleId = randomUUID();
  readonly secretIds = new Set<string>();
  readonly podTokens = new Set<string>();
  /** What logins return. */
  granted: { ttl: number; maxTtl: number; isRenewable: boolean } = {
    ttl: 3600,
    maxTtl: 36_000,
    isRenewable: true,
  };
  /** Paths that no token but the root's may ask for. */
  forbidden: RegExp | undefined;
  isSealed = false;
  fault: TransitFault = {};
  readonly seen: TransitServerRequest[] = [];
  readonly #mount: string;
  readonly #server: Server;
  readonly #directory: string;

  private constructor(server: Server, mount: string, scheme: string, directory: string) {
    const { port } = server.address() as AddressInfo;
    this.url = `${scheme}://127.0.0.1:${port}`;
    this.caFile = join(directory, 'ca.pem');
    this.#mount = mount;
    this.#server = server;
    this.#directory = directory;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#take(request, response);
    });
  }

  /** Starts one, with TLS unless the options say otherwise, also as `bao.test`. */
  static async start(
    options: { readonly mount?: string; readonly plain?: boolean } = {},
  ): Promise<TransitServer> {
    const { mount = 'transit', plain = false } = options;
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-transit-'));
    const identity = await selfSigned('127.0.0.1', 'bao.test');
    writeFileSync(join(directory, 'ca.pem'), identity.cert);
    const server = plain ? createHttpServer() : createHttpsServer(identity);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TransitServer(server, mount, plain ? 'http' : 'https', directory);
  }

  /** Makes a key. */
  make(name: string, type: string): TransitServerKey {
    const { privateKey } = GENERATORS[type]?.() ?? {};
    const key: TransitServerKey = {
      type,
      versions: privateKey === undefined ? [] : [privateKey],
      minEncryption: 0,
      minDecryption: 1,
      softDeleted: false,
      derived: false,
      exportable: false,
    };
    this.keys.set(name, key);
    return key;
  }

  /** Makes another version of a key. */
  rotate(name: string): void {
    const key = this.keys.get(name);
    const made = GENERATORS[key?.type ?? '']?.();
    if (made !== undefined) key?.versions.push(made.privateKey);
  }

  /** A token. */
  token(ttl = 0, isRenewable = true, maxTtl = ttl): string {
    const token = `s.${randomBytes(18).toString('base64url')}`;
    const now = Date.now();
    const end = ttl === 0 ? Infinity : now + ttl * 1000;
    this.tokens.set(token, {
      ttl,
      endsAt: end,
      maxEndsAt: ttl === 0 ? Infinity : now + maxTtl * 1000,
      isRenewable,
    });
    return token;
  }

  /** Ends every token but the root's. */
  endTokens(): void {
    for (const token of this.tokens.keys()) if (token !== ROOT_TOKEN) this.tokens.delete(token);
  }

  /** How many requests for such paths there were. */
  asked(path: RegExp): number {
    return this.seen.filter((request) => path.test(request.path)).length;
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const { 'x-vault-token': token, 'x-vault-namespace': namespace } = request.headers;
    const asked: TransitServerRequest = {
      method: request.method ?? '',
      path: (request.url ?? '').replace(/^\/v1\//, ''),
      token: typeof token === 'string' ? token : undefined,
      namespace: typeof namespace === 'string' ? namespace : undefined,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    this.seen.push(asked);
    this.#answer(asked, response);
  }

  #answer(asked: TransitServerRequest, response: ServerResponse): void {
    const { of = /(?:)/, times = Infinity, status, headers, text, becomes, changed } = this.fault;
    const isMet = of.test(asked.path) && times > 0;
    if (isMet && this.fault.times !== undefined) this.fault.times--;
    if (isMet && becomes === 'silence') return;
    if (isMet && becomes === 'end') {
      response.socket?.destroy();
      return;
    }
    const [rightStatus, body] = isMet && status !== undefined ? [status, undefined] : this.#replyTo(asked);
    const right = body === undefined ? '' : `${JSON.stringify(body)}\n`;
    const sent = isMet ? (text ?? changed?.(right) ?? right) : right;
    response.writeHead(rightStatus, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(sent),
      ...(isMet ? headers : {}),
    });
    if (!isMet || becomes !== 'cut') {
      response.end(sent);
      return;
    }
    response.write(sent.slice(0, sent.length / 2), () => response.socket?.destroy());
  }

  #replyTo(asked: TransitServerRequest): Reply {
    if (this.isSealed) return errors(503, 'Vault is sealed');
    const { path, token, method } = asked;
    if (path === 'auth/approle/login') return this.#appRoleLogin(asked.body);
    if (path === 'auth/kubernetes/login') return this.#kubernetesLogin(asked.body);
    if (path.startsWith('auth/') && path.endsWith('/login')) return noHandler(path);
    const lease = token === undefined ? undefined : this.tokens.get(token);
    if (token === undefined || lease === undefined || lease.endsAt <= Date.now())
      return errors(403, 'permission denied');
    if (token !== ROOT_TOKEN && this.forbidden?.test(path) === true)
      return errors(403, '1 error occurred:\n\t* permission denied\n\n');
    const [, part, name = '', hash] =
      new RegExp(`^${this.#mount}/(keys|sign)/([^/]+)(?:/(.+))?$`).exec(path) ?? [];
    if (path === 'auth/token/lookup-self') return [200, { data: lookUp(lease) }];
    if (path === 'auth/token/renew-self') return this.#renew(token, lease);
    if (path === 'auth/token/revoke-self') {
      this.tokens.delete(token);
      return [204, undefined];
    }
    if (part === 'keys') return method === 'GET' ? this.#described(name) : this.#create(name, asked.body);
    return part === 'sign' ? this.#sign(name, hash, asked.body) : noHandler(path);
  }

  #appRoleLogin({ role_id: role, secret_id: secret }: TransitServerRequest['body']): Reply {
    const isGood = role === this.roleId && typeof secret === 'string' && this.secretIds.has(secret);
    return isGood ? this.#granted() : errors(400, 'invalid role or secret ID');
  }

  #kubernetesLogin({ role, jwt }: TransitServerRequest['body']): Reply {
    if (role !== 'mayfly') return errors(400, `invalid role name ${JSON.stringify(role)}`);
    return typeof jwt === 'string' && this.podTokens.has(jwt)
      ? this.#granted()
      : errors(403, 'permission denied');
  }

  #granted(): Reply {
    const { ttl, maxTtl, isRenewable } = this.granted;
    return authOf(this.token(ttl, isRenewable, maxTtl), ttl, isRenewable);
  }

  #renew(token: string, lease: TransitServerToken): Reply {
    if (!lease.isRenewable) return errors(400, 'lease is not renewable');
    const now = Date.now();
    lease.endsAt = Math.min(now + lease.ttl * 1000, lease.maxEndsAt);
    return authOf(token, Math.max(0, Math.round((lease.endsAt - now) / 1000)), true);
  }

  #create(name: string, { type }: TransitServerRequest['body']): Reply {
    if (!this.keys.has(name)) this.make(name, String(type));
    return this.#described(name);
  }

  #described(name: string): Reply {
    const key = this.keys.get(name);
    if (key === undefined) return [404, { errors: [] }];
    const versions = key.versions.map((one, i) => [
      String(i + 1),
      { public_key: publicText(one), name: key.type },
    ]);
    const data = {
      type: key.type,
      keys: Object.fromEntries(versions.slice(key.minDecryption - 1)) as unknown,
      latest_version: key.versions.length,
      min_encryption_version: key.minEncryption,
      min_decryption_version: key.minDecryption,
      derived: key.derived,
      exportable: key.exportable,
      allow_plaintext_backup: false,
      soft_deleted: key.softDeleted,
      supports_signing: key.versions.length > 0,
      name,
    };
    return [200, { request_id: randomUUID(), data }];
  }

  #sign(name: string, hash: string | undefined, body: TransitServerRequest['body']): Reply {
    const key = this.keys.get(name);
    if (key === undefined) return errors(400, 'signing key not found');
    if (key.softDeleted) return errors(500, '1 error occurred:\n\t* refusing to use soft-deleted key\n\n');
    const { batch_input: batch } = body;
    if (!Array.isArray(batch)) {
      const one = signed(key, body['input'], hash, body);
      return 'error' in one
        ? errors(500, `1 error occurred:\n\t* ${one.error ?? ''}\n\n`)
        : [200, { data: one }];
    }
    const results = (batch as readonly { input: unknown }[]).map(({ input }) => ({
      ...signed(key, input, hash, body),
      reference: '',
    }));
    return [200, { data: { batch_results: results } }];
  }
}

const errors = (status: number, ...texts: string[]): Reply => [status, { errors: texts }];

const noHandler = (path: string): Reply =>
  errors(404, `no handler for route ${JSON.stringify(path)}. route entry not found.`);

const authOf = (token: string, seconds: number, renewable: boolean): Reply => [
  200,
  { request_id: randomUUID(), data: null, auth: { client_token: token, lease_duration: seconds, renewable } },
];

const lookUp = ({ endsAt, isRenewable }: TransitServerToken): unknown => ({
  ttl: endsAt === Infinity ? 0 : Math.round((endsAt - Date.now()) / 1000),
  renewable: isRenewable,
  policies: ['default', 'mayfly'],
});

function publicText(key: KeyObject): string {
  const { x = '' } = key.export({ format: 'jwk' });
  if (key.asymmetricKeyType === 'ed25519') return Buffer.from(x, 'base64url').toString('base64');
  return pemOf(key);
}

/** Derived from the private half. */
const pemOf = (key: KeyObject): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

/** A part of the answer about one input. */
function signed(
  key: TransitServerKey,
  input: unknown,
  hash: string | undefined,
  { key_version: asked = 0, signature_algorithm: algorithm, prehashed }: TransitServerRequest['body'],
): { readonly signature?: string; readonly key_version: number; readonly error?: string } {
  const version = asked === 0 ? key.versions.length : Number(asked);
  const fail = (error: string) => ({ key_version: 0, error });
  if (version > key.versions.length)
    return fail('requested version for signing is higher than the latest key version');
  if (version < key.minEncryption)
    return fail('requested version for signing is less than the minimum encryption key version');
  const used = key.versions[version - 1];
  if (used === undefined || typeof input !== 'string' || !/^[A-Za-z0-9+/]+=*$/.test(input))
    return fail('unable to decode input as base64: illegal base64 data at input byte 0');
  const bytes = Buffer.from(input, 'base64');
  const isDigest = key.type === 'ed25519' ? hash === undefined : prehashed === true && hash !== undefined;
  if (!isDigest) return fail('the fake server signs digests alone, and messages with Ed25519');
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const isPss = key.type.startsWith('rsa') && algorithm !== 'pkcs1v15';
  const signature = isPss ? sign('sha256', bytes, { key: used, padding }) : signedDigest(used, bytes);
  return { signature: `vault:v${version}:${signature.toString('base64')}`, key_version: version };
}
