import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REASON_DOMAINS, REASONS } from '../../../server/reasons/problem.ts';
import { projectRoot } from '../../support/project-root.ts';

describe('docs/errors.md', () => {
  const text = readFileSync(join(projectRoot, 'docs/errors.md'), 'utf8');

  it('has a heading for each reason, so that a link to one lands', () => {
    const headings = [...text.matchAll(/^### (\w+)$/gm)].map(([, reason]) => reason);
    expect(headings).to.deep.equal(REASONS);
    expect(new Set(headings).size).to.equal(headings.length);
  });

  it('says of each reason, in sentences, what it means, how it comes and what to do', () => {
    for (const { rows } of REASON_DOMAINS) {
      for (const [reason, { meaning, cause, remedy, neverAnswered = 'It is answered.' }] of Object.entries(
        rows,
      )) {
        for (const sentence of [meaning, cause, remedy, neverAnswered])
          expect(sentence, reason).to.match(/^[\p{Lu}`].{2,}\.$/u);
      }
    }
  });
});
