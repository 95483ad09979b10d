import { expect } from 'chai';
import { createHash, createPublicKey, generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { verifyDigest } from '../../../rekor/entries/digest-signature.ts';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { KEYS } from '../../support/verify-world.ts';

const CURVES = [
  ['P-256', p256],
  ['P-384', p384],
  ['P-521', p521],
] as const;

const RSA = { keyType: 'rsa', hash: 'sha256' } as const;
const { spki, privateKey } = KEYS.shortRsa;

/** Messages with their signatures, until one of which the first byte is zero, as of every 256th is. */
function withLeadingZero(): { readonly message: Buffer; readonly signature: Buffer } {
  for (let i = 0; ; i++) {
    const message = Buffer.from(`message ${i}`);
    const signature = sign('sha256', message, privateKey);
    if (signature[0] === 0) return { message, signature };
  }
}

describe('rekor/entries/digest-signature', () => {
  it('takes RSA signatures of the length of the modulus alone, as those over bytes', async () => {
    const { message, signature } = withLeadingZero();
    const digest = platformCrypto.digest('sha256', message);
    const spellings: readonly (readonly [Buffer, boolean])[] = [
      [signature, true],
      [signature.subarray(1), false],
      [Buffer.concat([Buffer.alloc(1), signature]), false],
      [Buffer.alloc(0), false],
    ];
    for (const [spelling, holds] of spellings) {
      expect(platformCrypto.verify(RSA, spki, message, spelling)).to.equal(holds);
      expect(await platformCrypto.verifyDigest(RSA, spki, digest, spelling)).to.equal(holds);
    }
  });

  it('takes of each curve and hash what OpenSSL takes over the message, and nothing else', async () => {
    for (const [namedCurve] of CURVES)
      for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
        const scheme = { keyType: 'ec', hash } as const;
        for (let i = 0; i < 3; i++) {
          const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
          const spki = publicKey.export({ type: 'spki', format: 'der' });
          const message = randomBytes(40);
          const digest = createHash(hash).update(message).digest();
          const signature = sign(hash, message, privateKey);
          expect(await verifyDigest(scheme, spki, digest, signature), namedCurve).to.equal(true);
          const changed = Uint8Array.from(digest);
          changed[i] = (changed[i] ?? 0) ^ 1;
          expect(await verifyDigest(scheme, spki, changed, signature)).to.equal(false);
          expect(await verifyDigest(scheme, KEYS.shortRsa.spki, digest, signature)).to.equal(false);
          const last = signature.length - 1;
          signature[last] = (signature[last] ?? 0) ^ 1;
          expect(await verifyDigest(scheme, spki, digest, signature)).to.equal(false);
        }
      }
  });

  /** A signature by a chosen nonce over whatever digest makes `e` of it. */
  function made(curve: (typeof CURVES)[number][1], digestOf: (r: bigint, d: bigint) => bigint) {
    const { Fn } = curve.Point;
    const [d, k] = [Fn.fromBytes(curve.utils.randomSecretKey()), Fn.fromBytes(curve.utils.randomSecretKey())];
    const r = Fn.create(curve.Point.BASE.multiply(k).x);
    const e = Fn.create(digestOf(r, d));
    const s = Fn.mul(Fn.inv(k), Fn.add(e, Fn.mul(r, d)));
    const point = curve.Point.BASE.multiply(d).toBytes(false);
    return { point, digest: Fn.toBytes(e), signature: new curve.Signature(r, s).toBytes('der') };
  }

  const spkiOf = (crv: string, point: Uint8Array): Uint8Array => {
    const half = (point.length - 1) / 2;
    const [x, y] = [point.subarray(1, 1 + half), point.subarray(1 + half)].map((part) =>
      Buffer.from(part).toString('base64url'),
    );
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x, y } as never }).export({
      type: 'spki',
      format: 'der',
    });
  };

  it('holds where the two points that are added are the same, each other’s opposite, or infinity', async () => {
    for (const [name, curve] of CURVES.slice(0, 2)) {
      const scheme = { keyType: 'ec', hash: 'sha256' } as const;
      const { Fn } = curve.Point;
      // The check adds ((e − known)/r)·G to Q = d·G, where `known` is the digest of its own message. For e = known − r·d the sum is infinity, and no key.
      const known = BigInt(`0x${hash('sha256', '')}`);
      for (const digestOf of [
        () => 0n,
        () => known,
        (r: bigint, d: bigint) => known + r * d,
        (r: bigint, d: bigint) => known - r * d,
        (r: bigint, d: bigint) => r * d,
      ]) {
        const { point, digest, signature } = made(curve, digestOf);
        const options = { prehash: false, format: 'der', lowS: false } as const;
        expect(curve.verify(signature, digest, point, options)).to.equal(true);
        const spki = spkiOf(name, point);
        expect(await verifyDigest(scheme, spki, digest, signature)).to.equal(true);
        digest[3] = (digest[3] ?? 0) ^ 1;
        expect(await verifyDigest(scheme, spki, digest, signature)).to.equal(false);
      }
      // For e = −r·d the sum is infinity, whatever s is: no such signature holds.
      const d = Fn.fromBytes(curve.utils.randomSecretKey());
      const key = spkiOf(name, curve.Point.BASE.multiply(d).toBytes(false));
      const opposite = Fn.toBytes(Fn.neg(Fn.mul(5n, d)));
      const signature = new curve.Signature(5n, 1n).toBytes('der');
      expect(await verifyDigest(scheme, key, opposite, signature)).to.equal(false);
    }
  });

  it('refuses numbers that are zero, the order or above it, and every form but DER', async () => {
    const scheme = { keyType: 'ec', hash: 'sha256' } as const;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const digest = createHash('sha256').update('x').digest();
    const good = sign('sha256', Buffer.from('x'), privateKey);
    const { r, s } = p256.Signature.fromBytes(good, 'der');
    const n = p256.Point.Fn.ORDER;
    const spell = (one: bigint, other: bigint): Uint8Array => {
      const integer = (value: bigint): Buffer => {
        const hex = value.toString(16);
        const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
        const magnitude = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
        return Buffer.concat([Uint8Array.of(2, magnitude.length), magnitude]);
      };
      const content = Buffer.concat([integer(one), integer(other)]);
      return Buffer.concat([Uint8Array.of(0x30, content.length), content]);
    };
    expect(await verifyDigest(scheme, spki, digest, spell(r, s))).to.equal(true);
    // Both s and n − s hold: ECDSA has two signatures for each.
    expect(await verifyDigest(scheme, spki, digest, spell(r, n - s))).to.equal(true);
    const bad = [spell(0n, s), spell(r, 0n), spell(n, s), spell(r, n), spell(r + n, s), spell(r, s + n)];
    const raw = sign('sha256', Buffer.from('x'), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    for (const signature of [
      ...bad,
      raw,
      Buffer.concat([good, Buffer.alloc(1)]),
      good.subarray(1),
      Buffer.alloc(0),
    ])
      expect(await verifyDigest(scheme, spki, digest, signature)).to.equal(false);
  });
});
