import { expect } from 'chai';
import { sign } from 'node:crypto';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { toHex, utf8 } from '../../core/bytes.ts';
import { requireSignedBy, type DenyList, type DenyRule } from '../../verify/deny-list.ts';
import { anything } from '../../verify/identity-policy.ts';
import { verifyCertificate, type Verification } from '../../verify/verify-certificate.ts';
import { VerifyError } from '../../verify/verify-error.ts';
import { sha256 } from '../support/parsers.ts';
import {
  altName,
  IDENTITY,
  ISSUER,
  KEYS,
  makeWorld,
  T0,
  withExtensions,
  type Bend,
} from '../support/verify-world.ts';
import { failureOf } from '../support/failure.ts';

/** The certificate of the tests is dated at T0, and its SCT a quarter of a second later. */
const LOGGED = T0 + 250;
const BOTH = { identity: anything, issuer: anything };
const keyHash = ({ spki }: { readonly spki: Uint8Array }): string => toHex(sha256(spki));

const judged = (list: DenyList, bend: Bend = {}, now = T0): Promise<Verification> =>
  verifyCertificate({ ...makeWorld(bend), policy: BOTH, crypto: platformCrypto, deny: { list, now } });

async function isDenied(rule: Omit<DenyRule, 'reason'>, bend: Bend = {}): Promise<boolean> {
  const { ok, steps } = await judged({ expires: T0, rules: [{ reason: 'why', ...rule }] }, bend);
  const step = steps.find(({ name }) => name === 'deny');
  expect(step?.ok, 'everything else is right').to.equal(ok);
  return !ok;
}

/** What a rule says, and whether it means the certificate. */
const ROWS: readonly (readonly [what: string, rule: Omit<DenyRule, 'reason'>, denied: boolean])[] = [
  ['its serial', { serial: '2a' }, true],
  ['another serial', { serial: '2b' }, false],
  ['a serial that begins with its own', { serial: '2a0' }, false],
  ['its name', { identity: IDENTITY }, true],
  ['its name in other case', { identity: 'ALICE@Example.COM' }, true],
  ['another name', { identity: 'bob@example.com' }, false],
  ['a part of its name', { identity: 'alice@' }, false],
  ['the beginning of its name', { identityPrefix: 'Alice@' }, true],
  ['the whole name as a beginning', { identityPrefix: IDENTITY }, true],
  ['more than its name as a beginning', { identityPrefix: `${IDENTITY}.evil` }, false],
  ['the end of its name as a beginning', { identityPrefix: '@example.com' }, false],
  ['its issuer', { issuer: ISSUER }, true],
  ['its issuer in other case', { issuer: ISSUER.toUpperCase() }, true],
  ['the beginning of its issuer', { issuer: ISSUER.slice(0, -1) }, false],
  ['the key of its issuing CA', { caKeySha256: keyHash(KEYS.intermediate) }, true],
  ['the key of its root', { caKeySha256: keyHash(KEYS.root) }, true],
  ['its own key', { caKeySha256: keyHash(KEYS.leaf) }, false],
  ['all times from the one it was logged at', { from: LOGGED }, true],
  ['all times after that', { from: LOGGED + 1 }, false],
  ['all times until the one it is dated at', { until: T0 }, true],
  ['all times before that', { until: T0 - 1 }, false],
  ['a time between dating and logging', { from: T0 + 100, until: T0 + 101 }, true],
  ['a span around it', { from: T0 - 1000, until: T0 + 1000 }, true],
  ['a span before', { from: T0 - 1000, until: T0 - 1 }, false],
  ['a span after', { from: LOGGED + 1, until: T0 + 1000 }, false],
  ['all of it', { serial: '2a', identity: IDENTITY, issuer: ISSUER, from: T0, until: T0 }, true],
  [
    'all of it but the serial',
    { serial: '2b', identity: IDENTITY, issuer: ISSUER, from: T0, until: T0 },
    false,
  ],
  ['all of it but the name', { serial: '2a', identity: 'bob', issuer: ISSUER, from: T0, until: T0 }, false],
  ['all of it but the issuer', { serial: '2a', identity: IDENTITY, issuer: 'x', from: T0, until: T0 }, false],
  ['all of it but the time', { serial: '2a', identity: IDENTITY, issuer: ISSUER, until: T0 - 1 }, false],
];

describe('verify/deny-list', () => {
  for (const [what, rule, denied] of ROWS)
    it(`${denied ? 'denies' : 'does not deny'} a certificate by a rule about ${what}`, async () => {
      expect(await isDenied(rule)).to.equal(denied);
    });

  it('denies by any of the rules, and says which and why, in harmless characters', async () => {
    const rules = [
      { reason: 'not this one', serial: '1' },
      { reason: 'stolen\u001b[2J', issuer: ISSUER },
      { reason: 'later', identity: IDENTITY },
    ];
    const { steps } = await judged({ expires: T0, rules });
    const detail = steps.find(({ name }) => name === 'deny')?.detail;
    expect(detail).to.equal('rule 2 of the deny list denies it: stolen\\u{1b}[2J');
  });

  it('says how much it asked where nothing is denied', async () => {
    const { ok, steps } = await judged({ expires: T0, rules: [] });
    expect(ok).to.equal(true);
    expect(steps.at(-2)).to.deep.equal({
      name: 'deny',
      ok: true,
      detail: 'none of 0 rules, good until 2026-11-22T10:00:00Z',
    });
  });

  it('judges nothing with a list that has expired', async () => {
    expect((await judged({ expires: T0, rules: [] }, {}, T0)).ok).to.equal(true);
    const error: unknown = await failureOf(judged({ expires: T0, rules: [] }, {}, T0 + 1));
    expect(error).to.be.instanceOf(VerifyError).with.property('code', 'BAD_DENY_LIST');
  });

  it('is signed by the key that is given, and by no other, over these very bytes', async () => {
    const list = utf8('the list');
    for (const key of [KEYS.leaf, KEYS.rsa, KEYS.ed25519]) {
      const signature = sign(key.hash, list, key.privateKey);
      await requireSignedBy(key.spki, list, signature, platformCrypto);
      for (const [spki, bytes] of [
        [key.spki, utf8('The list')],
        [KEYS.other.spki, list],
      ] as const) {
        const error: unknown = await failureOf(requireSignedBy(spki, bytes, signature, platformCrypto));
        expect(error).to.be.instanceOf(VerifyError).with.property('code', 'BAD_DENY_LIST');
      }
    }
  });

  it('compares user names and URIs as well, and every script without regard to case', async () => {
    const named = (type: 'uri' | 'username', value: string): Bend => ({
      leaf: (plan) => withExtensions(plan, { san: altName({ type, value }) }),
    });
    expect(
      await isDenied(
        { identityPrefix: 'https://github.com/ACME/' },
        named('uri', 'https://github.com/acme/app'),
      ),
    ).to.equal(true);
    expect(await isDenied({ identity: 'ÄNNE!example.com' }, named('username', 'änne!example.com'))).to.equal(
      true,
    );
  });
});
