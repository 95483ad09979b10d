import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { octetString, oid } from '../../../core/der-writer.ts';
import { FormatError } from '../../../core/errors.ts';
import { CKK, spkiOfAttributes, type KeyAttributes } from '../../../signers/pkcs11/token-public-key.ts';
import { failureAs } from '../../support/failure.ts';

const spkiOf = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
const part = (key: KeyObject, name: 'x' | 'y' | 'n' | 'e'): Buffer =>
  Buffer.from(String(key.export({ format: 'jwk' })[name]), 'base64url');

const P256 = oid('1.2.840.10045.3.1.7');

function p256(fits: (x: Buffer) => boolean = () => true): { key: KeyObject; point: Uint8Array } {
  for (;;) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const x = part(publicKey, 'x');
    if (fits(x)) return { key: publicKey, point: Buffer.concat([Buffer.of(4), x, part(publicKey, 'y')]) };
  }
}

describe('signers/pkcs11/token-public-key', () => {
  it('makes the public key of a point, in an OCTET STRING or bare', () => {
    const { key, point } = p256();
    for (const ecPoint of [octetString(point), point])
      expect(spkiOfAttributes({ keyType: CKK.ec, ecParams: P256, ecPoint })).to.deep.equal(spkiOf(key));
  });

  it('takes a bare point for one that begins as an OCTET STRING of its length does', () => {
    const { key, point } = p256((x) => x[0] === 63);
    expect(spkiOfAttributes({ keyType: CKK.ec, ecParams: P256, ecPoint: point })).to.deep.equal(spkiOf(key));
  });

  it('knows Ed25519 by its identifier and by its name', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const point = part(publicKey, 'x');
    const name = Buffer.from('130c656477617264733235353139', 'hex');
    for (const ecParams of [oid('1.3.101.112'), name])
      for (const ecPoint of [point, octetString(point)])
        expect(spkiOfAttributes({ keyType: CKK.edwards, ecParams, ecPoint })).to.deep.equal(
          spkiOf(publicKey),
        );
  });

  it('makes the public key of an RSA modulus, with zeros in front or without', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const [modulus, publicExponent] = [part(publicKey, 'n'), part(publicKey, 'e')];
    for (const zeros of [0, 1, 4])
      expect(
        spkiOfAttributes({
          keyType: CKK.rsa,
          modulus: Buffer.concat([Buffer.alloc(zeros), modulus]),
          publicExponent,
        }),
      ).to.deep.equal(spkiOf(publicKey));
  });

  it('has none where an attribute is missing', () => {
    for (const keyType of Object.values(CKK)) expect(spkiOfAttributes({ keyType })).to.equal(undefined);
    expect(spkiOfAttributes({ keyType: CKK.ec, ecParams: P256, ecPoint: new Uint8Array() })).to.equal(
      undefined,
    );
  });

  const { point } = p256();
  const REFUSED: readonly KeyAttributes[] = [
    { keyType: 0x1n },
    { keyType: undefined },
    { keyType: CKK.ec, ecParams: oid('1.3.132.0.10'), ecPoint: point },
    { keyType: CKK.ec, ecParams: P256, ecPoint: point.subarray(0, 60) },
    { keyType: CKK.ec, ecParams: P256, ecPoint: Buffer.alloc(65, 1) },
    { keyType: CKK.ec, ecParams: Buffer.from('curve'), ecPoint: point },
    { keyType: CKK.edwards, ecParams: oid('1.3.101.113'), ecPoint: Buffer.alloc(32) },
    { keyType: CKK.edwards, ecParams: oid('1.3.101.112'), ecPoint: Buffer.alloc(32) },
  ];
  for (const [i, attributes] of REFUSED.entries())
    it(`refuses attributes of no key that signs here (${i})`, async () => {
      expect(await failureAs(FormatError, () => spkiOfAttributes(attributes))).to.be.instanceOf(FormatError);
    });
});
