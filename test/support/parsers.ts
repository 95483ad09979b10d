import { expect } from 'chai';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { FormatError } from '../../core/errors.ts';
import { runs } from './runs.ts';

/** SHA-256 of Node's own, for everything that wants it handed in. */
export const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();

/** Bytes of hexadecimal text; blanks are for the reader. */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

/** The contract of every parser: whatever the bytes, it answers or throws FormatError. Tries arbitrary bytes, and
 * good ones with some bytes changed, cut or added. */
export function expectTypedErrors(parse: (bytes: Uint8Array) => unknown, good: readonly Uint8Array[]): void {
  fc.assert(
    fc.property(damaged(good), (bytes) => {
      refusalOf(() => parse(bytes));
    }),
    { numRuns: runs(500) },
  );
}

/** The same for a parser of text. */
export function expectTypedErrorsOnText(parse: (text: string) => unknown, good: readonly string[]): void {
  const arbitrary = fc.oneof(fc.string({ unit: 'binary' }), damagedText(good));
  fc.assert(
    fc.property(arbitrary, (text) => {
      refusalOf(() => parse(text));
    }),
    { numRuns: runs(500) },
  );
}

/** The FormatError that `run` throws; undefined when it throws nothing. Anything else thrown fails the test. */
export function refusalOf(run: () => unknown): FormatError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    expect(error).to.be.instanceOf(FormatError);
    return error as FormatError;
  }
}

function damaged(good: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  const spoiled = fc
    .tuple(
      fc.constantFrom(...good),
      fc.array(change, { maxLength: 4 }),
      fc.nat(),
      fc.uint8Array({ maxLength: 4 }),
    )
    .map(([bytes, changes, cut, extra]) => {
      const out = Uint8Array.from([...bytes, ...extra]);
      for (const [at, value] of changes) if (out.length > 0) out[at % out.length] = value;
      return cut % 3 === 0 ? out.subarray(0, cut % (out.length + 1)) : out;
    });
  return fc.oneof(fc.uint8Array({ maxLength: 200 }), spoiled);
}

function damagedText(good: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...good), fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
    .map(([text, at, cut, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + cut);
    });
}
