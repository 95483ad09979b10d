import { expect } from 'chai';
import { sign } from 'node:crypto';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import { KEYS } from '../../support/verify-world.ts';

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

describe('cli/verify/prehashed-signature', () => {
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
});
