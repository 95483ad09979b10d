import { expect } from 'chai';
import { compactVerify, CompactSign, generateKeyPair } from 'jose';
import { ALGORITHMS, type Algorithm } from '../../../oidc/core/algorithms.ts';
import { importedKey, isSignedBy } from '../../../oidc/keys/signature-check.ts';

describe('oidc/keys/signature-check', function () {
  this.timeout(60_000);

  const judgeOfJose = (token: string, key: CryptoKey, algorithm: Algorithm): Promise<boolean> =>
    compactVerify(token, key, { algorithms: [algorithm] }).then(
      () => true,
      () => false,
    );

  for (const algorithm of ALGORITHMS) {
    it(`says of ${algorithm} what jose says: right, flipped, cut, longer, empty, another key's`, async () => {
      const options = { extractable: true };
      const [ours, other] = [
        await generateKeyPair(algorithm, options),
        await generateKeyPair(algorithm, options),
      ];
      const payload = new TextEncoder().encode('{"iss":"https://issuer.example"}');
      const token = await new CompactSign(payload)
        .setProtectedHeader({ alg: algorithm })
        .sign(ours.privateKey);
      const [head = '', body = '', signature = ''] = token.split('.');
      const bytes = Buffer.from(signature, 'base64url');
      const flipped = Buffer.from(bytes);
      flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1;
      const variants = [
        bytes,
        flipped,
        bytes.subarray(1),
        bytes.subarray(0, -2),
        Buffer.concat([bytes, Buffer.of(0, 0)]),
        Buffer.concat([Buffer.of(0), bytes]),
        Buffer.alloc(bytes.length),
        Buffer.alloc(1),
      ];
      const keys = [ours.publicKey, other.publicKey];
      for (const key of keys) {
        for (const [i, variant] of variants.entries()) {
          const text = `${head}.${body}.${variant.toString('base64url')}`;
          const expected = await judgeOfJose(text, key, algorithm);
          expect(expected, `jose on variant ${i}`).to.equal(i === 0 && key === ours.publicKey);
          expect(await isSignedBy(text, importedKey(key), algorithm), `variant ${i}`).to.equal(expected);
        }
      }
      const altered = `${head}.${body.slice(0, -2)}AA.${signature}`;
      expect(await isSignedBy(altered, importedKey(ours.publicKey), algorithm)).to.equal(false);
    });
  }
});
