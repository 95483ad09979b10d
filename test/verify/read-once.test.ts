import { expect } from 'chai';
import { once } from '../../verify/read-once.ts';

describe('verify/read-once', () => {
  it('reads an object once, whatever was read of it, and each of two that are alike', () => {
    const read: object[] = [];
    const reader = once((of: { readonly value: number | undefined }) => {
      read.push(of);
      return of.value;
    });
    const objects = [{ value: 1 }, { value: 1 }, { value: undefined }] as const;
    for (const of of [...objects, ...objects]) expect(reader(of)).to.equal(of.value);
    expect(read).to.deep.equal([...objects]);
  });

  it('throws each time what reading throws', () => {
    const reader = once((of: { readonly message: string }): never => {
      throw new RangeError(of.message);
    });
    const of = { message: 'no' };
    for (let times = 0; times < 2; times++) expect(() => reader(of)).to.throw(RangeError, 'no');
  });
});
