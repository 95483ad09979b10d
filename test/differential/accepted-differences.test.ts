import { expect } from 'chai';
import { ACCEPTED_DIFFERENCES } from './accepted-differences.ts';

describe('the accepted differences from Fulcio', () => {
  it('say, each of them, why it is accepted', () => {
    for (const row of Object.values(ACCEPTED_DIFFERENCES)) {
      for (const cell of Object.values(row)) expect(cell).to.match(/^[^|\n]{4,}$/);
    }
  });
});
