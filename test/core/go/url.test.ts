import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { GoUrlError, parseGoUrl, parseSlowly } from '../../../core/go/url.ts';
import { vectorPath } from '../../support/vectors.ts';

interface Vector {
  readonly input: string;
  readonly scheme?: string;
  readonly host?: string;
  readonly hostname?: string;
  readonly string: string;
  readonly error?: string;
}

const vectors = JSON.parse(readFileSync(vectorPath('go-url.json'), 'utf8')) as Vector[];

function faultOf(text: string): GoUrlError {
  try {
    parseGoUrl(text);
  } catch (error) {
    if (error instanceof GoUrlError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} was taken`);
}

// Which rule of an IPv6 address is broken is netip's own tale; that one is broken is what counts.
const withoutDetail = (message: string): string =>
  message.replace(/(invalid host: ParseAddr\(.*?\)): .*/, '$1');

describe("Go's URL rules", () => {
  const good = vectors.filter(({ error }) => error === undefined);
  const bad = vectors.filter(({ error }) => error !== undefined);

  it('has vectors of both kinds', () => {
    expect(good.length).to.be.greaterThan(300);
    expect(bad.length).to.be.greaterThan(150);
  });

  it('writes and takes apart every URL as Go does', () => {
    for (const { input, scheme = '', host = '', hostname = '', string } of good) {
      const { text, ...parts } = parseSlowly(input);
      expect({ input, text, ...parts }).to.deep.equal({ input, text: string, scheme, host, hostname });
    }
  });

  it('returns the same by the short cut', () => {
    for (const { input, string } of good) expect(parseGoUrl(input)).to.include({ text: string });
  });

  it("refuses what Go refuses, in Go's words", () => {
    for (const { input, error = '' } of bad) {
      expect(withoutDetail(faultOf(input).goMessage), input).to.equal(withoutDetail(error));
    }
  });

  it('throws nothing but its own error', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'http:',
        'https://',
        '//',
        '/',
        '?',
        '#',
        '@',
        '[',
        ']',
        '%',
        '%2f',
        ':',
        '::1',
        'host',
      ),
      fc.string({
        unit: fc.constantFrom('a', '\0', '\n', ' ', '\x7f', '\x80', 'é', '😀', '\ud800', '"', '<', '^'),
        maxLength: 4,
      }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        try {
          parseGoUrl(pieces.join(''));
        } catch (error) {
          expect(error).to.be.instanceOf(GoUrlError);
        }
      }),
    );
  });

  it('takes the short cut only where it leads to the same place', () => {
    const part = fc.string({ unit: fc.constantFrom(...Array.from('aZ0-._~$&+,/:;=@%!')), maxLength: 12 });
    fc.assert(
      fc.property(part, part, (host, path) => {
        const text = `https://h${host}/${path}`;
        let slow: unknown;
        try {
          slow = parseSlowly(text);
        } catch {
          expect(() => parseGoUrl(text)).to.throw(GoUrlError);
          return;
        }
        expect(parseGoUrl(text)).to.deep.equal(slow);
      }),
    );
  });

  it('returns a text that stays what it is', () => {
    for (const { string } of good) {
      let again: string;
      try {
        again = parseGoUrl(string).text;
      } catch {
        continue; // Go can write what it would not read, e.g. an empty user before an odd path.
      }
      expect(again).to.equal(string);
    }
  });
});
