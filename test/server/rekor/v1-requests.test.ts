/** What is read of requests to Rekor's first API: anything may come, and nothing but a typed refusal may come of it. */
import { expect } from 'chai';
import fc from 'fast-check';
import { EntryError } from '../../../rekor/entries/entry-error.ts';
import { acceptedOf } from '../../../server/rekor/v1/media-types.ts';
import { QueryValues } from '../../../server/rekor/v1/query-values.ts';
import { MOST_IN_ALL, searchOf } from '../../../server/rekor/v1/search-body.ts';
import { isV1Path, v1Route } from '../../../server/rekor/v1/v1-routes.ts';
import { runs } from '../../support/runs.ts';

/** Fails for whatever is thrown that is no refusal with an answer of Rekor's. */
function expectRefusalsOnly(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).to.be.instanceOf(EntryError);
    expect((error as EntryError).stock?.status).to.be.oneOf([400, 422]);
  }
}

const NAMES = [
  'email',
  'hash',
  'publicKey',
  'subject',
  'operator',
  'subjectPrefix',
  'issuer',
  'before',
  'limit',
];

describe('server/rekor/v1: requests', () => {
  it('are queries for entries, whatever their members are', () => {
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom('and', 'a@b.example', 'ab'.repeat(32), 3, null));
    const query = fc.dictionary(fc.constantFrom(...NAMES, '__proto__'), member);
    fc.assert(
      fc.property(query, (value) => {
        expectRefusalsOnly(() => {
          const { limit, conditions } = searchOf(Buffer.from(JSON.stringify(value)));
          expect(limit).to.be.within(0, MOST_IN_ALL);
          expect(conditions.length).to.be.at.most(NAMES.length);
        });
      }),
      { numRuns: runs(2000) },
    );
  });

  it('are bytes of any kind', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expectRefusalsOnly(() => searchOf(Buffer.from(bytes)));
        },
      ),
      { numRuns: runs(1000) },
    );
  });

  it('have any query, from which integers come exactly', () => {
    fc.assert(
      fc.property(fc.string(), fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }), (text, number) => {
        expectRefusalsOnly(() => new QueryValues(`/x?logIndex=${text}`).integer('logIndex', 0n));
        expectRefusalsOnly(() => new QueryValues(`/x?treeID=${text}`).treeId());
        expectRefusalsOnly(() => {
          const value = new QueryValues(`/x?logIndex=${number}`).integer('logIndex', 0n);
          expect(value).to.equal(number);
          expect(number >= 0n && number < 2n ** 63n).to.equal(true);
        });
      }),
      { numRuns: runs(1000) },
    );
  });

  const accepted: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, 'a/pem'],
    ['*/*', 'a/pem'],
    ['a/json', 'a/json'],
    ['a/json, */*', 'a/json'],
    ['a/json;q=0.1, a/pem', 'a/pem'],
    ['a/*;q=0.5, a/json', 'a/json'],
    ['A/JSON', 'a/json'],
    ['text/html', undefined],
    ['a/pem;q=0, a/json;q=0', undefined],
    [`${'x/y,'.repeat(10_000)}a/json`, undefined],
  ];
  for (const [header, offer] of accepted)
    it(`with "${(header ?? 'no Accept').slice(0, 40)}" are answered with ${offer ?? 'a refusal'}`, () => {
      expect(acceptedOf(header, ['a/pem', 'a/json'])).to.equal(offer);
    });

  it('go to no path of other APIs', () => {
    for (const path of [
      '/',
      '/api/v1/signingCert',
      '/api/v1/rootCert',
      '/api/v1/timestamp',
      '/api/v1/logs',
      '/pings',
      '/api/v2/log/entries',
      '/log/2026',
    ])
      expect(isV1Path(path), path).to.equal(false);
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const route = v1Route(`/api/v1/log/${text}`);
        expect(Object.keys(route?.methods ?? {}).length).to.be.at.most(2);
      }),
    );
  });
});
