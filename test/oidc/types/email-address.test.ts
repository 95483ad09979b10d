import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { isEmailAddress } from '../../../oidc/types/email-address.ts';
import { vectorPath } from '../../support/vectors.ts';
import { runs } from '../../support/runs.ts';

interface Vector {
  readonly input: string;
  readonly email: boolean;
}

const vectors = JSON.parse(readFileSync(vectorPath('go-email.json'), 'utf8')) as Vector[];

// The grammar in one expression, as govalidator has it: right, but open to texts that take for ever.
const BEYOND = '\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF';
const ATOM = `[a-zA-Z\\d!#$%&'*+\\-/=?^_\`{|}~${BEYOND}]+`;
const FOLD = '(([ \\t]*\\r\\n)?[ \\t]+)?';
const QUOTED = `("${FOLD}([\\x01-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]|!|[\\x23-\\x5b]|[\\x5d-\\x7e]|[${BEYOND}]|\\([\\x01-\\x09\\x0b\\x0c\\x0d-\\x7f]))*${FOLD}"`;
const LABEL = `[a-zA-Z\\d${BEYOND}]([a-zA-Z\\d\\-._~${BEYOND}]*[a-zA-Z\\d${BEYOND}])?`;
const TOP = `[a-zA-Z${BEYOND}]([a-zA-Z\\d\\-_~${BEYOND}]*[a-zA-Z${BEYOND}])?`;
const ORACLE = new RegExp(`^(${ATOM}(\\.${ATOM})*|${QUOTED})@(${LABEL}\\.)+${TOP}\\.?$`);

describe('An e-mail address', () => {
  it('is what govalidator takes for one', () => {
    expect(vectors.length).to.be.greaterThan(100);
    for (const { input, email } of vectors)
      expect({ input, email: isEmailAddress(input) }).to.deep.equal({ input, email });
  });

  it('is the same as by the one long expression', () => {
    const character = fc.constantFrom(
      'a',
      '1',
      '.',
      '-',
      '_',
      '@',
      '"',
      '(',
      '\\',
      ' ',
      '\t',
      '\r',
      '\n',
      'é',
      '\x01',
      '\0',
    );
    const text = fc.string({ unit: character, maxLength: 8 });
    const address = fc.tuple(text, text).map(([local, domain]) => `${local}@${domain}`);
    const quoted = fc.tuple(text, text).map(([local, domain]) => `"${local}"@a${domain}.de`);
    fc.assert(
      fc.property(fc.oneof(text, address, quoted), (input) => {
        expect({ input, email: isEmailAddress(input) }).to.deep.equal({ input, email: ORACLE.test(input) });
      }),
      { numRuns: runs(2000) },
    );
  });

  it('cannot be made to take long', () => {
    // Either would keep a backtracking matcher busy for longer than this test may run.
    expect(isEmailAddress(`${'"("'.repeat(10_000)}\0"@c.de`)).to.equal(false);
    expect(isEmailAddress(`"${' '.repeat(30_000)}\0"@c.de`)).to.equal(false);
    expect(isEmailAddress(`a@${'a.'.repeat(10_000)}1`)).to.equal(false);
  });
});
