/** Chains of other CAs: what the log takes, and the reason for which it refuses the rest. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import * as x509 from '../../../ca/x509.ts';
import { concat, toHex } from '../../../core/bytes.ts';
import { findExtension, parseCertificate, parseTbsCertificate } from '../../../core/certificate.ts';
import { octetString, sequence } from '../../../core/der-writer.ts';
import { POISON_OID, SCT_LIST_OID } from '../../../ct-log/format/sct.ts';
import { loggedTbs } from '../../../ct-log/logged-tbs.ts';
import { SubmissionError } from '../../../ct-log/submission/submission-error.ts';
import { SubmittedChains, type SubmissionRules } from '../../../ct-log/submission/submitted-chain.ts';
import { derOf, outsideCa, POISON, type OutsideCa } from '../support/outside-ca.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('ct-log/submission/submitted-chain', () => {
  let ca: OutsideCa;
  let other: OutsideCa;
  let rules: SubmissionRules;
  let issuing: Uint8Array;
  let root: Uint8Array;

  before(async () => {
    [ca, other] = await Promise.all([outsideCa(), outsideCa('Elsewhere')]);
    [issuing, root] = [derOf(ca.issuing), derOf(ca.root)];
    rules = { roots: [parseCertificate(root)], usages: new Set([CODE_SIGNING]), ownKeys: new Set() };
  });

  type Kind = Parameters<SubmittedChains['read']>[0];
  const read = (kind: Kind, chain: readonly Uint8Array[], over: Partial<SubmissionRules> = {}) =>
    new SubmittedChains({ ...rules, ...over }).read(kind, chain);
  const reason = (kind: Kind, chain: readonly Uint8Array[], over: Partial<SubmissionRules> = {}): string => {
    try {
      read(kind, chain, over);
    } catch (error) {
      if (!(error instanceof SubmissionError)) throw error;
      expect(error.hint).to.be.a('string');
      return `${error.code}: ${error.message}`;
    }
    return 'taken';
  };

  it('takes a certificate with its chain, and puts back a root that was left out', async () => {
    const leaf = await ca.certificate();
    const [short, long] = [read('certificate', [leaf, issuing]), read('certificate', [leaf, issuing, root])];
    expect(short.entry).to.deep.equal(long.entry);
    expect(toHex(short.entry.chainFingerprints)).to.equal(sha256(issuing) + sha256(root));
    expect(short.issuers.map(toHex)).to.deep.equal([toHex(issuing), toHex(root)]);
  });

  it('logs of a precertificate what its certificate will have without SCTs, and the key of who issues it', async () => {
    const precertificate = await ca.precertificate();
    const { entry, identity } = read('precertificate', [precertificate, issuing]);
    if (!('tbs' in entry)) throw new Error('it is an entry of a precertificate');
    expect(toHex(entry.tbs)).to.equal(toHex(loggedTbs(precertificate)));
    expect(findExtension(parseTbsCertificate(entry.tbs), POISON_OID)).to.equal(undefined);
    expect(toHex(entry.issuerKeyHash)).to.equal(sha256(parseCertificate(issuing).spki));
    const again = read('precertificate', [precertificate, issuing, root]);
    expect(toHex(again.identity)).to.equal(toHex(identity));
    expect(toHex(read('precertificate', [await ca.precertificate(), issuing]).identity)).not.to.equal(
      toHex(identity),
    );
  });

  it('takes a precertificate in the name of the CA above a signer of precertificates', async () => {
    const by = ca.precertificateSigner;
    const precertificate = await ca.precertificate({ by, serial: '0102030405' });
    const { entry } = read('precertificate', [precertificate, derOf(by), issuing, root]);
    if (!('tbs' in entry)) throw new Error('it is an entry of a precertificate');
    const logged = parseTbsCertificate(entry.tbs);
    expect(toHex(logged.issuer)).to.equal(toHex(parseCertificate(issuing).subject));
    expect(toHex(entry.issuerKeyHash)).to.equal(sha256(parseCertificate(issuing).spki));
    const keyId = (extensions: Parameters<typeof findExtension>[0]): string =>
      toHex(findExtension(extensions, '2.5.29.35')?.value ?? new Uint8Array());
    expect(keyId(logged)).to.equal(keyId(parseCertificate(derOf(by))));
    expect(reason('precertificate', [precertificate, derOf(by)])).to.match(/^SUBMISSION_ROOT_UNKNOWN/);
    // It is for precertificates alone.
    expect(reason('certificate', [await ca.certificate({ by }), derOf(by), issuing])).to.match(
      /^SUBMISSION_USAGE/,
    );
  });

  it('takes what has ended: a log holds what was issued', async () => {
    const ended = await ca.certificate({ notAfter: Date.now() - 400 * 24 * 3600 * 1000 });
    expect(reason('certificate', [ended, issuing])).to.equal('taken');
  });

  it('refuses what is not in order, not signed, or leads elsewhere', async () => {
    const leaf = await ca.certificate();
    const foreign = await other.certificate();
    const [otherIssuing, otherRoot] = [derOf(other.issuing), derOf(other.root)];
    const namesake = await outsideCa();
    const rows: readonly (readonly [readonly Uint8Array[], RegExp])[] = [
      [[], /^SUBMISSION_MALFORMED: the chain is empty/],
      [[leaf], /^SUBMISSION_ROOT_UNKNOWN/],
      [[leaf, root, issuing], /^SUBMISSION_CHAIN/],
      [[issuing, leaf, root], /^SUBMISSION_CHAIN/],
      [[leaf, issuing, root, root], /^SUBMISSION_CHAIN: certificates follow the root/],
      [[root], /^SUBMISSION_CHAIN: a root is no certificate/],
      [[foreign, otherIssuing, otherRoot], /^SUBMISSION_ROOT_UNKNOWN/],
      [
        [leaf, otherIssuing],
        /^SUBMISSION_CHAIN: "CN=Issuing, O=Outside" issued a certificate, and "CN=Issuing, O=Elsewhere"/,
      ],
      [[leaf, derOf(namesake.issuing), root], /^SUBMISSION_CHAIN: the signature/],
      [[await namesake.certificate(), derOf(namesake.issuing)], /^SUBMISSION_ROOT_UNKNOWN/],
      [Array.from({ length: 9 }, () => issuing), /^SUBMISSION_TOO_LARGE: the chain has more than 8/],
    ];
    for (const [chain, wanted] of rows) expect(reason('certificate', chain)).to.match(wanted);
  });

  it('uses no key, however a chain is made, that no root vouches for', async () => {
    const foreign = Uint8Array.from(await other.certificate());
    // Its signature does not hold, which nobody has to find out.
    foreign[foreign.length - 1] = (foreign.at(-1) ?? 0) ^ 1;
    const chain = [foreign, derOf(other.issuing), derOf(other.root)];
    expect(reason('certificate', chain)).to.match(/^SUBMISSION_ROOT_UNKNOWN/);
    // Who has a certificate of such a CA is no CA.
    const { keys } = ca.precertificateSigner;
    const raw = Uint8Array.from(await ca.certificate({ keys }));
    const child = Uint8Array.from(
      await ca.certificate({ by: { certificate: new x509.X509Certificate(raw), keys } }),
    );
    child[child.length - 1] = (child.at(-1) ?? 0) ^ 1;
    expect(reason('certificate', [child, raw, issuing])).to.match(/^SUBMISSION_CHAIN: .* is no CA/);
  });

  it('refuses a certificate above that is no CA, or allows none below it', async () => {
    const below = await ca.authority('Below', ca.issuing, [
      new x509.ExtendedKeyUsageExtension([CODE_SIGNING]),
    ]);
    expect(reason('certificate', [await ca.certificate({ by: below }), derOf(below), issuing])).to.equal(
      'taken',
    );
    const deeper = await ca.authority('Deeper', below, [new x509.ExtendedKeyUsageExtension([CODE_SIGNING])]);
    const chain = [await ca.certificate({ by: deeper }), derOf(deeper), derOf(below), issuing];
    expect(reason('certificate', chain)).to.match(/^SUBMISSION_CHAIN: "CN=Root, O=Outside" allows fewer CAs/);
    for (const extensions of [[], [new x509.BasicConstraintsExtension(false)]]) {
      const { keys } = ca.root;
      const raw = Uint8Array.from(
        await ca.certificate({ keys, extensions, keyUsage: x509.KeyUsageFlags.keyCertSign }),
      );
      const noCa = { certificate: new x509.X509Certificate(raw), keys };
      const child = await ca.certificate({ by: noCa });
      expect(reason('certificate', [child, raw, issuing])).to.match(/^SUBMISSION_CHAIN: .* is no CA/);
    }
  });

  it('holds each call to its kind, and the poison to its form', async () => {
    const rows: readonly (readonly [Kind, Uint8Array, RegExp])[] = [
      ['certificate', await ca.precertificate(), /^SUBMISSION_TYPE: this is a precertificate/],
      ['precertificate', await ca.certificate(), /^SUBMISSION_TYPE: this is no precertificate/],
      [
        'precertificate',
        await ca.certificate({ extensions: [new x509.Extension(POISON_OID, false, Uint8Array.of(5, 0))] }),
        /^SUBMISSION_TYPE: the poison extension/,
      ],
      [
        'precertificate',
        await ca.certificate({ extensions: [new x509.Extension(POISON_OID, true, Uint8Array.of(4, 0))] }),
        /^SUBMISSION_TYPE: the poison extension/,
      ],
      [
        'precertificate',
        await ca.certificate({
          extensions: [new x509.Extension(SCT_LIST_OID, false, Uint8Array.of(4, 0)), POISON],
        }),
        /^SUBMISSION_TYPE: a precertificate has SCTs/,
      ],
      ['precertificate', await ca.certificate({ extensions: [POISON, POISON] }), /^SUBMISSION_MALFORMED/],
    ];
    for (const [kind, leaf, wanted] of rows) expect(reason(kind, [leaf, issuing])).to.match(wanted);
    const poisoned = await ca.authority('Poisoned', ca.root, [
      new x509.ExtendedKeyUsageExtension([CODE_SIGNING]),
      POISON,
    ]);
    const leaf = await ca.certificate({ by: poisoned });
    expect(reason('certificate', [leaf, derOf(poisoned)])).to.match(
      /^SUBMISSION_CHAIN: .* is a precertificate/,
    );
  });

  it('holds certificates and CAs to the uses that it takes', async () => {
    const forServers = await ca.certificate({ usages: [SERVER_AUTH] });
    const forAll = await ca.certificate({ usages: [] });
    expect(reason('certificate', [forServers, issuing])).to.match(/^SUBMISSION_USAGE/);
    expect(reason('certificate', [forAll, issuing])).to.match(/^SUBMISSION_USAGE/);
    const tls = await ca.authority('TLS', ca.root, [new x509.ExtendedKeyUsageExtension([SERVER_AUTH])]);
    const strayed = await ca.certificate({ by: tls });
    expect(reason('certificate', [strayed, derOf(tls)])).to.match(/^SUBMISSION_USAGE: "CN=TLS, O=Outside"/);
    for (const chain of [
      [forServers, issuing],
      [forAll, issuing],
      [strayed, derOf(tls)],
    ])
      expect(reason('certificate', chain, { usages: undefined })).to.equal('taken');
    expect(reason('certificate', [forServers, derOf(tls)], { usages: new Set([SERVER_AUTH]) })).not.to.equal(
      'taken',
    );
  });

  it('takes nothing of its own CA, which logs what it issues', async () => {
    const ownKeys = new Set([sha256(parseCertificate(issuing).spki)]);
    expect(reason('certificate', [await ca.certificate(), issuing], { ownKeys })).to.match(/^SUBMISSION_OWN/);
    const by = ca.precertificateSigner;
    const chain = [await ca.precertificate({ by }), derOf(by), issuing];
    expect(reason('precertificate', chain, { ownKeys })).to.match(/^SUBMISSION_OWN/);
  });

  it('bounds size and depth before it reads', async () => {
    let nested: Uint8Array = new Uint8Array();
    for (let i = 0; i < 30; i++) nested = sequence(nested);
    const leaf = await ca.certificate();
    expect(reason('certificate', [nested, issuing])).to.match(/^SUBMISSION_TOO_LARGE: .* nested deeper/);
    const wide = sequence(concat(Array.from({ length: 5000 }, () => Uint8Array.of(5, 0))));
    expect(reason('certificate', [wide, issuing])).to.match(
      /^SUBMISSION_TOO_LARGE: .* more than 4096 values/,
    );
    const long = octetString(new Uint8Array(33 * 1024));
    expect(reason('certificate', [long, issuing])).to.match(/^SUBMISSION_TOO_LARGE: .* 32 KiB/);
    expect(reason('certificate', [leaf.subarray(1), issuing])).to.match(/^SUBMISSION_MALFORMED/);
  });

  it('refuses any other bytes with an error of its own, and a changed certificate always', async () => {
    const leaf = await ca.precertificate();
    fc.assert(
      fc.property(fc.nat(leaf.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = leaf.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(reason('precertificate', [changed, issuing])).to.match(/^SUBMISSION_/);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), (chain) => {
        expect(reason('certificate', chain)).to.match(/^SUBMISSION_/);
      }),
    );
  });
});
