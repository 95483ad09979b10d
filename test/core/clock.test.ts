import { expect } from 'chai';
import fc from 'fast-check';
import { parseRfc3339, rfc3339 } from '../../core/clock.ts';

describe('core/clock', () => {
  it('writes whole seconds in UTC and reads them back', () => {
    expect(rfc3339(1700000000999)).to.equal('2023-11-14T22:13:20Z');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        expect(parseRfc3339(rfc3339(seconds * 1000))).to.equal(seconds * 1000);
      }),
    );
  });

  it('writes something for every number, and RFC 3339 for every year that it knows', () => {
    expect(rfc3339(253_402_300_799_999)).to.equal('9999-12-31T23:59:59Z');
    expect(rfc3339(253_402_300_800_000)).to.equal('253402300800000 ms after 1970');
    expect(rfc3339(-62_167_219_200_001)).to.equal('-62167219200001 ms after 1970');
    expect(rfc3339(Number.MAX_SAFE_INTEGER)).to.equal('9007199254740991 ms after 1970');
    expect(rfc3339(Number.NaN)).to.equal('NaN ms after 1970');
  });

  it('reads offsets, fractions and lower case', () => {
    expect(parseRfc3339('2023-11-14T23:13:20+01:00')).to.equal(1700000000000);
    expect(parseRfc3339('2023-11-14t22:13:20.5z')).to.equal(1700000000500);
    expect(parseRfc3339('2024-02-29T00:00:00Z')).to.equal(Date.UTC(2024, 1, 29));
  });

  it('answers undefined for a time without zone, a date alone and days that do not exist', () => {
    const wrong = [
      '2023-11-14T22:13:20',
      '2023-11-14',
      'yesterday',
      '',
      '2023-13-01T00:00:00Z',
      '2023-11-14 22:13:20Z',
      '2023-02-30T00:00:00Z',
      '2023-02-29T12:00:00Z',
      '2023-04-31T23:59:59.5Z',
      '2023-11-14T22:13:60Z',
      '2023-11-14T24:00:00Z',
      '2023-11-14T22:13:20+24:00',
    ];
    for (const text of wrong) expect(parseRfc3339(text), text).to.equal(undefined);
  });
});
