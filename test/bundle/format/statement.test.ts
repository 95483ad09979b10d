import { expect } from 'chai';
import { utf8 } from '../../../core/bytes.ts';
import { parseStatement } from '../../../bundle/format/statement.ts';
import { expectTypedErrors, refusalOf } from '../../support/parsers.ts';

const SHA256 = 'ab'.repeat(32);
const GOOD = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'a.txt', digest: { sha256: SHA256 } }],
  predicateType: 'https://example.com/p',
  predicate: { built: true },
};
const bytes = (statement: unknown): Uint8Array => utf8(JSON.stringify(statement));
const sentenceOf = (statement: unknown): string =>
  refusalOf(() => parseStatement(bytes(statement)))?.message ?? 'read';

describe('in-toto statement', () => {
  it('reads both versions, any subject, and the digests that are known', () => {
    const subject = [
      { digest: { gitCommit: 'abc', sha512: 'CD'.repeat(64) } },
      { name: 'b', digest: { sha256: SHA256, sha384: 'ef'.repeat(48) }, uri: 'pkg:x' },
    ];
    for (const _type of ['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']) {
      const { subjects, ...statement } = parseStatement(bytes({ ...GOOD, _type, subject }));
      expect(subjects.map(({ name, digests }) => [name, digests.map(({ hash }) => hash)])).to.deep.equal([
        ['', ['sha512']],
        ['b', ['sha256', 'sha384']],
      ]);
      expect(statement).to.deep.equal({
        type: _type,
        predicateType: GOOD.predicateType,
        predicate: GOOD.predicate,
      });
    }
  });

  it('refuses what is no statement, and what is too much', () => {
    const subject = (digest: unknown): unknown => ({ ...GOOD, subject: [{ digest }] });
    const rows: readonly [unknown, string][] = [
      [[], 'the statement is not an object'],
      [
        { ...GOOD, _type: 'https://in-toto.io/Statement/v9' },
        'the statement is of no type of in-toto that is known',
      ],
      [{ ...GOOD, _type: undefined }, 'the statement has no _type'],
      [{ ...GOOD, predicateType: '' }, 'the statement has no predicateType'],
      [{ ...GOOD, subject: [] }, 'the statement names no subject'],
      [
        { ...GOOD, subject: [{ name: 1, digest: {} }] },
        'the name of a subject of the statement is not a text',
      ],
      [{ ...GOOD, subject: [{ name: 'x', digest: 'x' }] }, 'the digest of a subject is not an object'],
      [{ ...GOOD, subject: [{ name: 'x', digest: [] }] }, 'the digest of a subject is not an object'],
      [subject({ sha256: 1 }), 'a digest of a subject is not a text'],
      [
        subject(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`h${i}`, 'ab']))),
        'a subject of the statement has more than 32 digests',
      ],
      [{ ...GOOD, subject: Array(1025).fill(GOOD.subject[0]) }, 'the statement has more than 1024 subjects'],
    ];
    for (const [statement, sentence] of rows) expect(sentenceOf(statement)).to.equal(sentence);
    const twice = JSON.stringify(GOOD).replace('"subject"', '"subject":[],"subject"');
    expect(refusalOf(() => parseStatement(utf8(twice)))?.message).to.equal(
      'the JSON names "subject" twice in one object',
    );
  });

  it('reads one of 24 MiB, with a million parts, and no longer one', () => {
    const parts = Array.from({ length: 990_000 }, () => 1);
    const empty = bytes({ ...GOOD, predicate: { parts, text: '' } });
    const text = 'a'.repeat(24 * 1024 * 1024 - empty.length);
    expect(sentenceOf({ ...GOOD, predicate: { parts, text } })).to.equal('read');
    expect(sentenceOf({ ...GOOD, predicate: { parts, text: `${text}a` } })).to.match(/more than 25165824 /);
    expect(sentenceOf({ ...GOOD, predicate: { parts: [...parts, ...parts.slice(0, 20_000)] } })).to.match(
      /more than 1000000 members and elements/,
    );
  });

  it('has nothing to compare of a subject without a digest, or with one that is none', () => {
    for (const digest of [undefined, null, {}, { sha256: 'ab' }, { sha256: 'xy'.repeat(32) }])
      for (const more of [{}, { sha512: 'ab'.repeat(64) }]) {
        const isGood = digest === undefined || digest === null || Object.keys(digest).length === 0;
        const own = digest === undefined || digest === null ? digest : { ...digest, ...more };
        const { subjects } = parseStatement(
          bytes({ ...GOOD, subject: [...GOOD.subject, { name: 'x', digest: own }] }),
        );
        const both = isGood && own !== undefined && own !== null && 'sha512' in own;
        expect(subjects.map(({ digests }) => digests.length)).to.deep.equal([1, both ? 1 : 0]);
      }
  });

  it('answers whatever bytes with a statement or an error of its own', () => {
    expectTypedErrors(parseStatement, [bytes(GOOD)]);
  });
});
