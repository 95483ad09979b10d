import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { placesOf } from '../../scripts/mutants/mutant.ts';
import { PARTS } from '../../scripts/mutants/parts.ts';
import { projectRoot } from '../support/project-root.ts';

describe('the list of mutants', () => {
  for (const [part, files] of PARTS)
    it(`changes what is there in exactly one place: ${part}`, () => {
      const stale = files.flatMap(({ file, mutants }) => {
        const source = readFileSync(join(projectRoot, file), 'utf8');
        return mutants.filter((mutant) => placesOf(source, mutant) !== 1 || mutant[1] === mutant[2]);
      });
      expect(stale).to.deep.equal([]);
    });

  it('names test files that exist, and each mutant once', () => {
    const files = [...PARTS.values()].flat();
    for (const { tests } of files)
      for (const test of tests) expect(existsSync(join(projectRoot, test)), test).to.equal(true);
    const names = files.flatMap(({ file, mutants }) => mutants.map(([wrong]) => `${file}: ${wrong}`));
    expect(names.filter((name, at) => names.indexOf(name) !== at)).to.deep.equal([]);
  });
});
