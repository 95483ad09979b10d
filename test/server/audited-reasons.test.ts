/**
 * Every reason that a signing request can be refused for, raised by a real request to a real service, and the line that
 * the audit has of it. What no request can raise is named in the table of reasons, with why.
 */
import { expect } from 'chai';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit } from '../../audit/audit.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { oid, sequence } from '../../core/der-writer.ts';
import { LogError, type LogReason } from '../../tlog/core/log-error.ts';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import type { ConfiguredIssuer, IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import type { RuleDefinition } from '../../policy/rules/rule-definition.ts';
import { openReplayGuard, type ReplayGuard } from '../../policy/replay/replay-guard.ts';
import { SharedLimits } from '../../policy/shared/shared-limits.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { REASON_DOMAINS } from '../../server/reasons/problem.ts';
import { SignerError, type SignerReason } from '../../signers/signer-error.ts';
import { auditLines } from '../audit/support/audit-schema.ts';
import { csrOf } from '../ca/support/csr.ts';
import { testKey } from '../ca/support/keys.ts';
import {
  connectTo,
  framed,
  reasonOf,
  send as sendOverGrpc,
  signingMessage,
} from './grpc/support/raw-call.ts';
import { makeIssuerKey, type SignOptions } from '../support/oidc-issuer.ts';
import { tokenWith } from '../support/raw-token.ts';
import {
  bodyV2,
  changedPolicy,
  clientKey,
  OPEN_POLICY,
  post,
  refusalOf,
  startTestService,
  type Change,
  type TestService,
} from '../support/test-service.ts';

type Claims = Readonly<Record<string, unknown>>;

/** How a reason is raised: what deviates from a request that gets its certificate. */
interface Raise {
  /** Name and audience of the issuer block; default `people`. */
  readonly block?: string;
  readonly claims?: Claims;
  readonly sign?: SignOptions;
  /** The token that is sent, made from the good one. */
  readonly token?: (good: string) => string;
  /** The whole body, made from the token; default a key with its proof. */
  readonly body?: (token: string) => unknown;
  /** Calls over gRPC with that deadline. */
  readonly grpcTimeout?: string;
  /** A service of its own. */
  readonly change?: Change;
  /** What happens to a service of its own before the request. */
  readonly before?: (service: TestService, audit: AuditFile) => unknown;
  /** And after it. */
  readonly after?: (service: TestService, audit: AuditFile) => unknown;
  /** What the line has beside reason and request. */
  readonly known?: readonly string[];
  readonly rule?: string;
  /** Default alice. */
  readonly principal?: string;
}

interface AuditFile {
  readonly directory: string;
  readonly path: string;
}

/** Of a token whose signature was verified and whose audience chose an issuer block. */
const VERIFIED = ['entry', 'issuer'];
const IDENTITY = [...VERIFIED, 'principal'];
const LOGGED = [...IDENTITY, 'serial', 'log', 'leafIndex'];

const key = clientKey();
const withKey = (pem: string) => (token: string) => bodyV2(token, { ...key, pem });
const withCsr = (pem: Uint8Array) => (token: string) => ({
  credentials: { oidcIdentityToken: token },
  certificateSigningRequest: Buffer.from(pem).toString('base64'),
});
const pemOf = (type: 'rsa' | 'ec', options: object): string =>
  createPublicKey(generateKeyPairSync(type as 'rsa', options as { modulusLength: number }).privateKey)
    .export({ type: 'spki', format: 'pem' })
    .toString();
const logFault = (code: LogReason): Change => {
  const append = () => Promise.reject(new LogError(code, 'the log says no'));
  return ({ log }) => ({ log: { ...log, append } });
};
/** The key of the CA, which is elsewhere, does not sign. */
const keyFault = (code: SignerReason): Raise => {
  const sign = () => Promise.reject(new SignerError(code, 'the key says no'));
  return {
    change: ({ authority }) => ({ authority: { ...authority, signer: { ...authority.signer, sign } } }),
    known: IDENTITY,
  };
};
const issueOne = async (service: TestService): Promise<void> => {
  const now = Date.now() + service.skew;
  const token = await service.issuer.sign({ email: 'alice@example.com', email_verified: true }, { now });
  const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, key));
  expect(response.status).to.equal(200);
};
const inAt = (seconds: number): Claims => ({ exp: Math.floor(Date.now() / 1000) + seconds });
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const REASONS_RAISED: Readonly<Record<string, Raise>> = {
  TOKEN_MISSING: { token: () => '' },
  TOKEN_TOO_LARGE: { token: () => 'a'.repeat(33_000) },
  TOKEN_MALFORMED: { token: () => 'nonsense' },
  ALGORITHM_REFUSED: { token: (good) => tokenWith(good, { alg: 'none' }) },
  ISSUER_UNKNOWN: { claims: { iss: 'https://unknown.example' } },
  ISSUER_UNREACHABLE: { change: () => ({}), before: ({ issuer }) => issuer.close() },
  ISSUER_METADATA_INVALID: {
    change: () => ({}),
    before: ({ issuer }) => (issuer.discovery.patch = { issuer: 'https://other.example' }),
  },
  KEY_UNKNOWN: { sign: { key: await makeIssuerKey() } },
  KEY_UNUSABLE: {
    change: () => ({}),
    before: ({ issuer }) => (issuer.jwks.patch = { keys: [{ ...issuer.key.publicJwk, alg: 'RSA' }] }),
  },
  TOKEN_SIGNATURE_INVALID: { token: (good) => tokenWith(good, {}) },
  TOKEN_EXPIRED: { claims: inAt(-240), known: VERIFIED },
  TOKEN_NOT_YET_VALID: {
    claims: { ...inAt(90_000), nbf: Math.floor(Date.now() / 1000) + 86_400 },
    known: VERIFIED,
  },
  AUDIENCE_MISMATCH: { claims: { aud: 'elsewhere' }, known: ['issuer'] },
  AUDIENCE_AMBIGUOUS: { claims: { aud: ['people', 'csr-off'] }, known: ['issuer'] },
  CLAIM_MISSING: { claims: { email: undefined }, known: VERIFIED },
  CLAIM_INVALID: { claims: { email: 7 }, known: VERIFIED },
  EMAIL_NOT_VERIFIED: { claims: { email_verified: false }, known: VERIFIED },
  IDENTITY_REFUSED: { claims: { email: 'no address' }, known: VERIFIED },
  ISSUER_CLAIM_REFUSED: { block: 'broker', claims: { connector: 'https://other.example' }, known: VERIFIED },
  TEMPLATE_FAILED: { block: 'templates', known: VERIFIED },
  KEY_MISSING: { body: (token) => ({ credentials: { oidcIdentityToken: token } }), known: IDENTITY },
  KEY_MALFORMED: { body: withKey('nonsense'), known: IDENTITY },
  KEY_INSECURE: { body: withKey(pemOf('rsa', { modulusLength: 1024 })), known: IDENTITY },
  KEY_UNSUPPORTED: { body: withKey(pemOf('ec', { namedCurve: 'secp256k1' })), known: IDENTITY },
  PROOF_INVALID: { body: withKey(clientKey().pem), known: IDENTITY },
  CSR_NOT_ACCEPTED: { block: 'csr-off', body: withCsr(csrOf(testKey('P-256'))), known: IDENTITY },
  CSR_MALFORMED: { body: withCsr(Buffer.from('nonsense')), known: IDENTITY },
  CSR_SIGNATURE_INVALID: {
    body: withCsr(
      csrOf(testKey('P-256'), {
        edit: (der) => Uint8Array.from(der, (byte, i) => (i === der.length - 1 ? byte ^ 1 : byte)),
      }),
    ),
    known: IDENTITY,
  },
  CSR_ALGORITHM_UNRECOGNIZED: {
    body: withCsr(csrOf(testKey('P-256'), { algorithm: sequence(oid('1.2.3.4')) })),
    known: IDENTITY,
  },
  ALGORITHM_NOT_PERMITTED: { block: 'p384-only', known: IDENTITY },
  IDENTITY_UNENCODABLE: {
    block: 'users',
    claims: { sub: 'a\0b' },
    body: (token) => bodyV2(token, clientKey('a\0b')),
    known: IDENTITY,
    principal: 'a\0b!127.0.0.1',
  },
  IDENTITY_TOO_LARGE: { claims: { sub: 'a'.repeat(9_000) }, known: IDENTITY },
  AUTHORITY_EXPIRED: {
    change: () => ({}),
    before: (service) => (service.skew = 4 * 365 * DAY),
    known: IDENTITY,
  },
  AUTHORITY_NOT_YET_VALID: {
    change: () => ({}),
    before: (service) => (service.skew = -365 * DAY),
    known: IDENTITY,
  },
  RULE_DENIED: { block: 'denied', known: IDENTITY, rule: 'nobody' },
  NO_RULE_ALLOWS: { block: 'not-allowed', known: IDENTITY, rule: 'bob' },
  RULE_FAILED: { block: 'failing-rule', known: IDENTITY, rule: 'reads-what-is-not-there' },
  RULES_REQUIRED: { block: 'ruleless', known: IDENTITY },
  ISSUER_RATE_LIMITED: { block: 'few', known: IDENTITY },
  PRINCIPAL_RATE_LIMITED: { block: 'few-each', known: IDENTITY },
  TOKEN_REPLAYED: { block: 'once', known: IDENTITY },
  REPLAY_GUARD_UNAVAILABLE: { block: 'once', known: IDENTITY },
  RATE_LIMITS_UNAVAILABLE: {
    change: () => ({}),
    before: async ({ policy }) => {
      const { issuers } = policy.current;
      const limited = issuers.map(({ definition, policy: own }) => ({
        definition,
        policy: { ...own, principalRateLimit: { perMinute: 1, burst: 1 } },
      }));
      const context = { clock: Date.now, permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS };
      // Nothing listens there.
      const buckets = new SharedLimits({ url: 'postgres://nobody@127.0.0.1:1/none' });
      policy.replace(await compilePolicy(limited, { ...context, buckets, previous: policy.current }));
    },
    known: IDENTITY,
  },
  LOG_BUSY: { change: logFault('LOG_BUSY'), known: IDENTITY },
  LOG_UNAVAILABLE: { change: logFault('LOG_UNAVAILABLE'), known: IDENTITY },
  LOG_CLOCK: {
    change: () => ({}),
    before: async (service) => {
      service.skew = HOUR;
      await issueOne(service);
      service.skew = HOUR / 2;
    },
    known: IDENTITY,
  },
  LOG_FROZEN: { change: logFault('LOG_FROZEN'), known: IDENTITY },
  LOG_CLOSED: { change: () => ({}), before: ({ log }) => log.close(), known: IDENTITY },
  SIGNER_UNAVAILABLE: keyFault('SIGNER_UNAVAILABLE'),
  SIGNER_TIMEOUT: keyFault('SIGNER_TIMEOUT'),
  SIGNER_THROTTLED: keyFault('SIGNER_THROTTLED'),
  SIGNER_BUSY: keyFault('SIGNER_BUSY'),
  SIGNER_DENIED: keyFault('SIGNER_DENIED'),
  SIGNER_KEY_GONE: keyFault('SIGNER_KEY_GONE'),
  SIGNER_WRONG_KEY: keyFault('SIGNER_WRONG_KEY'),
  SIGNER_REFUSED: keyFault('SIGNER_REFUSED'),
  AUDIT_UNAVAILABLE: {
    change: () => ({}),
    before: async (_, { directory, path }) => {
      await rename(directory, `${directory}.away`);
      await writeFile(directory, 'in the way');
      expect(path).to.contain(directory);
    },
    after: async (_, { directory }) => {
      await rm(directory);
      await rename(`${directory}.away`, directory);
    },
    known: LOGGED,
  },
  BODY_MALFORMED: { body: () => '[1]' },
  BODY_TOO_LARGE: { body: () => `{"x":"${'a'.repeat(256 * 1024)}"}` },
  TOO_BUSY: { change: () => ({ limits: { maxInFlight: 0, readConcurrency: 1 } }), known: IDENTITY },
  DEADLINE_EXCEEDED: { change: () => ({ grpcListen: { host: '127.0.0.1', port: 0 } }), grpcTimeout: '1n' },
  INTERNAL: {
    change: (values) =>
      changedPolicy(values, () => ({ identify: () => Promise.reject(new Error('inside')) })),
  },
};

const deny = (name: string, expression: string): RuleDefinition => ({ name, effect: 'deny', expression });

/** Issuer blocks of the one issuer, which differ by audience. */
function issuersOf({ url }: { readonly url: string }): ConfiguredIssuer[] {
  const block = (
    name: string,
    policy: Partial<IssuerPolicyDefinition> = {},
    definition: Partial<IssuerDefinition> = {},
  ): ConfiguredIssuer => ({
    definition: {
      name,
      url,
      audiences: [name],
      isMeta: false,
      type: 'email',
      skipEmailVerification: false,
      ...definition,
    },
    policy: { ...OPEN_POLICY, ...policy },
  });
  const one = { perMinute: 0.001, burst: 1 };
  return [
    block('people', {}, { audiences: ['people', 'sigstore'] }),
    block('csr-off', { csr: false }),
    block('p384-only', { keyAlgorithms: ['ecdsa-sha2-384-nistp384'] }),
    block('users', {}, { type: 'username', subjectDomain: '127.0.0.1' }),
    block('broker', {}, { issuerClaim: '$.connector', issuerClaimValues: ['https://good.example'] }),
    block(
      'templates',
      {},
      {
        type: 'ci-provider',
        ciProvider: {
          name: 'ci',
          defaults: new Map(),
          extensionTemplates: new Map(),
          subjectTemplate: 'https://ci.example/{{ .workflow }}',
        },
      },
    ),
    block('denied', { rules: [deny('nobody', 'true')] }),
    block('not-allowed', { rules: [{ name: 'bob', effect: 'allow', expression: 'claims.email == "bob"' }] }),
    block('failing-rule', { rules: [deny('reads-what-is-not-there', 'claims.missing == "x"')] }),
    block('ruleless', { requireRules: true }),
    block('few', { issuerRateLimit: one }),
    block('few-each', { principalRateLimit: one }),
    block('once', { replayGuard: 'token' }),
  ];
}

/** Reasons that come with the second request of the same token. */
const AT_SECOND = new Set(['ISSUER_RATE_LIMITED', 'PRINCIPAL_RATE_LIMITED', 'TOKEN_REPLAYED']);

describe('server: every reason of a refusal, in the audit', () => {
  let root: string;
  let shared: { readonly service: TestService; readonly audit: AuditFile };
  let guard: ReplayGuard;
  let isGuardBroken = false;

  const openAuditFile = async (name: string) => {
    const file = { directory: join(root, name), path: join(root, name, 'audit.jsonl') };
    const audit = await openAudit(
      {
        stdout: false,
        file: { path: file.path, maxBytes: 1e9, keep: 1 },
        failClosed: true,
        refusalsPerMinute: 60,
      },
      { clock: Date.now, note: () => undefined, limits: { retryMs: 5 } },
    );
    return { file, audit };
  };
  const startAudited = async (name: string, change: Change) => {
    const { file, audit } = await openAuditFile(name);
    const service = await startTestService((values) => ({ audit, ...change(values) }));
    return { service, audit: file };
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-reasons-'));
    shared = await startAudited('shared', () => ({}));
    const { policy, issuer } = shared.service;
    const guardIn = (name: string) => openReplayGuard(join(root, name), Date.now);
    const broken = await guardIn('broken.db');
    await broken.close();
    guard = await guardIn('replay.db');
    const openGuard = () =>
      Promise.resolve({
        markUsed: (key: Uint8Array, expires: number) =>
          (isGuardBroken ? broken : guard).markUsed(key, expires),
        wasUsed: (key: Uint8Array) => (isGuardBroken ? broken : guard).wasUsed(key),
      });
    const context = {
      clock: Date.now,
      permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS,
      openReplayGuard: openGuard,
    };
    policy.replace(await compilePolicy(issuersOf(issuer), { ...context, previous: policy.current }));
  });
  after(async () => {
    await shared.service.close();
    await guard.close();
    await rm(root, { recursive: true });
  });

  const lineOf = async (path: string, requestId: string): Promise<Claims> => {
    for (;;) {
      const text = await readFile(path, 'latin1').catch(() => '');
      const line = auditLines(text).find(
        (one) => one['requestId'] === requestId && one['event'] === 'refused',
      );
      if (line !== undefined) return line;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  for (const [reason, raise] of Object.entries(REASONS_RAISED))
    it(reason, async () => {
      const own = raise.change === undefined ? undefined : await startAudited(reason, raise.change);
      const { service, audit } = own ?? shared;
      await raise.before?.(service, audit);
      const claims = { aud: raise.block ?? 'people', ...raise.claims };
      const good = await service.issuer.sign(
        { email: 'alice@example.com', email_verified: true, ...(own === undefined ? claims : raise.claims) },
        { now: Date.now() + service.skew, ...raise.sign },
      );
      const token = raise.token?.(good) ?? good;
      const body = raise.body?.(token) ?? bodyV2(token, key);
      const send = (id: string) => post(`${service.url}/api/v2/signingCert`, body, { 'x-request-id': id });
      isGuardBroken = reason === 'REPLAY_GUARD_UNAVAILABLE';
      if (AT_SECOND.has(reason)) expect((await send(`${reason}-first`)).status).to.equal(200);
      if (raise.grpcTimeout === undefined) {
        const response = await send(reason);
        const refusal = await refusalOf(response);
        expect(refusal.details[0].reason).to.equal(reason);
        expect(response.headers.has('retry-after')).to.equal([429, 503].includes(response.status));
      } else {
        const session = connectTo(service.grpcListen ?? '');
        const headers = { 'x-request-id': reason, 'grpc-timeout': raise.grpcTimeout };
        const path = '/dev.sigstore.fulcio.v2.CA/CreateSigningCertificate';
        expect(
          reasonOf(await sendOverGrpc(session, path, framed(signingMessage(token, key)), headers)),
        ).to.equal(reason);
        session.close();
      }
      await raise.after?.(service, audit);

      const line = await lineOf(audit.path, reason);
      expect(line).to.include({ event: 'refused', reason, client: '127.0.0.1' });
      expect(line['rule']).to.equal(raise.rule);
      const fixed = ['version', 'time', 'event', 'requestId', 'client', 'reason'];
      const rule = raise.rule === undefined ? [] : ['rule'];
      expect(line).to.have.all.keys(...fixed, ...rule, ...(raise.known ?? []));
      const values: Claims = {
        issuer: service.issuer.url,
        principal: raise.principal ?? 'alice@example.com',
        ...(own === undefined ? { entry: raise.block ?? 'people' } : {}),
      };
      for (const [name, value] of Object.entries(values))
        if (raise.known?.includes(name) === true) expect(line[name]).to.equal(value);
      await own?.service.close();
    });

  it('is all of them, but for those that no request can raise', () => {
    const rows = REASON_DOMAINS.flatMap(({ rows }) => Object.entries(rows));
    const raisable = rows.filter(([, { neverAnswered }]) => neverAnswered === undefined);
    expect(Object.keys(REASONS_RAISED)).to.have.members(raisable.map(([reason]) => reason));
  });
});
