import { expect } from 'chai';
import { UsageError } from '../../bench/command-line.ts';
import { parseOptions } from '../../campaign/options.ts';

describe('campaign/options', () => {
  it('tries everything by default, and some of each in the short form', () => {
    const [long, short] = [parseOptions([]), parseOptions(['--short'])];
    expect(long).to.include({ isShort: false }).and.deep.include({ only: [] });
    expect(long.scale.stepStride).to.equal(1);
    expect(short.isShort).to.equal(true);
    expect(short.scale.cuts).to.be.below(long.scale.cuts);
    expect(short.scale.kills).to.be.below(long.scale.kills);
  });

  it('repeats the random numbers of a run, and takes chapters by their names', () => {
    const options = parseOptions(['--seed', '7', '--only', 'power', '--only', 'kills', '--every', '3']);
    expect(options).to.deep.include({ seed: 7, only: ['power', 'kills'] });
    expect(options.scale.stepStride).to.equal(3);
  });

  it('refuses what it does not know', () => {
    for (const words of [['--fast'], ['--seed', 'x'], ['--every', '0']])
      expect(() => parseOptions(words)).to.throw(UsageError);
  });
});
