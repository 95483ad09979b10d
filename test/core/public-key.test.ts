import { expect } from 'chai';
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import * as der from '../../core/der-writer.ts';
import { parseCertificate, findExtension } from '../../core/certificate.ts';
import { keyBits, parsePublicKey, spkiOfRsaPublicKey } from '../../core/public-key.ts';
import { opensslCertificate } from '../support/certificates.ts';
import { expectTypedErrors, hex, refusalOf } from '../support/parsers.ts';

const spki = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' });
const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).publicKey;
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const ED25519 = generateKeyPairSync('ed25519').publicKey;
const EC_OID = der.oid('1.2.840.10045.2.1');

describe('core/public-key', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    it(`reads a ${curve} key as Node does`, () => {
      const key = ec(curve);
      const read = parsePublicKey(spki(key));
      const { x = '', y = '' } = key.export({ format: 'jwk' });
      if (read.type !== 'ec') throw new Error(read.type);
      expect(read.curve).to.equal(curve);
      const half = (read.point.length + 1) / 2;
      expect(base64Url(read.point.subarray(1, half))).to.equal(x);
      expect(base64Url(read.point.subarray(half))).to.equal(y);
    });
  }

  it('reads RSA and Ed25519 keys as Node does', () => {
    const rsa = parsePublicKey(spki(RSA));
    const { n, e } = RSA.export({ format: 'jwk' });
    if (rsa.type !== 'rsa') throw new Error(rsa.type);
    expect([rsa.bits, base64Url(rsa.modulus), base64Url(rsa.exponent)]).to.deep.equal([2048, n, e]);
    const ed = parsePublicKey(spki(ED25519));
    expect(ed.type === 'ed25519' && base64Url(ed.key)).to.equal(ED25519.export({ format: 'jwk' }).x);
  });

  it('counts the bits of a modulus, not of its octets', () => {
    const key = (modulus: string): Uint8Array =>
      spkiOfRsaPublicKey(der.sequence(der.unsignedInteger(hex(modulus)), hex('02 01 03')));
    const bits = (modulus: string): unknown => (parsePublicKey(key(modulus)) as { bits: number }).bits;
    expect([bits('ff'), bits('01'), bits('01 00'), bits('7f ff')]).to.deep.equal([8, 1, 9, 15]);
  });

  it('wraps an RSAPublicKey the way Node does', () => {
    const pkcs1 = RSA.export({ type: 'pkcs1', format: 'der' });
    expect(toHex(spkiOfRsaPublicKey(pkcs1))).to.equal(toHex(spki(RSA)));
    expect(refusalOf(() => spkiOfRsaPublicKey(spki(RSA)))).to.not.equal(undefined);
  });

  it('finds the bits that OpenSSL hashes into a subject key identifier', () => {
    const certificate = parseCertificate(
      opensslCertificate(['rsa:2048'], '/CN=x', ['subjectKeyIdentifier=hash']),
    );
    const identifier = findExtension(certificate, '2.5.29.14')?.value.subarray(2);
    expect(toHex(createHash('sha1').update(keyBits(certificate.spki)).digest())).to.equal(
      toHex(identifier ?? new Uint8Array()),
    );
  });

  it('calls kinds and curves it does not know unsupported', () => {
    const others = [
      spki(ec('secp256k1')),
      spki(generateKeyPairSync('x25519').publicKey),
      spki(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey),
    ];
    for (const key of others) expect(refusalOf(() => parsePublicKey(key))?.code).to.equal('UNSUPPORTED');
    const explicitCurve = der.sequence(der.sequence(EC_OID, der.sequence()), der.bitString(hex('04')));
    expect(refusalOf(() => parsePublicKey(explicitCurve))?.code).to.equal('UNSUPPORTED');
  });

  it('refuses compressed points, wrong lengths, odd parameters and trailing bytes', () => {
    const p256 = der.sequence(EC_OID, der.oid('1.2.840.10045.3.1.7'));
    const wrong = [
      der.sequence(p256, der.bitString(new Uint8Array(33).fill(2))),
      der.sequence(p256, der.bitString(new Uint8Array(64).fill(4))),
      der.sequence(der.sequence(der.oid('1.3.101.112')), der.bitString(new Uint8Array(31))),
      der.sequence(der.sequence(der.oid('1.3.101.112'), hex('0500')), der.bitString(new Uint8Array(32))),
      der.sequence(der.sequence(der.oid('1.2.840.113549.1.1.1')), der.bitString(der.sequence())),
      Uint8Array.from([...spki(ED25519), 0]),
    ];
    for (const bytes of wrong) expect(refusalOf(() => parsePublicKey(bytes))?.code).to.not.equal(undefined);
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    expectTypedErrors(
      (bytes) => [parsePublicKey(bytes), keyBits(bytes)],
      [spki(ec('P-256')), spki(RSA), spki(ED25519)],
    );
    expectTypedErrors(spkiOfRsaPublicKey, [RSA.export({ type: 'pkcs1', format: 'der' })]);
  });
});
