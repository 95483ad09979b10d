/**
 * The same tokens to a real Fulcio v1.8.8 and to Mayfly, on the same configuration: status, message, name, every
 * extension, validity and key usages must be the same, but for what `accepted-differences.ts` explains. Needs Go, or the
 * program that Go has built before: `npm run test:differential`.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { expect } from 'chai';
import { findFulcio, FULCIO_VERSION } from '../../bench/fulcio-program.ts';
import { ACCEPTED_DIFFERENCES } from './accepted-differences.ts';
import { startBothServices, type Answers, type BothServices, type SigningCall } from './both-services.ts';
import { deprecatedCases } from './cases/deprecated.ts';
import { peopleCases } from './cases/people.ts';
import { providerCases } from './cases/providers.ts';
import { publicGoodCases } from './cases/public-good.ts';
import { ADDRESS, headerCases, requestCases } from './cases/requests.ts';
import { tokenCases } from './cases/tokens.ts';
import { workloadCases } from './cases/workloads.ts';
import { configuration, ENTRIES } from './configuration.ts';
import type { DifferentialCase } from './differential-case.ts';
import { startManyIssuers, type ManyIssuers } from './many-issuers.ts';
import { mismatches } from './outcome.ts';
import { skipUnless } from '../support/skipped.ts';

const GROUPS: Readonly<Record<string, readonly DifferentialCase[]>> = {
  'on tokens as such': tokenCases,
  'on people': peopleCases,
  'on workloads': workloadCases,
  'on the CI types that Fulcio has built in': deprecatedCases,
  'on CI providers': providerCases,
  'on the issuers of the public-good configuration': publicGoodCases,
};

// The suite asks for one identity more often than a person would.
const OURS = 'mayfly:\n  rate-limit: {principal: off}\n';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();

/** What a client of the issuer's type signs: the address for e-mail, else the subject. */
function challengeOf({ issuer, claims = {}, challenge }: DifferentialCase): string {
  if (challenge !== undefined) return challenge;
  const type = ENTRIES[issuer]?.['type'];
  const { email, sub } = claims;
  const signed = type === 'email' ? email : type === 'chainguard-identity' ? (email ?? sub) : sub;
  return typeof signed === 'string' ? signed : '';
}

function keyRequest(row: DifferentialCase): Record<string, unknown> {
  const proofOfPossession = sign('sha256', Buffer.from(challengeOf(row)), privateKey).toString('base64');
  return { publicKeyRequest: { publicKey: { algorithm: 'ECDSA', content: pem }, proofOfPossession } };
}

describe(`Fulcio ${FULCIO_VERSION} and Mayfly agree`, () => {
  let issuers: ManyIssuers;
  let services: BothServices | undefined;
  const explained = new Set<string>();

  before(async function () {
    this.timeout(600_000);
    const program = findFulcio((text) => {
      console.error(`  ${text}`);
    });
    skipUnless(this, program !== undefined, 'there is neither Fulcio nor Go here');
    issuers = await startManyIssuers();
    services = await startBothServices(program, configuration(issuers.url), OURS, issuers.proxy);
  });

  after(async () => {
    if (services === undefined) return;
    await services.close();
    await issuers.close();
  });

  const call = (request: SigningCall): Promise<Answers> => {
    if (services === undefined) throw new Error('the services are not running');
    return services.ask(request);
  };
  const ask = (token: string, request: Readonly<Record<string, unknown>>): Promise<Answers> =>
    call({ path: 'v2', body: { credentials: { oidcIdentityToken: token }, ...request } });

  function compare(answers: Answers, differs: DifferentialCase['differs']): void {
    if (differs === undefined) {
      expect(answers.mayfly).to.deep.equal(answers.fulcio);
      return;
    }
    const [id, expected] = differs;
    explained.add(id);
    expect(mismatches(answers.fulcio, expected.fulcio), 'Fulcio').to.deep.equal([]);
    expect(mismatches(answers.mayfly, expected.mayfly), 'Mayfly').to.deep.equal([]);
    expect(answers.mayfly, 'this does not differ any more').to.not.deep.equal(answers.fulcio);
  }

  for (const [group, cases] of Object.entries(GROUPS)) {
    describe(group, () => {
      for (const row of cases) {
        it(`${row.issuer}: ${row.title}`, async () => {
          const answers = await ask(issuers.token(row.issuer, row), keyRequest(row));
          if (row.issued === true) expect(answers.fulcio.status).to.equal(200);
          compare(answers, row.differs);
        });
      }
    });
  }

  describe('on keys', () => {
    for (const { title, body, differs } of requestCases) {
      it(title, async () => {
        const claims = { email: ADDRESS, email_verified: true };
        compare(await ask(issuers.token('email', { claims }), body()), differs);
      });
    }
  });

  describe('on where the token stands', () => {
    for (const { title, request } of headerCases) {
      it(title, async () => {
        const claims = { email: ADDRESS, email_verified: true };
        compare(await call(request(issuers.token('email', { claims }))), undefined);
      });
    }
  });

  describe('on what they say of themselves', () => {
    it('in the configuration', async () => {
      const [theirs, ours] = await Promise.all([configurationOf('fulcio'), configurationOf('mayfly')]);
      expect(ours).to.deep.equal(theirs);
      expect(theirs).to.have.length.greaterThan(30);
    });
  });

  async function configurationOf(name: 'fulcio' | 'mayfly'): Promise<string[]> {
    const response = await fetch(`${services?.urls[name] ?? ''}/api/v2/configuration`);
    const { issuers: list } = (await response.json()) as { issuers: Record<string, unknown>[] };
    // Fulcio's order is random.
    return list.map((entry) => JSON.stringify(Object.entries(entry).sort())).sort();
  }

  describe('but for the table of differences', () => {
    it('of which each row is met', () => {
      expect([...explained].sort()).to.deep.equal(Object.keys(ACCEPTED_DIFFERENCES).sort());
    });
  });
});
