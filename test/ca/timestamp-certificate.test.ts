import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { AuthorityError } from '../../ca/authority-error.ts';
import { basicConstraints, extendedKeyUsages, subjectKeyIdentifier } from '../../ca/ca-extensions.ts';
import { CA_KEY_TYPES } from '../../ca/certify.ts';
import { CeremonyError } from '../../ca/ceremony-error.ts';
import { intermediateRequest, signIntermediate } from '../../ca/renewal.ts';
import {
  certifyTimestamps,
  signTimestamps,
  timestampCommonName,
  timestampRequest,
} from '../../ca/timestamp-certificate.ts';
import { readTimestampChain } from '../../ca/timestamp-chain.ts';
import * as x509 from '../../ca/x509.ts';
import { generateKey } from '../../signers/key-types.ts';
import { toHex } from '../../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../../core/certificate.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { decodePem } from '../../core/pem.ts';
import { chainOf, NOW, testAuthority } from './support/authority.ts';
import { caNode, type CaOptions } from './support/ca-certificates.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureAs, failureOf } from '../support/failure.ts';

const clock = (): number => NOW;
const YEAR = 365.25 * 86_400_000;
const USAGE = '2.5.29.37';

const certificatesIn = (pem: string): Certificate[] =>
  decodePem(pem).map(({ bytes }) => parseCertificate(bytes));

describe('ca/timestamp-certificate', () => {
  for (const keyType of CA_KEY_TYPES)
    it(`certifies a key for timestamps as RFC 3161 asks: ${keyType}`, async function () {
      this.timeout(60_000);
      const ca = await testAuthority();
      const key = await generateKey(keyType);
      const ceremony = { root: ca.chainPem, rootKey: ca.rootKey, clock };
      const name = timestampCommonName(ca.rootDer);
      const pem = await certifyTimestamps(createPublicKey(key), name, ceremony);
      const [made, root] = certificatesIn(pem);
      if (made === undefined || root === undefined) throw new Error('the chain is too short');
      expect(root.der).to.deep.equal(ca.rootDer);
      expect(describeName(made.subject)).to.equal('CN=Example CA timestamps, O=Example Org');
      expect(extendedKeyUsages(made)).to.deep.equal(['1.3.6.1.5.5.7.3.8']);
      expect(findExtension(made, USAGE)?.critical).to.equal(true);
      expect(toHex(findExtension(made, '2.5.29.15')?.value ?? new Uint8Array())).to.equal('03020780');
      expect(basicConstraints(made)?.ca).to.equal(false);
      expect(subjectKeyIdentifier(made)).to.have.length(20);
      expect(toHex(findExtension(made, '2.5.29.35')?.value ?? new Uint8Array())).to.include(
        toHex(subjectKeyIdentifier(root) ?? new Uint8Array([1])),
      );
      expect(made.notAfter).to.equal(root.notAfter);
      expect(timestampCommonName(ca.rootDer, made.der)).to.equal('Example CA timestamps 2');
      skipUnless(this, hasOpenssl(), 'there is no openssl');
      const files = { 'root.pem': chainOf(root.der), 'tsa.pem': chainOf(made.der) };
      const at = ['-attime', String(Math.floor(NOW / 1000) + 1)];
      const verify = [
        'verify',
        '-x509_strict',
        ...at,
        '-purpose',
        'timestampsign',
        '-CAfile',
        'root.pem',
        'tsa.pem',
      ];
      expect(openssl(files, [verify], ({ stdout }) => stdout)).to.match(/tsa\.pem: OK/);
    });

  it('lives as long as the root, and never longer', async () => {
    const ca = await testAuthority();
    const key = createPublicKey(await generateKey('p256'));
    const at = (now: number): Promise<string> =>
      certifyTimestamps(key, 'later', { root: ca.chainPem, rootKey: ca.rootKey, clock: () => now });
    const end = parseCertificate(ca.rootDer).notAfter;
    expect(certificatesIn(await at(NOW + 9 * YEAR))[0]?.notAfter).to.equal(end);
    expect(await failureOf(at(end + 86_400_000)))
      .to.be.instanceOf(AuthorityError)
      .and.have.property('code', 'CHAIN_EXPIRED');
  });

  it('signs a request with the profile that is ours', async () => {
    const ca = await testAuthority();
    const key = await generateKey('p256');
    const ceremony = { root: chainOf(ca.rootDer), rootKey: ca.rootKey, clock };
    const request = await timestampRequest(key, ca.rootDer, 'Example time');
    const [made] = certificatesIn(await signTimestamps(request, ceremony));
    expect(describeName(made?.subject ?? new Uint8Array())).to.equal('CN=Example time, O=Example Org');
    expect(made && extendedKeyUsages(made)).to.deep.equal(['1.3.6.1.5.5.7.3.8']);
  });

  it('signs no request for a CA, and a CA signs none for timestamps', async () => {
    const ca = await testAuthority();
    const key = await generateKey('p256');
    const ceremony = { root: chainOf(ca.rootDer), rootKey: ca.rootKey, clock };
    const ofCa = await intermediateRequest(key, ca.intermediateDer, 'Example CA');
    const ofTime = await timestampRequest(key, ca.rootDer, 'Example time');
    for (const [mixed, says] of [
      [signTimestamps(ofCa, ceremony), 'without --timestamps'],
      [signIntermediate({ request: ofTime, ...ceremony }), 'with --timestamps'],
    ] as const) {
      const { code, hint } = await failureAs(CeremonyError, mixed);
      expect(code).to.equal('REQUEST_UNSUITABLE');
      expect(hint).to.include(says);
    }
  });

  it("refuses the intermediate's key, another root's, and names that do not do", async () => {
    const ca = await testAuthority();
    const other = await testAuthority();
    const key = createPublicKey(await generateKey('p256'));
    for (const [rootKey, root, name, says] of [
      [ca.intermediateKey, ca.chainPem, 'a', /that of the issuing CA, not that of the root/],
      [other.rootKey, ca.chainPem, 'a', /does not belong to the root/],
      [ca.rootKey, 'no PEM', 'a', /does not belong to the root/],
      [ca.rootKey, ca.chainPem, ' ', /common name is empty or too long/],
      [ca.rootKey, ca.chainPem, 'a'.repeat(65), /common name is empty or too long/],
    ] as const)
      expect(await failureOf(certifyTimestamps(key, name, { root, rootKey, clock })))
        .to.be.instanceOf(Error)
        .and.have.property('message')
        .that.matches(says);
    for (const pair of [generateKeyPairSync('ed25519'), generateKeyPairSync('rsa', { modulusLength: 1024 })])
      expect(await failureOf(timestampRequest(pair.privateKey, ca.rootDer, 'a'))).to.be.instanceOf(
        CeremonyError,
      );
  });
});

describe('ca/timestamp-chain', () => {
  const TIMES = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.timeStamping], true);
  const SIGNS = x509.KeyUsageFlags.digitalSignature;
  const GOOD: CaOptions = { name: 'time', ca: false, keyUsage: SIGNS, extra: [TIMES] };
  const codeOf = (pem: string, more: { spki?: Uint8Array; root?: Uint8Array } = {}): string => {
    try {
      readTimestampChain(pem, { now: NOW, ...more });
      return 'good';
    } catch (error) {
      if (error instanceof AuthorityError) return error.code;
      throw error;
    }
  };

  it('takes a chain of other tools, also with an intermediate', async () => {
    const root = await caNode({ name: 'root' });
    const middle = await caNode({
      name: 'middle',
      parent: root,
      usages: [x509.ExtendedKeyUsage.timeStamping],
    });
    const direct = await caNode({ ...GOOD, parent: root });
    const below = await caNode({ ...GOOD, parent: middle });
    expect(codeOf(chainOf(direct.der, root.der))).to.equal('good');
    expect(codeOf(chainOf(below.der, middle.der, root.der))).to.equal('good');
  });

  it('names what is wrong with a chain', async () => {
    const root = await caNode({ name: 'root' });
    const other = await caNode({ name: 'root' });
    const code = await caNode({ name: 'code', parent: root, usages: [x509.ExtendedKeyUsage.codeSigning] });
    const plain = await caNode({ name: 'middle', parent: root, ca: false });
    const leaf = async (over: Partial<CaOptions>): Promise<string> =>
      chainOf((await caNode({ ...GOOD, parent: root, ...over })).der, root.der);
    const below = async (parent: typeof root): Promise<string> =>
      chainOf((await caNode({ ...GOOD, parent })).der, parent.der, root.der);
    const good = await caNode({ ...GOOD, parent: root });
    const usage = (usages: x509.ExtendedKeyUsageType[], critical: boolean): Partial<CaOptions> => ({
      extra: [new x509.ExtendedKeyUsageExtension(usages, critical)],
    });
    const { timeStamping, codeSigning } = x509.ExtendedKeyUsage;
    const unknown = new x509.Extension('1.2.3.4', true, Uint8Array.of(5, 0));
    for (const [what, pem, expected] of [
      ['no certificate', '', 'CHAIN_EMPTY'],
      ['no root', chainOf(good.der), 'CHAIN_EMPTY'],
      [
        'something else',
        chainOf(good.der, root.der).replaceAll('CERTIFICATE', 'PUBLIC KEY'),
        'CHAIN_MALFORMED',
      ],
      ['cut off', chainOf(good.der.subarray(0, 90), root.der), 'CHAIN_MALFORMED'],
      ['expired', await leaf({ notAfter: NOW - 5000 }), 'CHAIN_EXPIRED'],
      ['too early', await leaf({ notBefore: NOW + 5000 }), 'CHAIN_NOT_YET_VALID'],
      ['no usage', await leaf({ extra: [] }), 'EXTENDED_KEY_USAGE'],
      ['not critical', await leaf(usage([timeStamping], false)), 'EXTENDED_KEY_USAGE'],
      ['two usages', await leaf(usage([timeStamping, codeSigning], true)), 'EXTENDED_KEY_USAGE'],
      ['another usage', await leaf(usage([codeSigning], true)), 'EXTENDED_KEY_USAGE'],
      ['a CA', await leaf({ ca: true }), 'BASIC_CONSTRAINTS'],
      ['no key usage', await leaf({ keyUsage: null }), 'KEY_USAGE'],
      ['another key usage', await leaf({ keyUsage: x509.KeyUsageFlags.keyAgreement }), 'KEY_USAGE'],
      ['unknown and critical', await leaf({ extra: [TIMES, unknown] }), 'CRITICAL_EXTENSION'],
      ['signed by another', chainOf(good.der, other.der), 'CHAIN_BROKEN'],
      ['in the wrong order', chainOf(root.der, good.der), 'EXTENDED_KEY_USAGE'],
      ['below an issuing CA', await below(code), 'EXTENDED_KEY_USAGE'],
      ['below no CA', await below(plain), 'NOT_A_CA'],
      [
        'without its root',
        chainOf((await caNode({ ...GOOD, parent: code })).der, code.der),
        'EXTENDED_KEY_USAGE',
      ],
    ] as const)
      expect(codeOf(pem), what).to.equal(expected);
    const chain = chainOf(good.der, root.der);
    expect(codeOf(chain, { root: other.der })).to.equal('CHAIN_BROKEN');
    expect(codeOf(chain, { spki: parseCertificate(other.der).spki })).to.equal('KEY_MISMATCH');
    expect(codeOf(chain, { root: root.der, spki: parseCertificate(good.der).spki })).to.equal('good');
  });
});
