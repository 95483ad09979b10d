import { expect } from 'chai';
import { rememberedDigest } from '../../../rekor/format/entry-digest.ts';

describe('rekor/format/entry-digest', () => {
  it('can compute the digest of the same bytes once', () => {
    let computed = 0;
    const remembered = rememberedDigest((_, data) => {
      computed++;
      return Uint8Array.from(data);
    });
    const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)];
    for (let i = 0; i < 3; i++)
      for (const hash of ['sha256', 'sha384'] as const)
        expect([remembered(hash, a), remembered(hash, b)]).to.deep.equal([a, b]);
    expect(computed).to.equal(4);
  });
});
