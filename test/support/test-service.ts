/** A whole service for tests: a real CA, log, issuer and sockets, with its log lines in memory. */
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAuthority, type Authority } from '../../ca/authority.ts';
import { createAuthorityChain } from '../../ca/ceremony.ts';
import { generateKey } from '../../signers/key-types.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { grpcConfigOf } from '../../config/settings/grpc-config.ts';
import { mayflySchema } from '../../config/schema/mayfly-schema.ts';
import { encodePem } from '../../core/pem.ts';
import { createCtLog } from '../../ct-log/create-log.ts';
import { openCtLog, type CtLog } from '../../ct-log/ct-log.ts';
import { SubmittedChains } from '../../ct-log/submission/submitted-chain.ts';
import { dataPaths } from '../../instance/data-paths.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import type { IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import { LivePolicy } from '../../policy/live-policy.ts';
import { compilePolicy, type PolicySnapshot } from '../../policy/snapshot.ts';
import { startListeners, type Listeners, type NetworkOptions } from '../../service/listeners.ts';
import type { OpenedService } from '../../service/handlers.ts';
import { ShutdownOrder } from '../../service/shutdown-order.ts';
import { createServiceLog, type ServiceLog } from '../../server/operator/service-log.ts';
import { startIssuer, type TestIssuer } from './oidc-issuer.ts';

/** A running service and what it is made of. */
export interface TestService extends Listeners {
  readonly issuer: TestIssuer;
  readonly authority: Authority;
  readonly log: CtLog;
  /** What decides, unless the test put something else in its place. */
  readonly policy: LivePolicy;
  readonly serviceLog: ServiceLog;
  /** Directory of its log. */
  readonly logDirectory: string;
  /** What the service wrote into its log: parsed lines. */
  readonly lines: Record<string, unknown>[];
  /** Milliseconds that the service's clock is ahead of the real one. */
  skew: number;
  /** Ends it, in the order of every service. */
  close(): Promise<void>;
}

type Settings = OpenedService['settings'];

/** What a service is made of, with its settings beside the rest. */
export interface ServiceValues
  extends Omit<OpenedService, 'settings'>, Omit<Settings, 'limits'>, NetworkOptions {
  readonly policy: OpenedService['policy'] & { close(): Promise<void> };
  readonly limits: Partial<Settings['limits']>;
}

const LIMITS: Settings['limits'] = {
  maxInFlight: 64,
  readConcurrency: 8,
  idleTimeoutMs: mayflySchema.parse({}).limits['idle-timeout'] * 1000,
};

/** What a test replaces, made from the good values. */
export type Change = (values: ServiceValues) => Partial<ServiceValues>;

/** Whom tokens are for, where a test does not say it. */
export const EMAIL = 'alice@example.com';

/** Everybody whom the issuer vouches for, without limits. */
export const OPEN_POLICY: IssuerPolicyDefinition = {
  rules: [],
  requireRules: false,
  lifetimeSeconds: 600,
  csr: true,
  replayGuard: 'off',
};

/** The good policy with some decisions replaced. */
export const changedPolicy = (
  { policy }: ServiceValues,
  over: (good: PolicySnapshot) => Partial<PolicySnapshot>,
): Pick<ServiceValues, 'policy'> => ({
  policy: { current: { ...policy.current, ...over(policy.current) }, close: () => policy.close() },
});

/** Submission by other CAs of which none is known: everything is refused. */
export const submissionOfNobody: NonNullable<OpenedService['submission']> = {
  config: { rootsFile: '', usages: undefined, rateLimit: undefined, maxInFlight: 1 },
  chains: new SubmittedChains({ roots: [], usages: undefined, ownKeys: new Set() }),
  submissions: {
    add: () => Promise.reject(new Error('nothing gets this far')),
    isShared: false,
    failure: undefined,
    close: () => Promise.resolve(),
  },
};

/** The logs beside the one called `currentName`: none. */
export const noOtherLogs = (currentName: string): OpenedService['otherLogs'] => ({
  currentName,
  status: () => [],
  known: () => [],
  list: () => Promise.resolve([]),
  open: () => Promise.resolve(undefined),
});

/** Starts a service with one issuer of type email. */
export async function startTestService(change: Change = () => ({})): Promise<TestService> {
  const directory = await mkdtemp(join(tmpdir(), 'mayfly-server-'));
  const issuer = await startIssuer();
  const time = { skew: 0 };
  const clock = () => Date.now() + time.skew;
  const authority = await testAuthority(clock);
  const logDirectory = join(directory, '2026');
  const log = await testLog(logDirectory, authority, clock);
  const lines: Record<string, unknown>[] = [];
  const definition: IssuerDefinition = {
    name: 'people',
    url: issuer.url,
    audiences: ['sigstore'],
    isMeta: false,
    type: 'email',
    skipEmailVerification: false,
  };
  const policy = new LivePolicy(
    await compilePolicy([{ definition, policy: OPEN_POLICY }], {
      clock,
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
    }),
  );
  const trustPlaces = {
    ...dataPaths(directory),
    chain: join(directory, 'chain.pem'),
    nextChain: join(directory, 'next.pem'),
    logs: directory,
    trustedRoot: join(directory, 'trusted_root.json'),
  };
  await writeFile(trustPlaces.chain, authority.chainPems.join(''));
  const values: ServiceValues = {
    authority,
    trustPlaces,
    otherChains: [],
    log,
    otherLogs: noOtherLogs('2026'),
    clock,
    policy,
    listen: { host: '127.0.0.1', port: 0 },
    metricsListen: { host: '127.0.0.1', port: 0 },
    logAccess: { kind: 'public' },
    trustedProxies: [],
    limits: LIMITS,
    shutdownDelay: 0,
    serviceLog: createServiceLog(
      { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
      'info',
    ),
    isDevelopment: true,
    grpc: grpcConfigOf(mayflySchema.parse({}).grpc),
    artifactLog: {},
  };
  const shutdown = new ShutdownOrder();
  const close = async (): Promise<void> => {
    try {
      await shutdown.close();
    } finally {
      await issuer.close();
      await rm(directory, { recursive: true, force: true });
    }
  };
  const changed = { ...values, ...change(values) };
  // Also what the test replaced by something of its own.
  for (const store of new Set([log, changed.log, policy, changed.policy]))
    shutdown.stores.add(() => store.close());
  shutdown.records.add(() => changed.audit?.close());
  const settings = { ...changed, limits: { ...LIMITS, ...changed.limits } };
  const service = { ...changed, settings };
  const listeners = await startListeners(service, changed, shutdown).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    ...listeners,
    issuer,
    authority,
    log,
    logDirectory,
    policy,
    serviceLog: values.serviceLog,
    lines,
    close,
    get skew() {
      return time.skew;
    },
    set skew(ms) {
      time.skew = ms;
    },
  };
}

async function testAuthority(clock: () => number): Promise<Authority> {
  const chain = await createAuthorityChain({
    organization: 'Test',
    commonName: 'Test CA',
    keyType: 'p256',
    clock,
    dev: false,
  });
  const pems = [chain.intermediateDer, chain.rootDer].map((der) => encodePem('CERTIFICATE', der));
  return loadAuthority({ chainPem: pems.join(''), signer: localSigner(chain.intermediateKey), clock });
}

/** An empty log for certificates of that CA, open. */
export async function testLog(directory: string, authority: Authority, clock: () => number): Promise<CtLog> {
  const treeHead = localSigner(await generateKey('p256'));
  const checkpoint = localSigner(await generateKey('ed25519'));
  await createCtLog({
    directory,
    origin: 'localhost/log/2026',
    sctExtensions: 'leaf_index',
    ecdsaPublicKey: treeHead.publicKey,
    ed25519PublicKey: checkpoint.publicKey.subarray(-32),
    clock,
  });
  return openCtLog({ directory, signers: { treeHead, checkpoint }, chain: authority.chain, clock });
}

/** A good token of the service's issuer, for {@link EMAIL} unless `claims` say otherwise. */
export const emailToken = (
  { issuer }: Pick<TestService, 'issuer'>,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> => issuer.sign({ email: EMAIL, email_verified: true, ...claims });

/** A client's key and its proof over an address. */
export interface ClientKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
  /** Base64. */
  readonly proof: string;
}

/** A new P-256 key that proves `challenge`. */
export function clientKey(challenge = EMAIL): ClientKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  return { privateKey, pem, proof: sign('sha256', Buffer.from(challenge), privateKey).toString('base64') };
}

/** The body of v2. */
export const bodyV2 = (token: string, { pem, proof }: ClientKey): Record<string, unknown> => ({
  credentials: { oidcIdentityToken: token },
  publicKeyRequest: { publicKey: { algorithm: 'ECDSA', content: pem }, proofOfPossession: proof },
});

/** The body of v1, whose token goes into a header. */
export const bodyV1 = ({ pem, proof }: ClientKey): Record<string, unknown> => ({
  publicKey: { algorithm: 'ecdsa', content: Buffer.from(pem).toString('base64') },
  signedEmailAddress: proof,
});

/** POSTs JSON. */
export const post = (
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** The one ErrorInfo of a refusal. */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  readonly details: readonly [
    {
      readonly '@type': string;
      readonly reason: string;
      readonly domain: string;
      readonly metadata: Readonly<Record<string, string>>;
    },
  ];
}

/** The refusal in an answer. */
export const refusalOf = async (response: Response): Promise<Refusal> => (await response.json()) as Refusal;

/** What stands in the message before the sentence: Fulcio's words, to the byte. */
export function fulcioWords({ message, details: [info] }: Refusal): string {
  const end = `: ${info.metadata['sentence'] ?? ''}`;
  return message.endsWith(end) ? message.slice(0, -end.length) : message;
}
