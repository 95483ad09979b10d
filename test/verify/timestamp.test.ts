import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { initializeTSA } from '@sigstore/mock';
import { expect } from 'chai';
import * as x509 from '../../ca/x509.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { fromBase64, fromHex, utf8 } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { contextTag, Tag } from '../../core/der-tag.ts';
import { explicit, octetString, oid, sequence, set, tlv, unsignedInteger } from '../../core/der-writer.ts';
import { printable } from '../../core/printable.ts';
import { isWithin, parseTrustedRoot, type TrustedAuthority } from '../../trust/format/trusted-root.ts';
import {
  SIGNING_CERTIFICATE,
  SIGNING_CERTIFICATE_V2,
  SIGSTORE_POLICY,
} from '../../tsa/format/object-identifiers.ts';
import { parseTimestampRequest } from '../../tsa/timestamp-request.ts';
import { rejectedResponse } from '../../tsa/token-template.ts';
import { verifyTimestamp, type TimestampVerification } from '../../verify/timestamp.ts';
import { caNode, type CaOptions } from '../ca/support/ca-certificates.ts';
import { NOW } from '../ca/support/authority.ts';
import { hasOpenssl, openssl } from '../ca/support/openssl.ts';
import { runs } from '../support/runs.ts';
import { skipUnless } from '../support/skipped.ts';
import { vectorPath } from '../support/vectors.ts';
import {
  requestFor,
  testTimestampAuthority,
  timestampChain,
  WITH_CERTIFICATE,
} from '../tsa/support/test-authority.ts';
import {
  attribute,
  certificateId,
  genTime,
  GOOD_LEAF,
  judge,
  MESSAGE,
  signingCertificate,
  timestampNodes,
  tokenOf,
  trusted,
  verdictOf,
  type TestAuthorityChain,
  type TokenParts,
} from './support/timestamp-world.ts';

const SECOND = Math.floor(NOW / 1000) * 1000;
const DAY = 86_400_000;
const { timeStamping, codeSigning } = x509.ExtendedKeyUsage;
/** The refusal of a timestamp after the window of its authority. */
const ENDED = /^authority: .*"CN=time" is trusted .* until/;
const certificatesOf = (...nodes: readonly { readonly der: Uint8Array }[]): TokenParts => ({
  certificates: nodes.map(({ der }) => der),
});

describe('verify/timestamp', () => {
  let made: TestAuthorityChain;
  let authority: TrustedAuthority;
  before(async () => {
    made = await timestampNodes();
    authority = trusted([made.leaf, made.root]);
  });

  const verdict = async (
    parts: TokenParts,
    authorities: readonly TrustedAuthority[] = [authority],
  ): Promise<string> => verdictOf(await judge(tokenOf(made, parts), authorities));

  it('says when the bytes were there, by whose word', async () => {
    const { ok, time, chain, steps } = await judge(tokenOf(made), [authority]);
    expect([ok, time]).to.deep.equal([true, SECOND]);
    expect(chain).to.deep.equal([made.leaf.der, made.root.der]);
    expect(steps.map(({ name }) => name)).to.deep.equal([
      'token',
      'imprint',
      'authority',
      'chain',
      'signature',
    ]);
  });

  describe('tokens of others', () => {
    const vectors = JSON.parse(readFileSync(vectorPath('sigstore-timestamps.json'), 'utf8')) as {
      authorities: Record<string, unknown>;
      cases: { name: string; timestamp: string; message: string; trust: string; expect: string }[];
    };
    for (const { name, timestamp, message, trust, expect: expected } of vectors.cases)
      it(`of Sigstore's conformance suite: ${name}`, async () => {
        const { timestampAuthorities: authorities } = parseTrustedRoot(
          JSON.stringify({
            mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
            tlogs: [],
            certificateAuthorities: [],
            ctlogs: [],
            timestampAuthorities: vectors.authorities[trust],
          }),
        );
        const { ok, steps } = await verifyTimestamp({
          timestamp: fromBase64(timestamp),
          digestOf: (hash) => createHash(hash).update(fromBase64(message)).digest(),
          authorities,
          crypto: platformCrypto,
        });
        const failed = steps.filter((step) => !step.ok).map((step) => step.name);
        expect(ok ? 'ok' : failed.join(' ')).to.equal(expected);
      });

    for (const keyType of ['p256', 'p384', 'rsa3072'] as const)
      for (const hash of ['sha256', 'sha384', 'sha512'] as const)
        it(`of our own authority: ${keyType}, ${hash}`, async function () {
          this.timeout(20_000);
          const own = await timestampChain(keyType, NOW);
          const tsa = await testTimestampAuthority(() => NOW, own);
          const { response } = await tsa.grant(
            parseTimestampRequest(requestFor(MESSAGE, { hash, rest: [WITH_CERTIFICATE] })),
          );
          const trust = trusted(own.chain.map((der) => ({ der })));
          expect(verdictOf(await judge(response, [trust]))).to.equal('ok');
          expect(verdictOf(await judge(response, [authority]))).to.match(/^authority: .*trusted/);
        });

    for (const [key, digest, extra] of [
      [['-newkey', 'rsa:3072'], 'sha512', ''],
      [
        ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
        'sha256',
        'tsa_name = yes\ness_cert_id_chain = yes\n',
      ],
      [['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'sha384', 'ess_cert_id_alg = sha1\n'],
    ] as const)
      it(`of openssl: ${key[1]}, ${digest}, ${extra.replaceAll('\n', ' ')}`, async function () {
        skipUnless(this, hasOpenssl(), 'there is no openssl');
        this.timeout(30_000);
        const { answer, leaf, root } = opensslAnswer(key, digest, extra);
        const trust = trusted([{ der: leaf }, { der: root }]);
        expect(verdictOf(await judge(answer, [trust]))).to.equal('ok');
        // The trusted root may have the CA alone.
        expect(verdictOf(await judge(answer, [trusted([{ der: root }])]))).to.equal('ok');
        expect(verdictOf(await judge(answer, [authority]))).to.match(/^authority: /);
        const nonce = nonceOf(answer);
        expect(verdictOf(await judge(answer, [trust], { nonce, policy: '1.2.3.4.1' }))).to.equal('ok');
        expect(verdictOf(await judge(answer, [trust], { nonce: fromHex('01') }))).to.match(
          /^nonce: .*another nonce/,
        );
        expect(verdictOf(await judge(answer, [trust], { policy: SIGSTORE_POLICY }))).to.match(
          /^policy: .*policy 1\.2\.3\.4\.1, not/,
        );
      });

    for (const certReq of [true, false])
      it(`of Sigstore's mock, ${certReq ? 'with' : 'without'} its certificate`, async () => {
        const tsa = await initializeTSA(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
        const artifactHash = createHash('sha256').update(MESSAGE).digest();
        const bytes = await tsa.timestamp({
          ...{
            artifactHash,
            hashAlgorithmOID: '2.16.840.1.101.3.4.2.1',
            nonce: 7,
            policyOID: '1.2.3',
            certReq,
          },
        });
        const der = (view: ArrayBufferView): { der: Uint8Array } => ({
          der: new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice(),
        });
        const trust = trusted([der(tsa.intCertificate), der(tsa.rootCertificate)]);
        const more = { nonce: Uint8Array.of(7), policy: '1.2.3' };
        expect(verdictOf(await judge(der(bytes).der, [trust], more))).to.equal('ok');
      });
  });

  describe('who is believed, and when', () => {
    it('refuses another authority below the same root, another root, and nobody at all', async () => {
      const sibling = await caNode({ ...GOOD_LEAF, parent: made.root });
      const other = await timestampNodes();
      const token = tokenOf(made);
      for (const [authorities, says] of [
        [[], /^authority: .*; none is trusted$/],
        [[trusted([other.leaf, other.root])], /^authority: .*carries another certificate/],
        [[trusted([sibling, made.root])], /^authority: .*carries another certificate/],
      ] as const)
        expect(verdictOf(await judge(token, authorities))).to.match(says);
      // Without its certificate, name and serial number are all that it says of its signer.
      const bare = tokenOf(made, { certificates: [] });
      expect(verdictOf(await judge(bare, [authority]))).to.equal('ok');
      expect(verdictOf(await judge(bare, [trusted([other.leaf, other.root])]))).to.match(
        /^signature: .*does not hold/,
      );
      const named = await timestampNodes({ name: 'other' }, { name: 'other root' });
      const { fault, steps } = await judge(bare, [trusted([named.leaf, named.root])]);
      expect(fault).to.equal('trust');
      expect(steps.at(-1)?.detail).to.match(
        /serial number 11 below "CN=root of time"; none of the 1 that are trusted/,
      );
    });

    it('names the authorities of that name when none of them is it, and blames the trust', async () => {
      const renewed = await caNode({ ...GOOD_LEAF, parent: made.root, issuerName: 'root of another time' });
      const { fault, steps } = await judge(tokenOf(made), [trusted([renewed, made.root])]);
      expect(fault).to.equal('trust');
      expect(steps.at(-1)?.detail).to.match(
        /"CN=time" \(SHA-256 \w{64}\); of its name .*1 are trusted, and none of them is it: "CN=time" \(SHA-256/,
      );
    });

    it('tries all authorities of one name and one serial number', async () => {
      const before = await Promise.all([1, 2, 3].map(() => timestampNodes()));
      const others = before.map(({ leaf, root }) => trusted([leaf, root]));
      const bare = tokenOf(made, { certificates: [] });
      for (const authorities of [
        [...others, authority],
        [authority, ...others],
      ])
        for (const token of [bare, tokenOf(made)])
          expect(verdictOf(await judge(token, authorities))).to.equal('ok');
      // The one that signed says why, not one of its namesakes.
      const ended = trusted([made.leaf, made.root], { start: 0, end: SECOND - 1 });
      expect(verdictOf(await judge(tokenOf(made), [...others, ended]))).to.match(
        /^authority: .*trusted .* until/,
      );
    });

    it('applies the window of the trusted root, both ends inclusive', async () => {
      for (const window of [
        { start: SECOND },
        { start: 0, end: SECOND },
        { start: SECOND, end: SECOND },
        { start: SECOND + 1 },
        { start: 0, end: SECOND - 1 },
      ]) {
        const { ok, fault, time, steps } = await judge(tokenOf(made), [
          trusted([made.leaf, made.root], window),
        ]);
        const expected = isWithin(window, SECOND);
        expect([ok, time]).to.deep.equal([expected, expected ? SECOND : undefined]);
        if (!expected)
          expect([fault, steps.find((step) => !step.ok)?.name]).to.deep.equal(['trust', 'authority']);
      }
      // One certificate with two windows counts in both.
      const windows = [{ start: 0, end: 1 }, { start: SECOND }].map((window) =>
        trusted([made.leaf, made.root], window),
      );
      expect(verdictOf(await judge(tokenOf(made), windows))).to.equal('ok');
    });

    it('lets a window that has ended stand, whatever CA above it is trusted besides', async () => {
      const { root, leaf } = made;
      const PAST = { start: 0, end: SECOND - 1 };
      const middle = await caNode({ name: 'middle', parent: root, usages: [timeStamping] });
      const below = await caNode({ ...GOOD_LEAF, parent: middle });
      const sameKey = await caNode({ ...GOOD_LEAF, parent: root, keyOf: leaf, serial: '12' });
      const sibling = await caNode({ ...GOOD_LEAF, parent: root, serial: '13' });
      const garbage = { der: Uint8Array.of(0x30, 0) };
      const open = trusted([root]);
      const [ofLeaf, ofBelow] = [
        tokenOf(made),
        tokenOf({ root, leaf: below }, certificatesOf(below, middle)),
      ];
      const ofSameKey = tokenOf({ root, leaf: sameKey });
      for (const [token, authorities, says] of [
        [ofLeaf, [open], /^ok$/],
        [ofLeaf, [trusted([leaf, root], PAST)], ENDED],
        [ofLeaf, [trusted([leaf, root], PAST), open], ENDED],
        [ofLeaf, [open, trusted([leaf, root], PAST)], ENDED],
        // What an authority cannot be used for ends all the same.
        [ofLeaf, [open, trusted([leaf], PAST)], ENDED],
        [ofLeaf, [open, trusted([leaf, garbage], PAST)], ENDED],
        // Another authority, and the CA's own window, take nothing from it.
        [ofLeaf, [open, trusted([sibling, root], PAST)], /^ok$/],
        [ofLeaf, [trusted([root], PAST), trusted([leaf, root])], /^ok$/],
        [ofLeaf, [open, trusted([leaf, root], PAST), trusted([leaf, root], { start: SECOND })], /^ok$/],
        // Its key in another certificate has ended with it; one that is named for longer brings nothing back.
        [ofSameKey, [open], /^ok$/],
        [ofSameKey, [open, trusted([leaf, root], PAST)], ENDED],
        [ofSameKey, [open, trusted([leaf, root], PAST), trusted([sameKey, root])], /^ok$/],
        [ofLeaf, [open, trusted([leaf, root], PAST), trusted([sameKey, root])], ENDED],
        // So it is with CAs between.
        [ofBelow, [open], /^ok$/],
        [ofBelow, [open, trusted([middle, root], PAST)], /^chain: the CA "CN=middle" is trusted .* until/],
        [ofBelow, [open, trusted([sibling, middle, root], PAST)], /^chain: the CA "CN=middle" is trusted/],
        [ofBelow, [open, trusted([below, middle, root], PAST)], ENDED],
        [ofBelow, [trusted([middle, root], PAST), trusted([below, middle, root])], /^ok$/],
      ] as const) {
        const { ok, fault, steps } = await judge(token, authorities);
        expect(verdictOf({ ok, steps } as TimestampVerification)).to.match(says);
        expect(fault).to.equal(ok ? undefined : 'trust');
      }
    });

    it('goes through the first CA of an authority that has CAs alone', async () => {
      const { root } = made;
      const first = await caNode({ name: 'middle', parent: root, usages: [timeStamping] });
      const lower = await caNode({ name: 'lower', parent: first });
      const other = await caNode({ name: 'other', parent: root });
      // The same CA below another root, and its key in a certificate that the trusted root does not have.
      const again = await caNode({ name: 'middle', parent: root, keyOf: first, serial: '12' });
      const authority = trusted([first, root]);
      const AROUND = /^chain: the way to the root "CN=root of time" does not go through .*"CN=middle"$/;
      for (const [parent, more, says] of [
        [first, [], /^ok$/],
        [first, [again], /^ok$/],
        [lower, [lower], /^ok$/],
        [root, [], AROUND],
        [other, [other], AROUND],
      ] as const) {
        const leaf = await caNode({ ...GOOD_LEAF, parent, serial: '21' });
        const token = tokenOf({ root, leaf }, certificatesOf(leaf, ...more));
        expect(verdictOf(await judge(token, [authority]))).to.match(says);
        expect(verdictOf(await judge(token, [authority, trusted([root])]))).to.equal('ok');
      }
      // That its certificate came along, too, leads nobody through it.
      const beside = await caNode({ ...GOOD_LEAF, parent: other, serial: '21' });
      const token = tokenOf({ root, leaf: beside }, certificatesOf(beside, other, first));
      expect(verdictOf(await judge(token, [authority]))).to.match(AROUND);
      const short = await caNode({ name: 'middle', parent: root, keyOf: first, notAfter: NOW - DAY / 2 });
      const leaf = await caNode({ ...GOOD_LEAF, parent: first });
      const around = tokenOf({ root, leaf }, certificatesOf(leaf, first));
      expect(verdictOf(await judge(around, [trusted([short, root])]))).to.match(/^chain: /);
    });

    it('judges the chain at the time of the timestamp, whatever the time is now', async () => {
      const past = await timestampNodes(
        { notBefore: 5 * DAY, notAfter: 7 * DAY },
        { notBefore: 0, notAfter: 8 * DAY },
      );
      const trust = [trusted([past.leaf, past.root])];
      const at = (ms: number): Promise<string> =>
        judge(tokenOf(past, { time: genTime(ms) }), trust).then(verdictOf);
      expect(await at(6 * DAY)).to.equal('ok');
      expect(await at(7 * DAY)).to.equal('ok');
      expect(await at(7 * DAY + 1000)).to.match(/^chain: .*valid until/);
      expect(await at(5 * DAY - 1000)).to.match(/^chain: .*valid from/);
      const rootEnded = await timestampNodes({ notBefore: 0 }, { notBefore: 0, notAfter: 8 * DAY });
      const token = tokenOf(rootEnded);
      expect(verdictOf(await judge(token, [trusted([rootEnded.leaf, rootEnded.root])]))).to.match(
        /^chain: the CA "CN=root of time" was valid until/,
      );
    });

    it('demands a certificate for timestamps alone, critically, of a real CA', async () => {
      const usage = (usages: x509.ExtendedKeyUsageType[], critical: boolean): Partial<CaOptions> => ({
        extra: [new x509.ExtendedKeyUsageExtension(usages, critical)],
      });
      const unknown = new x509.Extension('1.2.3.4', true, Uint8Array.of(5, 0));
      const extra = GOOD_LEAF.extra ?? [];
      for (const [leaf, root, says] of [
        [usage([timeStamping], false), {}, /^chain: .*as critical/],
        [usage([timeStamping, codeSigning], true), {}, /^chain: .*not for timestamps alone/],
        [usage([codeSigning], true), {}, /^chain: .*not for timestamps alone/],
        [{ extra: [] }, {}, /^chain: .*not for timestamps alone/],
        [{ keyUsage: x509.KeyUsageFlags.keyAgreement }, {}, /^chain: the key usage/],
        [{ extra: [...extra, unknown] }, {}, /^chain: .*critical extension 1\.2\.3\.4/],
        [{}, { usages: [codeSigning] }, /^chain: .*does not allow timestamps below it/],
        [{}, { keyUsage: x509.KeyUsageFlags.digitalSignature }, /^chain: .*sign certificates/],
        [{}, { usages: [timeStamping] }, /^ok$/],
        [{ keyUsage: null }, {}, /^ok$/],
      ] as readonly (readonly [Partial<CaOptions>, Partial<CaOptions>, RegExp])[]) {
        const bent = await timestampNodes(leaf, root);
        const trust = [trusted([bent.leaf, bent.root])];
        expect(verdictOf(await judge(tokenOf(bent), trust))).to.match(says);
      }
      const lone = trusted([made.leaf]);
      expect(verdictOf(await judge(tokenOf(made), [lone]))).to.match(
        /^authority: .*no CA above its certificate/,
      );
      const noCa = await caNode({ name: 'root of time', ca: false });
      const below = await caNode({ ...GOOD_LEAF, parent: noCa });
      const token = tokenOf({ root: noCa, leaf: below });
      expect(verdictOf(await judge(token, [trusted([below, noCa])]))).to.match(/^chain: .*is no CA/);
    });

    it('goes up through intermediates, trusted or embedded, and carries what leads up from it alone', async () => {
      const middle = await caNode({ name: 'middle', parent: made.root, usages: [timeStamping] });
      const leaf = await caNode({ ...GOOD_LEAF, parent: middle });
      const stray = await caNode({ name: 'stray' });
      const sibling = await caNode({ ...GOOD_LEAF, parent: middle, serial: '12' });
      const older = await caNode({ name: 'older root' });
      const cross = await caNode({ name: 'root of time', parent: older, keyOf: made.root });
      const nodes = { root: made.root, leaf };
      const whole = trusted([leaf, middle, made.root]);
      for (const [certificates, trust, says] of [
        [[leaf.der], whole, /^ok$/],
        [[], whole, /^ok$/],
        [[leaf.der, middle.der, made.root.der], whole, /^ok$/],
        [[leaf.der, middle.der], trusted([leaf, made.root]), /^ok$/],
        [[leaf.der, middle.der], trusted([made.root]), /^ok$/],
        [[leaf.der], trusted([middle, made.root]), /^ok$/],
        [[leaf.der], trusted([made.root]), /^chain: no trusted CA is named "CN=middle"/],
        [[middle.der], trusted([made.root]), /^authority: /],
        [[leaf.der, stray.der], whole, /^chain: .*no part of the chain: "CN=stray"/],
        [[leaf.der, sibling.der], whole, /^chain: .*no part of the chain: "CN=time"/],
        // Authorities whose root is also below an older one send that certificate of it.
        [[leaf.der, middle.der, cross.der], whole, /^ok$/],
        [[leaf.der, middle.der, cross.der, older.der], whole, /^ok$/],
        [[leaf.der, middle.der, older.der, cross.der], trusted([made.root]), /^ok$/],
        [
          [leaf.der, middle.der, older.der],
          trusted([made.root]),
          /^chain: .*no part of the chain: "CN=older/,
        ],
        [[leaf.der, middle.der, cross.der], trusted([older]), /^ok$/],
        [[leaf.der, middle.der, older.der], trusted([older]), /^chain: no trusted root is named/],
        [[leaf.der, stray.der.subarray(0, -1)], whole, /^token: /],
      ] as const)
        expect(verdictOf(await judge(tokenOf(nodes, { certificates }), [trust]))).to.match(says);
    });
  });

  describe('what a token may be', () => {
    it('is over these bytes and no others, by a hash that is known of them', async () => {
      expect(await verdict({ message: utf8('another signature') })).to.match(/^imprint: .*other bytes/);
      const { fault, steps } = await judge(tokenOf(made), [authority], { digestOf: () => undefined });
      expect([fault, steps.find((step) => !step.ok)?.name]).to.deep.equal(['policy', 'imprint']);
    });

    it('is of no time that lies well ahead of the clock of who verifies', async () => {
      for (const [ahead, says] of [
        [5 * 60_000, /^ok$/],
        [
          5 * 60_000 + 1,
          /^time: the timestamp says \S+, which lies in the future: the clock of this machine says /,
        ],
      ] as const) {
        const judged = await judge(tokenOf(made), [authority], { clock: SECOND - ahead });
        expect(verdictOf(judged)).to.match(says);
        expect(judged.fault).to.equal(judged.ok ? undefined : 'clock');
      }
    });

    it('has the nonce and the policy that were asked for', async () => {
      const nonce = unsignedInteger(fromHex('8000000000000001'));
      const with64 = tokenOf(made, { rest: [nonce] });
      for (const [token, more, says] of [
        [with64, { nonce: fromHex('8000000000000001') }, /^ok$/],
        [with64, { nonce: fromHex('008000000000000001') }, /^ok$/],
        [with64, { nonce: fromHex('8000000000000002') }, /^nonce: .*another nonce/],
        [with64, {}, /^ok$/],
        [tokenOf(made), { nonce: Uint8Array.of(1) }, /^nonce: .*no nonce/],
        // -1 and -2^63 have the octets of 255 and 2^63, and are others.
        [tokenOf(made, { rest: [tlv(Tag.integer, fromHex('ff'))] }), { nonce: fromHex('ff') }, /^nonce: /],
        [
          tokenOf(made, { rest: [tlv(Tag.integer, fromHex('8000000000000000'))] }),
          { nonce: fromHex('8000000000000000') },
          /^nonce: .*another nonce/,
        ],
        [tokenOf(made, { rest: [unsignedInteger(fromHex('00'))] }), { nonce: fromHex('00') }, /^ok$/],
        [tokenOf(made, { rest: [unsignedInteger(fromHex('ff'))] }), { nonce: fromHex('ff') }, /^ok$/],
        [tokenOf(made), { policy: SIGSTORE_POLICY }, /^ok$/],
        [tokenOf(made), { policy: '1.3.6.1' }, /^policy: /],
      ] as const) {
        const result = await judge(token, [authority], more);
        expect(verdictOf(result)).to.match(says);
        expect(result.ok || result.fault === 'policy').to.equal(true);
      }
    });

    it('names the certificate of its signer, wherever in the list, by the newer form where both are there', async () => {
      const own = certificateId(made.leaf.der);
      const other = certificateId(made.root.der);
      const { issuer, serial } = parseCertificate(made.leaf.der);
      const issuerSerial = (name: Uint8Array, number: Uint8Array): Uint8Array =>
        sequence(sequence(explicit(4, name)), unsignedInteger(number));
      const sha1 = (der: Uint8Array): Uint8Array =>
        sequence(octetString(createHash('sha1').update(der).digest()));
      const old = (id: Uint8Array): Uint8Array => attribute(SIGNING_CERTIFICATE, sequence(sequence(id)));
      const sha384 = sequence(
        sequence(oid('2.16.840.1.101.3.4.2.2')),
        octetString(createHash('sha384').update(made.leaf.der).digest()),
      );
      for (const [attributes, says] of [
        [[signingCertificate(own)], /^ok$/],
        [[signingCertificate(own, other)], /^ok$/],
        [[signingCertificate(other, own)], /^ok$/],
        [[signingCertificate(sha384)], /^ok$/],
        [[signingCertificate(certificateId(made.leaf.der, issuerSerial(issuer, serial)))], /^ok$/],
        [[old(sha1(made.leaf.der))], /^ok$/],
        [[old(sha1(made.leaf.der)), signingCertificate(own)], /^ok$/],
        [[old(sha1(made.root.der)), signingCertificate(own)], /^ok$/],
        [[old(sha1(made.leaf.der)), signingCertificate(other)], /^signature: .*another certificate/],
        [[old(sha1(made.root.der))], /^signature: .*another certificate/],
        [[signingCertificate(other)], /^signature: .*another certificate/],
        [
          [signingCertificate(certificateId(made.leaf.der, issuerSerial(issuer, Uint8Array.of(9))))],
          /^signature: .*another/,
        ],
        [
          [signingCertificate(certificateId(made.leaf.der, issuerSerial(sequence(), serial)))],
          /^signature: .*another/,
        ],
        [[signingCertificate()], /^token: .*names no certificate/],
        [[], /^token: .*does not name the certificate/],
        [[signingCertificate(own), signingCertificate(own)], /^token: .*twice/],
        [[attribute(SIGNING_CERTIFICATE_V2)], /^token: /],
      ] as const)
        expect(await verdict({ attributes: (usual) => [...usual.slice(0, 2), ...attributes] })).to.match(
          says,
        );
    });

    it('calls its authority by no other name than the certificate does', async () => {
      const alternative = new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'time.example' }]);
      const leaf = await caNode({
        ...GOOD_LEAF,
        parent: made.root,
        extra: [...(GOOD_LEAF.extra ?? []), alternative],
      });
      const trust = trusted([leaf, made.root]);
      const { subject, issuer } = parseCertificate(leaf.der);
      const dns = (name: string): Uint8Array => tlv(contextTag(2), utf8(name));
      for (const [name, says] of [
        [explicit(4, subject), /^ok$/],
        [dns('time.example'), /^ok$/],
        [explicit(4, issuer), /^signature: .*authority of another name/],
        [dns('time.example.org'), /^signature: .*another name/],
        [tlv(contextTag(6), utf8('time.example')), /^signature: .*another name/],
        [explicit(4, utf8('no name')), /^token: /],
        [tlv(contextTag(4), subject), /^token: .*name of the authority/],
        [subject, /^token: .*name of the authority/],
        [utf8('garbage'), /^token: /],
        [Uint8Array.from([...explicit(4, subject), ...dns('time.example')]), /^token: /],
        [Uint8Array.of(), /^token: /],
      ] as const) {
        const token = tokenOf({ root: made.root, leaf }, { rest: [explicit(0, name)] });
        expect(verdictOf(await judge(token, [trust]))).to.match(says);
      }
      const own = explicit(0, explicit(4, subject));
      expect(await verdict({ rest: [own] })).to.equal('ok');
    });

    it('is quoted on one line, whatever is written in it', async () => {
      const name = 'x\u001b[2JVerified: these bytes were there\u202e';
      const root = await caNode({ name });
      const middle = await caNode({ name, parent: root });
      const forCode = await caNode({ name, parent: root, usages: [codeSigning] });
      const [leaf, below, wrong] = await Promise.all(
        [root, middle, forCode].map((parent) => caNode({ ...GOOD_LEAF, name, parent, serial: '21' })),
      );
      if (!leaf || !below || !wrong) throw new Error('three certificates were made');
      const ended = { start: 0, end: SECOND - 1 };
      const nodes = { root, leaf };
      for (const [token, authorities] of [
        [rejectedResponse(`\n\n${name}`, 'unacceptedPolicy'), []],
        [tokenOf(nodes), [trusted([leaf, root])]],
        [tokenOf(nodes), [trusted([leaf, root], ended)]],
        [tokenOf(nodes), []],
        [tokenOf(nodes, { certificates: [] }), []],
        [tokenOf(nodes), [trusted([below, root])]],
        [tokenOf(nodes), [trusted([middle, root])]],
        [tokenOf(nodes, certificatesOf(leaf, below)), [trusted([leaf, root])]],
        [tokenOf({ root, leaf: below }, certificatesOf(below, middle)), [trusted([root])]],
        [tokenOf({ root, leaf: below }), [trusted([root])]],
        [
          tokenOf({ root, leaf: below }, certificatesOf(below, middle)),
          [trusted([root]), trusted([middle, root], ended)],
        ],
        [tokenOf({ root, leaf: wrong }, certificatesOf(wrong, forCode)), [trusted([root])]],
      ] as const) {
        const { steps } = await judge(token, authorities);
        const details = steps.map(({ detail }) => detail);
        expect(details).to.deep.equal(details.map(printable));
        expect(details.join(' ')).to.include('x\\u{1b}[2JVerified: these');
      }
    });

    it('is one signed timestamp, whole, and nothing odd', async () => {
      const plain = sequence(oid('1.2.3.4'), set(octetString(MESSAGE)));
      const keyId = Uint8Array.from(findExtension(parseCertificate(made.leaf.der), '2.5.29.14')?.value ?? []);
      expect(keyId).to.have.length(0);
      for (const [parts, says] of [
        [{ status: null }, /^ok$/],
        [{ status: sequence(unsignedInteger(Uint8Array.of(1))) }, /^ok$/],
        [
          { status: sequence(unsignedInteger(Uint8Array.of(2))) },
          /^token: .*grants no timestamp \(status 2\)/,
        ],
        [{ contentType: '1.2.840.113549.1.7.1' }, /^token: .*something else than a timestamp/],
        [{ signedContentType: '1.2.840.113549.1.7.1' }, /^token: .*signed content type/],
        [
          { messageDigest: createHash('sha256').update('x').digest() },
          /^signature: .*digest of another timestamp/,
        ],
        [{ attributes: (usual) => usual.slice(1) }, /^token: .*no signed content type/],
        [{ attributes: ([type = plain, , id = plain]) => [type, id] }, /^token: .*no signed message digest/],
        [{ attributes: (usual) => [...usual, plain] }, /^ok$/],
        [{ unsignedAttributes: tlv(contextTag(1, true), plain) }, /^ok$/],
        [{ unsignedAttributes: tlv(contextTag(1, true)) }, /^token: .*empty list/],
        [{ unsignedAttributes: tlv(contextTag(1, true), octetString(MESSAGE)) }, /^token: /],
        [{ unsignedAttributes: tlv(contextTag(1, true), plain, plain) }, /^token: .*twice/],
        [{ unsignedAttributes: tlv(contextTag(2, true), plain) }, /^token: /],
        [{ signers: (usual) => [usual, usual] }, /^token: .*more than one signer/],
        [{ signers: () => [] }, /^token: /],
        [{ signerVersion: 3 }, /^token: .*version of the signer/],
        [{ signerId: tlv(contextTag(0), Uint8Array.of(1)), signerVersion: 3 }, /^authority: .*key id 01/],
        [{ signatureAlgorithm: '1.2.840.113549.1.1.11' }, /^signature: .*does not fit/],
        [{ signatureAlgorithm: '1.2.840.10045.4.1' }, /^token: .*unknown or weak/],
        [{ signatureAlgorithm: '1.2.840.10045.4.3.3' }, /^signature: .*does not hold/],
        [{ signatureAlgorithm: '1.2.840.10045.2.1' }, /^ok$/],
        [{ lists: [tlv(contextTag(1, true))] }, /^token: .*revocation lists/],
        [{ certificates: Array.from({ length: 11 }, () => made.leaf.der) }, /^token: .*more than 10/],
        [{ certificates: [made.leaf.der.subarray(0, 60)] }, /^token: /],
        [{ time: '20261122100000.5Z' }, /^ok$/],
        [{ time: '20261122100000.50Z' }, /^token: .*time/],
        [{ time: '20261122100000' }, /^token: .*time/],
        [{ time: '20261322100000Z' }, /^token: .*time/],
        [{ rest: [sequence(unsignedInteger(Uint8Array.of(1)))] }, /^ok$/],
        [{ rest: [Uint8Array.of(Tag.boolean, 1, 0)] }, /^token: .*default/],
        [
          { rest: [explicit(1, sequence(oid('1.2.3'), Uint8Array.of(1, 1, 0xff), octetString()))] },
          /^token: .*critical extension/,
        ],
        [{ rest: [explicit(1, sequence(oid('1.2.3'), octetString()))] }, /^ok$/],
        [{ content: octetString(MESSAGE) }, /^token: /],
      ] as readonly (readonly [TokenParts, RegExp])[])
        expect(await verdict(parts), JSON.stringify(parts)).to.match(says);
      const refused = await judge(rejectedResponse('no such policy', 'unacceptedPolicy'), [authority]);
      expect(verdictOf(refused)).to.equal('token: the answer grants no timestamp (status 2): no such policy');
      expect(refused.skipped.map(({ name }) => name)).to.deep.equal([
        'imprint',
        'authority',
        'chain',
        'signature',
      ]);
    });

    it('is never accepted with eight other bytes in it, cut off, or with more behind it', async () => {
      const token = tokenOf(made);
      expect(verdictOf(await judge(token, [authority]))).to.equal('ok');
      for (let at = 0; at < token.length; at += 1 + Math.floor(7 / runs(8))) {
        const bent = Uint8Array.from(token);
        for (let n = 0; n < 8 && at + n < bent.length; n++)
          bent[at + n] = (bent[at + n] ?? 0) ^ (1 + ((at * 31 + n * 17) % 255));
        expect((await judge(bent, [authority])).ok, `at ${at}`).to.equal(false);
      }
      // The one byte that is not signed and means as much with another value: granted, or granted with modifications.
      const status = 2 + (token[1] === 0x82 ? 2 : 1) + 4;
      for (let at = 0; at < token.length; at += 4 - Math.min(3, runs(8) - 1)) {
        const bent = Uint8Array.from(token);
        bent[at] = (bent[at] ?? 0) ^ 1;
        if (at !== status) expect((await judge(bent, [authority])).ok, `bit at ${at}`).to.equal(false);
      }
      for (let length = 0; length < token.length; length += 3)
        expect((await judge(token.subarray(0, length), [authority])).ok).to.equal(false);
      const longer = await judge(Uint8Array.from([...token, 0]), [authority]);
      expect(verdictOf(longer)).to.match(/^token: /);
      expect(verdictOf(await judge(new Uint8Array(0x10001), [authority]))).to.match(/^token: .*64 KiB/);
    });
  });
});

const nonceOf = (answer: Uint8Array): Uint8Array =>
  openssl({ 'answer.tsr': answer }, [['ts', '-reply', '-in', 'answer.tsr', '-text']], ({ stdout }) =>
    fromHex((/Nonce: 0x([0-9A-F]+)/.exec(stdout)?.[1] ?? '').replace(/^(?=(..)*.$)/, '0')),
  );

/** An answer of OpenSSL's own authority, over the message. */
function opensslAnswer(
  key: readonly string[],
  digest: string,
  extra: string,
): { answer: Uint8Array; leaf: Uint8Array; root: Uint8Array } {
  const config = `[tsa]\ndefault_tsa = tsa1\n[tsa1]\nserial = serial\ncrypto_device = builtin\nsigner_cert = leaf.pem\ncerts = root.pem
signer_key = leaf.key\nsigner_digest = ${digest}\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha384, sha512\naccuracy = secs:1\nordering = yes
${extra}`;
  const extensions =
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n';
  const files = { 'tsa.cnf': config, ext: extensions, serial: '01\n', message: MESSAGE };
  const ca = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'].flatMap((text) => [
    '-addext',
    text,
  ]);
  const commands = [
    [
      'req',
      '-x509',
      ...key,
      '-nodes',
      '-subj',
      '/CN=openssl root',
      '-days',
      '3',
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
      ...ca,
    ],
    [
      'req',
      ...key,
      '-nodes',
      '-subj',
      '/O=openssl/CN=openssl time',
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.csr',
    ],
    [
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'root.pem',
      '-CAkey',
      'root.key',
      '-days',
      '2',
      '-extfile',
      'ext',
      '-out',
      'leaf.pem',
    ],
    ['ts', '-query', '-data', 'message', `-${digest}`, '-cert', '-out', 'query.tsq'],
    ['ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'query.tsq', '-out', 'answer.tsr'],
    ['x509', '-in', 'leaf.pem', '-outform', 'DER', '-out', 'leaf.der'],
    ['x509', '-in', 'root.pem', '-outform', 'DER', '-out', 'root.der'],
  ];
  return openssl(files, commands, ({ read }) => ({
    answer: read('answer.tsr'),
    leaf: read('leaf.der'),
    root: read('root.der'),
  }));
}
