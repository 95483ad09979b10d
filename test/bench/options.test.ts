import { expect } from 'chai';
import { UsageError } from '../../bench/command-line.ts';
import { parseOptions } from '../../bench/options.ts';

describe('bench/options', () => {
  it('has values for everything, and others for a smoke test', () => {
    expect(parseOptions([])).to.deep.include({
      seconds: 4,
      sizes: [0, 100_000, 1_000_000],
      fulcio: true,
      runs: 15,
    });
    expect(parseOptions(['--smoke'])).to.deep.include({
      seconds: 0.3,
      sizes: [0, 2000],
      fulcio: false,
      runs: 1,
      floorOnce: true,
    });
    expect(parseOptions(['--sizes', '5,6', '--seconds', '0.5', '--no-fulcio'])).to.deep.include({
      seconds: 0.5,
      sizes: [5, 6],
      fulcio: false,
    });
  });

  it('measures a long log alone when asked, and a short one in a smoke test', () => {
    expect(parseOptions(['--scale', '--keep', 'logs'])).to.deep.include({
      scale: true,
      sizes: [0, 1_000_000, 10_000_000],
      keep: 'logs',
      certificates: false,
      fulcio: false,
      commands: false,
      control: false,
    });
    expect(parseOptions(['--smoke'])).to.deep.include({ scale: true, issued: 100, certificates: true });
    expect(parseOptions([])).to.deep.include({ scale: false, keep: undefined });
  });

  const MISTAKES: readonly (readonly [words: readonly string[], part: string])[] = [
    [['--bogus'], "Unknown option '--bogus'"],
    [['stray'], 'stray'],
    [['--seconds'], '--seconds'],
    [['--seconds', 'x'], '--seconds: "x" is not a number above 0'],
    [['--seconds', '0'], '--seconds: "0"'],
    [['--warmup', '1e99'], '--warmup: "1e99"'],
    [['--sizes', 'abc'], '--sizes: "abc" is not a whole number'],
    [['--sizes', '1,'], '--sizes: ""'],
    [['--rounds', '0'], 'at least 1'],
    [['--distinct', '1.5'], '--distinct: "1.5"'],
    [['--server-core', '-1'], '--server-core'],
  ];
  for (const [words, part] of MISTAKES)
    it(`refuses ${words.join(' ')} in one line`, () => {
      expect(() => parseOptions(words))
        .to.throw(UsageError, part)
        .with.property('message')
        .that.does.not.include('\n');
    });
});
