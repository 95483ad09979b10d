import { expect } from 'chai';
import fc from 'fast-check';
import { GoUrlError } from '../../../core/go/url.ts';
import { TokenError } from '../../../oidc/core/token-error.ts';
import { certificateUri } from '../../../oidc/types/certificate-uri.ts';
import { joinedBehind } from '../../../oidc/types/joined-uri.ts';
import { runs } from '../../support/runs.ts';

/** The name, or undefined for a refusal. */
function nameOf(text: string, write?: (spelled: string) => string): string | undefined {
  try {
    return certificateUri(text, write).value;
  } catch (error) {
    if (error instanceof TokenError || error instanceof GoUrlError) return undefined;
    throw error;
  }
}

const BASE = 'https://ci.example/';

/** Texts that Go writes alike, and the one of them that is taken. */
const ALIKE: readonly (readonly [taken: string, name: string, ...refused: string[]])[] = [
  ['relä', 'rel%C3%A4', 'rel%C3%A4', '%72elä'],
  ['a b', 'a%20b', 'a%20b'],
  ['{uuid}', '%7Buuid%7D', '%7Buuid%7D', '{uuid%7D'],
  ['a!bä', 'a%21b%C3%A4', 'a%21b%C3%A4', 'a%21bä'],
  ['a', 'a', 'a#'],
  ['a?b', 'a?b'],
  ['a%3Fb', 'a%3Fb'],
  ['a%2Fb', 'a%2Fb'],
  ['a/b', 'a/b'],
  ['%41', '%41'],
  ['%c3%a4', '%c3%a4'],
  ['100%25', '100%25'],
];

describe('The URI in a certificate', () => {
  for (const [taken, name, ...refused] of ALIKE)
    it(`is ${name} for ${taken}${refused.length === 0 ? '' : `, and not for ${refused.join(', ')}`}`, () => {
      expect(nameOf(BASE + taken)).to.equal(BASE + name);
      for (const other of refused) {
        expect(nameOf(BASE + other), other).to.equal(undefined);
        expect(() => certificateUri(BASE + other))
          .to.throw(TokenError)
          .with.property('message')
          .that.contains(`would get the name of "${BASE}${taken}"`);
      }
    });

  it('is of one spelling of scheme and host', () => {
    for (const text of ['HTTPS://ci.example/a', 'https://%63i.example/a'])
      expect(nameOf(text)).to.equal(undefined);
  });

  it('is of one path, where paths are joined', () => {
    const write = joinedBehind('https://github.com/');
    const name = (path: string): string | undefined => nameOf(`https://github.com/${path}`, write);
    expect(name('o/r/x.yml@refs/heads/main')).to.equal('https://github.com/o/r/x.yml@refs/heads/main');
    expect(name('o/r/x.yml@relä#?')).to.equal('https://github.com/o/r/x.yml@rel%C3%A4%23%3F');
    for (const path of ['o//r', './o/r', 'o/../r', '/o/r', 'o/r@rel%C3%A4', 'o/r@%23'])
      expect(name(path), path).to.equal(undefined);
  });

  it('is never that of two texts', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        'b',
        '/',
        '//',
        '.',
        '..',
        '%',
        '%41',
        '%C3%A4',
        '%c3%a4',
        '%2F',
        '%3F',
        '%20',
        '%7B',
        'ä',
        ' ',
        '{',
        '?',
      ],
      ...['#', '!', '[', '%25', '@', ':', '%C3', '\u0308', '~', '%7E', '*', '%2A', 'HTTPS', '\\'],
    );
    const text = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
    const writers = [undefined, joinedBehind(BASE)] as const;
    for (const write of writers) {
      const texts = new Map<string, string>();
      fc.assert(
        fc.property(fc.oneof(text, fc.string({ maxLength: 8 })), (path) => {
          const spelled = BASE + path;
          const name = nameOf(spelled, write);
          if (name === undefined) return;
          expect(texts.get(name) ?? spelled, name).to.equal(spelled);
          texts.set(name, spelled);
        }),
        { numRuns: runs(20_000) },
      );
      expect(texts.size).to.be.greaterThan(runs(20_000) / 20);
    }
  });
});
