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

/** Good JSON with other values in some of its places, or without them: what its parser meets behind the syntax. The new values are numbers at
 * their limits, names that objects have by themselves, text that is hardly what it should be, and other parts of the same document. */
export const rebuiltJson = (good: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...good),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...CHANGES), fc.constantFrom(...ODD), fc.nat()), {
        minLength: 1,
        maxLength: 3,
      }),
    )
    .map(([text, changes]) => {
      let json = JSON.parse(text) as unknown;
      for (const [at, change, odd, other] of changes) json = rebuilt(json, at, change, odd, other);
      // As an own name of an object, which no literal could have.
      return JSON.stringify(json).replaceAll('"__own__"', '"__proto__"');
    });

const CHANGES = ['replace', 'remove', 'repeat', 'exchange', 'rename', 'wrap', 'text'] as const;
const ODD: readonly unknown[] = [
  null, true, 0, -1, -0.5, 1e308, 2 ** 53, 2 ** 64, '', '0', '-1', '18446744073709551616', 'AAAA', 'AA', '====', '\0', '\ud800', '\u202e',
  'x'.repeat(70_000), [], [[]], [null], {}, { __own__: 1 }, { constructor: {}, toString: 1 }, '1970-01-01T00:00:00Z', '9999-12-31T23:59:60+99:99',
]; // prettier-ignore

type Place = readonly [holder: Record<string, unknown>, name: string];

/** Every place below the top. */
function placesIn(json: unknown): Place[] {
  if (typeof json !== 'object' || json === null) return [];
  const holder = json as Record<string, unknown>;
  return Object.keys(holder).flatMap((name): Place[] => [[holder, name], ...placesIn(holder[name])]);
}

function rebuilt(
  json: unknown,
  at: number,
  change: (typeof CHANGES)[number],
  odd: unknown,
  other: number,
): unknown {
  const copy = structuredClone(json);
  const places = placesIn(copy);
  const place = places[at % (places.length + 1)];
  if (place === undefined) return change === 'wrap' ? [copy] : structuredClone(odd);
  const [holder, name] = place;
  const value = holder[name];
  const [donor, donated] = places[other % places.length] ?? place;
  const put: Readonly<Record<(typeof CHANGES)[number], () => unknown>> = {
    replace: () => structuredClone(odd),
    remove: () => undefined,
    repeat: () => Array.from({ length: (other % 40) + 2 }, () => structuredClone(value)),
    exchange: () => structuredClone(donor[donated]),
    rename: () => value,
    wrap: () => (other % 2 === 0 ? [value] : { [name]: value }),
    text: () => (typeof value === 'string' ? spoilt(value, other) : JSON.stringify(value)),
  };
  const made = put[change]();
  if (change === 'remove' || change === 'rename') Reflect.deleteProperty(holder, name);
  if (change === 'rename') holder[other % 2 === 0 ? name.toUpperCase() : '__own__'] = made;
  else if (change !== 'remove') holder[name] = made;
  return copy;
}

/** Another letter, or other bytes where it is base64. */
function spoilt(text: string, other: number): string {
  const at = other % (text.length + 1);
  if (other % 3 === 0) return text.slice(0, at) + text.slice(at + 1);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0) return `${text} `;
  bytes[other % bytes.length] = other >> 8;
  return bytes.toString('base64');
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
