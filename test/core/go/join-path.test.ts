import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { joinPath } from '../../../core/go/join-path.ts';
import { GoUrlError, replaceScheme } from '../../../core/go/url.ts';
import { vectorPath } from '../../support/vectors.ts';
import { runs } from '../../support/runs.ts';

interface Joined {
  readonly base: string;
  readonly elements: readonly string[];
  readonly string?: string;
  readonly error?: string;
}

interface Secured {
  readonly input: string;
  readonly string?: string;
  readonly error?: string;
}

const read = (name: string): unknown => JSON.parse(readFileSync(vectorPath(name), 'utf8'));

/** The result, or Go's words on why there is none. */
function outcome(make: () => string): { string?: string; error?: string } {
  try {
    return { string: make() };
  } catch (error) {
    if (error instanceof GoUrlError) return { error: error.goMessage };
    throw error;
  }
}

describe("Go's JoinPath", () => {
  const vectors = read('go-join-path.json') as readonly Joined[];

  it('returns what Go returns', () => {
    for (const { base, elements, string } of vectors.filter(({ error }) => error === undefined)) {
      expect(joinPath(base, ...elements), JSON.stringify({ base, elements })).to.equal(string);
    }
  });

  it('refuses an escape that Go cannot resolve', () => {
    const bad = vectors.filter(({ error }) => error !== undefined);
    expect(bad.length).to.be.greaterThan(100);
    for (const { base, elements, error = '' } of bad) {
      // Go's JoinPath reports only the escape.
      expect(outcome(() => joinPath(base, ...elements)).error, JSON.stringify({ base, elements })).to.equal(
        `parse "${base}": ${error}`,
      );
    }
  });

  it('throws nothing but its own error, and never leaves the host', () => {
    const piece = fc.string({
      unit: fc.constantFrom(
        '/',
        '.',
        '..',
        '?',
        '#',
        '@',
        ':',
        '%',
        '2',
        'f',
        'a',
        '\\',
        '\0',
        'é',
        '\ud800',
      ),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (elements) => {
        const { string } = outcome(() => joinPath('https://ci.example/base/', ...elements));
        if (string !== undefined) expect(string).to.match(/^https:\/\/ci\.example(\/|$)/);
      }),
      { numRuns: runs(500) },
    );
  });
});

describe("A URL after Go's Scheme was set", () => {
  it('is written as Go writes it', () => {
    for (const { input, string, error } of read('go-url-https.json') as readonly Secured[]) {
      expect(
        outcome(() => replaceScheme(input, 'https')),
        input,
      ).to.deep.equal(error === undefined ? { string } : { error });
    }
  });
});
