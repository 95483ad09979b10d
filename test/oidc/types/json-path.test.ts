import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { DefinitionError } from '../../../oidc/core/definition-error.ts';
import { printValue } from '../../../core/go/value.ts';
import { compileJsonPath } from '../../../oidc/types/json-path.ts';
import { vectorPath } from '../../support/vectors.ts';

interface Vector {
  readonly path: string;
  readonly printed?: string;
  readonly error?: string;
}

type Rows = [{ readonly document: unknown }, ...Vector[]];
const [{ document }, ...vectors] = JSON.parse(readFileSync(vectorPath('go-jsonpath.json'), 'utf8')) as Rows;

/** The value of the path: printed, null when there is none, undefined when it is not understood. */
function outcome(path: string): string | null | undefined {
  try {
    const value = compileJsonPath(path)(document);
    return value === undefined ? null : printValue(value);
  } catch (error) {
    expect(error).to.be.instanceOf(DefinitionError);
    return undefined;
  }
}

describe('JSONPath', () => {
  it('finds what the Go library finds, wherever it understands the path', () => {
    const understood = vectors.filter(({ path }) => outcome(path) !== undefined);
    expect(understood.length).to.be.greaterThan(15);
    for (const { path, printed, error } of understood) {
      // The library reads a quoted name of several letters only between double quotes.
      if (error?.includes('could not parse string') === true) continue;
      expect({ path, printed: outcome(path) }).to.deep.equal({ path, printed: printed ?? null });
    }
  });

  it('understands every way to name one value', () => {
    expect(outcome('$.a.b')).to.equal('x');
    expect(outcome("$['a']['b c']")).to.equal('y');
    expect(outcome('$["a.b"]')).to.equal('dot');
    expect(outcome('$.a.l[1].q')).to.equal('r');
    expect(outcome('$.a[0]')).to.equal('zero');
  });

  it('does not understand what names many values, or none', () => {
    for (const path of [
      '',
      '$',
      'a',
      '.a',
      '$a',
      '$.',
      '$..a',
      '$.*',
      '$[*]',
      '$[0:1]',
      "$['a','b']",
      '$[01]',
      '$[-1]',
      '$.a b',
      '$.a-b',
    ]) {
      expect(outcome(path), path).to.equal(undefined);
    }
  });

  it('says at which character it stopped understanding', () => {
    expect(() => compileJsonPath('$.outer..inner')).to.throw(DefinitionError, 'at character 8');
  });

  it('does not find what only JavaScript knows', () => {
    for (const name of ['__proto__', 'constructor', 'length', 'toString']) {
      expect(compileJsonPath(`$.${name}`)({}), name).to.equal(undefined);
      expect(compileJsonPath(`$.${name}`)([]), name).to.equal(undefined);
    }
  });

  it('throws nothing but its own error', () => {
    const piece = fc.constantFrom('$', '.', 'a', '[', ']', "'", '"', '0', '\\', '*', ' ', 'é');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.jsonValue(), (pieces, value) => {
        try {
          compileJsonPath(pieces.join(''))(value);
        } catch (error) {
          expect(error).to.be.instanceOf(DefinitionError);
        }
      }),
    );
  });

  it('finds any name in an object', () => {
    const name = fc.string({ unit: 'grapheme' }).filter((text) => !/["\\]/.test(text));
    fc.assert(
      fc.property(name, fc.jsonValue(), (key, value) => {
        const object = JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`) as unknown;
        expect(compileJsonPath(`$["${key}"]`)(object)).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
