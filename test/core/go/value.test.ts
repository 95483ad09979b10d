import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { claimText, printValue } from '../../../core/go/value.ts';
import { vectorPath } from '../../support/vectors.ts';

interface Vector {
  readonly json: string;
  readonly printed: string;
  readonly plain?: string;
}

const vectors = JSON.parse(readFileSync(vectorPath('go-values.json'), 'utf8')) as Vector[];

describe('A value as Go prints it', () => {
  it('is printed with %v as Go does', () => {
    for (const { json, printed } of vectors) {
      expect({ json, printed: printValue(JSON.parse(json)) }).to.deep.equal({ json, printed });
    }
  });

  it('is a number in plain decimal where a template reads it', () => {
    const numbers = vectors.filter(({ plain }) => plain !== undefined);
    expect(numbers.length).to.be.greaterThan(20);
    for (const { json, plain } of numbers) expect(claimText(JSON.parse(json)), json).to.equal(plain);
  });

  it('reads back as the number it was', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = claimText(value);
        expect(text).to.match(/^-?\d+(\.\d+)?$/);
        expect(Object.is(Number(text), value)).to.equal(true);
        expect(Object.is(Number(printValue(value)), value)).to.equal(true);
      }),
    );
  });
});
