import { expect } from 'chai';
import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import type { ConfiguredIssuer, IssuerPolicyDefinition } from '../../policy/issuer-policy-definition.ts';
import { compilePolicy } from '../../policy/snapshot.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../ca/signing-algorithms.ts';
import { csrOf } from '../ca/support/csr.ts';
import { testKey } from '../ca/support/keys.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  OPEN_POLICY,
  post,
  refusalOf,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

/** A door in front of the log: what comes waits there until it is opened. */
class Door {
  #open: () => void = () => undefined;
  #opened = Promise.resolve();
  #arrived: () => void = () => undefined;
  arrival = Promise.resolve();

  shut(): void {
    this.#opened = new Promise((resolve) => (this.#open = resolve));
    this.arrival = new Promise((resolve) => (this.#arrived = resolve));
  }

  async pass(): Promise<void> {
    this.#arrived();
    await this.#opened;
  }

  open(): void {
    this.#open();
  }
}

/** What a new configuration changes while a request waits for the log, and what becomes of the request. */
interface Case {
  readonly name: string;
  readonly before?: Partial<IssuerDefinition>;
  readonly after: readonly (readonly [
    definition: Partial<IssuerDefinition>,
    policy?: Partial<IssuerPolicyDefinition>,
  ])[];
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly csr?: boolean;
  readonly reason: string;
}

const ci = (san: string): Partial<IssuerDefinition> => ({
  type: 'ci-provider',
  ciProvider: {
    name: 'ci',
    defaults: new Map(),
    extensionTemplates: new Map(),
    subjectTemplate: san,
  },
});
const deny = (expression: string): Partial<IssuerPolicyDefinition> => ({
  rules: [{ name: 'no', effect: 'deny', expression }],
});
const CONNECTOR = { issuerClaim: '$.federated' };
const FEDERATED = { federated: 'https://github.example' };

const CASES: readonly Case[] = [
  { name: 'nothing that matters to it', after: [[{ description: 'new' }]], reason: '' },
  {
    name: 'a rule that denies it',
    after: [[{}, deny('claims.email == "alice@example.com"')]],
    reason: 'RULE_DENIED',
  },
  {
    name: 'a rule that cannot be decided',
    after: [[{}, deny('claims.absent == "x"')]],
    reason: 'RULE_FAILED',
  },
  {
    name: 'an issuer block of another audience with the old name and no rules',
    after: [
      [{ name: 'people', audiences: ['other'] }],
      [{ name: 'moved', audiences: ['sigstore'] }, deny('true')],
    ],
    reason: 'RULE_DENIED',
  },
  { name: 'its issuer block is gone', after: [], reason: 'ISSUER_UNKNOWN' },
  { name: 'its audience is gone', after: [[{ audiences: ['other'] }]], reason: 'AUDIENCE_MISMATCH' },
  { name: 'rules are required', after: [[{}, { requireRules: true }]], reason: 'RULES_REQUIRED' },
  {
    name: 'the issuer that the certificate would name is not allowed any more',
    before: CONNECTOR,
    claims: FEDERATED,
    after: [[{ ...CONNECTOR, issuerClaimValues: ['https://google.example'] }]],
    reason: 'ISSUER_CLAIM_REFUSED',
  },
  {
    name: 'unverified addresses are not taken any more',
    before: { skipEmailVerification: true },
    claims: { email_verified: false },
    after: [[{}]],
    reason: 'EMAIL_NOT_VERIFIED',
  },
  {
    name: 'a rule denies the name that the token has now',
    before: ci('https://ci.example/{{ .job }}'),
    claims: { job: 'bad', sub: 'alice@example.com' },
    after: [[ci('https://ci.example/v2/{{ .job }}'), deny('principal.san == "https://ci.example/v2/bad"')]],
    reason: 'RULE_DENIED',
  },
  {
    name: 'a rule denies the name that the certificate has',
    before: ci('https://ci.example/{{ .job }}'),
    claims: { job: 'bad', sub: 'alice@example.com' },
    after: [[ci('https://ci.example/v2/{{ .job }}'), deny('principal.san == "https://ci.example/bad"')]],
    reason: 'RULE_DENIED',
  },
  {
    name: 'certificate requests are not taken any more',
    csr: true,
    after: [[{}, { csr: false }]],
    reason: 'CSR_NOT_ACCEPTED',
  },
  {
    name: 'keys of its kind are not permitted any more',
    after: [[{}, { keyAlgorithms: ['ed25519'] }]],
    reason: 'ALGORITHM_NOT_PERMITTED',
  },
];

const csrBody = (token: string): Record<string, unknown> => ({
  credentials: { oidcIdentityToken: token },
  certificateSigningRequest: Buffer.from(csrOf(testKey('P-256'))).toString('base64'),
});

describe('server: a request that waits for the log while the configuration changes', () => {
  const door = new Door();
  let service: TestService;
  before(async () => {
    service = await startTestService(({ log }) => ({
      log: {
        ...log,
        append: async (entry) => {
          await door.pass();
          return log.append(entry);
        },
      },
    }));
  });
  after(() => service.close());

  const issuerWith = (
    definition: Partial<IssuerDefinition> = {},
    policy: Partial<IssuerPolicyDefinition> = {},
  ): ConfiguredIssuer => ({
    definition: {
      name: 'people',
      url: service.issuer.url,
      audiences: ['sigstore'],
      isMeta: false,
      type: 'email',
      skipEmailVerification: false,
      ...definition,
    },
    policy: { ...OPEN_POLICY, ...policy },
  });

  async function load(issuers: readonly ConfiguredIssuer[]): Promise<void> {
    const { current: previous } = service.policy;
    const permittedAlgorithms = DEFAULT_SIGNING_ALGORITHMS;
    service.policy.replace(await compilePolicy(issuers, { clock: Date.now, permittedAlgorithms, previous }));
  }

  for (const { name, before: first, after: then, claims, csr, reason } of CASES) {
    it(`${reason === '' ? 'gets' : 'does not get'} its certificate: ${name}`, async () => {
      await load([issuerWith(first)]);
      const token = await emailToken(service, claims);
      const body = csr === true ? csrBody(token) : bodyV2(token, clientKey());
      door.shut();
      const answer = post(`${service.url}/api/v2/signingCert`, body);
      await Promise.race([door.arrival, answer]);
      await load(then.map(([definition, policy]) => issuerWith(definition, policy)));
      door.open();
      const response = await answer;
      const found = response.status === 200 ? '' : (await refusalOf(response)).details[0].reason;
      expect(found).to.equal(reason);
      if (reason !== '') expect(service.lines.at(-1)).to.include({ event: 'refused', reason });
    });
  }
});
