import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { ACCEPTED_DIFFERENCES } from './accepted-differences.ts';
import { BETWEEN_MARKS, differenceTable } from './difference-table.ts';

const text = readFileSync(join(projectRoot, 'docs/compatibility.md'), 'utf8');
const plain = (table: string): string => table.replace(/ +/g, ' ').replace(/-{2,}/g, '-').trim();

describe('docs/compatibility.md', () => {
  it('has each accepted difference (else: node test/differential/write-table.ts && npm run format)', () => {
    expect(plain(BETWEEN_MARKS.exec(text)?.[0] ?? '')).to.equal(plain(differenceTable()));
  });

  it('says why each of them is accepted', () => {
    for (const row of Object.values(ACCEPTED_DIFFERENCES)) {
      for (const cell of Object.values(row)) expect(cell).to.match(/^[^|\n]{4,}$/);
    }
  });
});
