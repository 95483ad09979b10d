import { expect } from 'chai';
import { derOfP1363 } from '../../core/ecdsa-signature.ts';
import { hex } from '../support/parsers.ts';

describe('core/ecdsa-signature', () => {
  it('writes both halves as positive numbers without leading zeros', () => {
    expect(derOfP1363(hex('0001 80ff'))).to.deep.equal(hex('3008 0201 01 0203 0080ff'));
  });

  it('takes no length that r and s of one size cannot have', () => {
    for (const length of [0, 1, 3, 63, 65, 131, 133, 134])
      expect(derOfP1363(new Uint8Array(length).fill(1)), String(length)).to.equal(undefined);
    for (const length of [2, 64, 96, 132])
      expect(derOfP1363(new Uint8Array(length).fill(1)), String(length)).to.be.instanceOf(Uint8Array);
  });
});
