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

  /** A token whose signature begins with such a byte. */
  const signed = async (
    algorithm: Algorithm,
    key: CryptoKey,
    isWanted: (first: number | undefined) => boolean,
  ): Promise<string> => {
    for (let count = 0; ; count++) {
      const payload = new TextEncoder().encode(`{"iss":"https://issuer.example","count":${count}}`);
      const token = await new CompactSign(payload).setProtectedHeader({ alg: algorithm }).sign(key);
      if (isWanted(Buffer.from(token.split('.')[2] ?? '', 'base64url')[0])) return token;
    }
  };

  // jose and OpenSSL take one of RSASSA-PSS for right: one token would have several spellings.
  for (const algorithm of ALGORITHMS.filter((one) => /^[RP]S/.test(one)))
    it(`does not take a signature of ${algorithm} without its leading zero byte`, async () => {
      const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
      const token = await signed(algorithm, privateKey, (first) => first === 0);
      expect(await isSignedBy(token, importedKey(publicKey), algorithm)).to.equal(true);
      const end = token.lastIndexOf('.') + 1;
      const short = Buffer.from(token.slice(end), 'base64url').subarray(1);
      const text = token.slice(0, end) + short.toString('base64url');
      expect(await isSignedBy(text, importedKey(publicKey), algorithm)).to.equal(false);
    });

  for (const algorithm of ALGORITHMS) {
    it(`says of ${algorithm} what jose says: right, flipped, cut, longer, empty, another key's`, async () => {
      const options = { extractable: true };
      const [ours, other] = [
        await generateKeyPair(algorithm, options),
        await generateKeyPair(algorithm, options),
      ];
      const token = await signed(algorithm, ours.privateKey, (first) => first !== 0);
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
