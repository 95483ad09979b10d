import { expect } from 'chai';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import * as der from '../../../core/der-writer.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import type { TrustedRoot } from '../../../trust/format/trusted-root.ts';
import type { BundleCrypto } from '../../../verify/bundle/artifact.ts';
import { trustOf } from '../../../verify/bundle/bundle-trust.ts';
import { MAX_SIGNATURE_CHECKS } from '../../../verify/bundle/signature-budget.ts';
import { caNode } from '../../ca/support/ca-certificates.ts';
import { certificateOf, extension, KEYS, T0, usage, type Plan } from '../../support/verify-world.ts';
import {
  certificateId,
  genTime,
  GOOD_LEAF,
  signingCertificate,
  tokenOf,
  trusted,
  type TokenParts,
} from '../support/timestamp-world.ts';
import { messageBundle, SIGNED_AT, signatureIn, verified, WORLD } from './support/bundle-world.ts';

const { trustedRoot } = WORLD;
const good = messageBundle();
const [entry] = good.entries;
const [timestamp] = good.timestamps;

/** A verdict, and how many signatures were checked for it. */
async function costOf(
  bundle: Parameters<typeof verified>[0],
  root: TrustedRoot = trustedRoot,
): Promise<{ verdict: string; checks: number; skipped: readonly string[] }> {
  let checks = 0;
  const crypto: BundleCrypto = {
    ...platformCrypto,
    verify: (...args) => {
      checks++;
      return platformCrypto.verify(...args);
    },
  };
  const trust = trustOf(root, crypto);
  await trust.certificates();
  checks = 0;
  const { ok, steps, skipped } = await verified(bundle, { trust });
  const failed = steps.filter((step) => !step.ok).map(({ name, detail }) => `${name}: ${detail}`);
  return { verdict: ok ? 'ok' : failed.join(' | '), checks, skipped: skipped.map(({ name }) => name) };
}

/** A timestamp over the good signature by somebody whom nobody trusts. */
const root = await caNode({ name: 'root of nobody' });
const nobody = { root, leaf: await caNode({ ...GOOD_LEAF, parent: root }) };
const unknown = (parts: TokenParts): Uint8Array =>
  tokenOf(nobody, { message: signatureIn(good), time: genTime(SIGNED_AT), ...parts });

/** With authorities of which CAs alone are trusted, so that any certificate in a token may be theirs. */
const withOpen = (count: number): TrustedRoot => ({
  ...trustedRoot,
  timestampAuthorities: [
    ...trustedRoot.timestampAuthorities,
    ...Array.from({ length: count }, () => trusted([root], { start: T0 - 1000 })),
  ],
});

/** Certificates of one name, that differ in a number. */
const namesakes = (count: number, plan: Pick<Plan, 'subject' | 'issuer'>): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    certificateOf({
      ...plan,
      key: KEYS.leaf,
      signer: KEYS.other,
      notBefore: T0,
      notAfter: T0 + 600_000,
      extensions: {
        ku: usage('07 80'),
        eku: extension('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.8')), true),
        number: extension('1.2.3.4', Uint8Array.of(i)),
      },
    }),
  );

const nameOf = (text: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(text))));

describe('verify/bundle: the signatures that are checked for a bundle', () => {
  it('are few for a usual one, and few enough for one with as much as it may hold', async () => {
    const usual = await costOf(good);
    expect(usual.verdict).to.equal('ok');
    expect(usual.checks).to.be.within(7, 12);
    if (entry === undefined || timestamp === undefined) throw new Error('not good');
    const full = messageBundle({
      entries: Array.from({ length: 32 }, () => entry),
      timestamps: Array.from({ length: 32 }, () => timestamp),
    });
    const { verdict, checks } = await costOf(full);
    expect(verdict).to.equal('ok');
    expect(checks).to.be.below(MAX_SIGNATURE_CHECKS / 2);
  });

  it('are not more for certificates of one name and number in a timestamp, or for copies of one', async () => {
    const usual = await costOf(good);
    const name = nameOf('unknown');
    const signerId = der.sequence(
      name,
      der.unsignedInteger(
        parseCertificate(namesakes(1, { subject: name, issuer: name })[0] ?? new Uint8Array()).serial,
      ),
    );
    const many = unknown({ certificates: namesakes(10, { subject: name, issuer: name }), signerId });
    const rows = await costOf(
      messageBundle({ timestamps: [...good.timestamps, ...Array.from({ length: 31 }, () => many)] }),
      withOpen(4),
    );
    expect(rows).to.deep.include({ verdict: 'ok', checks: usual.checks });
    const copies = unknown({
      certificates: Array.from({ length: 10 }, () => nobody.leaf.der),
      time: genTime(0),
    });
    const once = unknown({ certificates: [nobody.leaf.der], time: genTime(0) });
    const [a, b] = await Promise.all(
      [once, copies].map((one) =>
        costOf(messageBundle({ timestamps: [...good.timestamps, one] }), withOpen(1)),
      ),
    );
    expect(a?.checks).to.equal(b?.checks);
  });

  it('end with the verification, whatever else is right', async () => {
    const issuer = nameOf('many');
    const [own = new Uint8Array()] = namesakes(1, { subject: nameOf('one'), issuer });
    const signerId = der.sequence(issuer, der.unsignedInteger(parseCertificate(own).serial));
    const above = namesakes(9, { subject: issuer, issuer: nameOf('nobody') });
    const costly = unknown({
      certificates: [own, ...above],
      signerId,
      attributes: (usual) => [...usual.slice(0, 2), signingCertificate(certificateId(own))],
    });
    const few = await costOf(messageBundle({ timestamps: [...good.timestamps, costly] }), withOpen(1));
    expect(few.verdict).to.equal('ok');
    expect(few.checks).to.be.above(15);
    const many = Array.from({ length: 31 }, () => costly);
    const { verdict, checks, skipped } = await costOf(
      messageBundle({ timestamps: [...good.timestamps, ...many] }),
      withOpen(2),
    );
    expect(verdict).to.match(/^timestamp: more than 400 signatures would have to be checked for the bundle/);
    expect(checks).to.equal(MAX_SIGNATURE_CHECKS);
    expect(skipped).to.include.members(['time', 'chain', 'identity', 'issuer']);
  });
});
