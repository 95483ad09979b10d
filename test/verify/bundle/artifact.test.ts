import { expect } from 'chai';
import { artifactOfDigests, type ArtifactHash } from '../../../verify/bundle/artifact.ts';

describe('verify/bundle/artifact', () => {
  it('takes digests of the length that their hash makes, and no others', async () => {
    const lengths: readonly (readonly [ArtifactHash, number])[] = [
      ['sha256', 32],
      ['sha384', 48],
      ['sha512', 64],
    ];
    for (const [hash, right] of lengths)
      for (const length of [0, 16, 31, 32, 33, 48, 63, 64, 65, 96]) {
        const digest = new Uint8Array(length).fill(7);
        const make = () => artifactOfDigests(new Map([[hash, digest]]));
        if (length === right) expect(await make().digest(hash)).to.equal(digest);
        else
          expect(make).to.throw(RangeError, `a ${hash} digest has ${right} bytes, and ${length} were given`);
      }
  });
});
