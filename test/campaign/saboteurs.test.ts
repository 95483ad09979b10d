import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { occurrences, SABOTEURS } from '../../campaign/saboteurs.ts';
import { projectRoot } from '../support/project-root.ts';

describe('campaign/saboteurs', () => {
  for (const { name, patches } of SABOTEURS)
    it(`finds the rule that it leaves out, once: ${name}`, () => {
      for (const patch of patches) {
        const source = readFileSync(join(projectRoot, `${patch.file}.ts`), 'utf8');
        expect(occurrences(source, patch), `${patch.file}: ${patch.text}`).to.equal(1);
      }
    });
});
