import { expect } from 'chai';
import { Tally } from '../../core/tally.ts';

describe('core/tally', () => {
  it('forgets a key whose amount is back at 0', () => {
    const tally = new Tally<string>();
    expect([tally.add('a', 2), tally.add('b', 3), tally.add('a', -1)]).to.deep.equal([2, 3, 1]);
    expect([tally.of('a'), tally.of('c')]).to.deep.equal([1, 0]);
    tally.add('a', -1);
    tally.add('c', 0);
    expect([...tally]).to.deep.equal([['b', 3]]);
  });
});
