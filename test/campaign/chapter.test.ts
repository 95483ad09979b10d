import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isBroken, MAY_BE_CHANCE } from '../../campaign/chapter.ts';
import { projectRoot } from '../support/project-root.ts';

describe('a finding of the campaign', () => {
  it('may be chance where something did not come in time', () => {
    for (const words of MAY_BE_CHANCE) expect(isBroken([`chapter: ${words}: x`]), words).to.equal(false);
    expect(isBroken([])).to.equal(false);
  });

  it('is a broken promise otherwise, also beside one that may be chance', () => {
    const fork = 'CT log: two heads of 12 entries differ';
    expect(isBroken([fork])).to.equal(true);
    expect(isBroken([`x: ${MAY_BE_CHANCE[0] ?? ''}`, fork])).to.equal(true);
  });

  it('is worded as the trials word it', () => {
    const sources = ['trial.ts', 'failovers.ts', 'chapter.ts']
      .map((name) => readFileSync(join(projectRoot, 'campaign', name), 'utf8').split('MAY_BE_CHANCE'))
      .map((parts) => parts[0] ?? '')
      .join('');
    for (const words of MAY_BE_CHANCE.filter((some) => some !== 'EADDRINUSE'))
      expect(sources).to.contain(words);
  });
});
