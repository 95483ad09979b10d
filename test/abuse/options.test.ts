import { expect } from 'chai';
import { ATTACKS } from '../../abuse/attacks.ts';
import { parseOptions } from '../../abuse/options.ts';
import { UsageError } from '../../bench/command-line.ts';

const NAMES = ATTACKS.map(({ name }) => name);

describe('abuse/options', () => {
  it('has values for everything, others for a short run, and takes some attacks of all', () => {
    expect(parseOptions([], NAMES)).to.include({ seconds: 10, quietSeconds: 4, maxGrowth: 250, list: false });
    expect(parseOptions(['--short'], NAMES)).to.include({ seconds: 2.5, quietSeconds: 1, maxGrowth: 1000 });
    expect(parseOptions(['--short', '--seconds', '7'], NAMES)).to.include({ seconds: 7 });
    const words = ['--only', 'refusals', '--only', 'one-reader', '--json', 'out.json', '--list'];
    expect(parseOptions(words, NAMES)).to.deep.include({
      only: ['refusals', 'one-reader'],
      json: 'out.json',
      list: true,
    });
  });

  it('knows every attack by one name, and says what it is', () => {
    expect(new Set(NAMES)).to.have.property('size', ATTACKS.length);
    for (const { name, what } of ATTACKS) {
      expect(name).to.match(/^[a-z][a-z0-9-]{1,22}$/);
      expect(what).to.match(/^.{20,140}$/);
    }
  });

  const MISTAKES: readonly (readonly [words: readonly string[], part: string])[] = [
    [['--bogus'], "Unknown option '--bogus'"],
    [['stray'], 'stray'],
    [['--only', 'everything'], 'there is no attack "everything"'],
    [['--seconds', 'x'], '--seconds: "x" is not a number above 0'],
    [['--seconds', '0'], '--seconds: "0"'],
    [['--seconds', '1e9'], '--seconds: "1e9"'],
  ];
  for (const [words, part] of MISTAKES)
    it(`refuses ${words.join(' ')} in one line`, () => {
      expect(() => parseOptions(words, NAMES))
        .to.throw(UsageError, part)
        .with.property('message')
        .that.does.not.contain('\n');
    });
});
