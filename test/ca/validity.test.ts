import { expect } from 'chai';
import fc from 'fast-check';
import { newSerial, serialHex } from '../../ca/serial.ts';
import { encodeTime, leafValidity } from '../../ca/validity.ts';
import { RequestError } from '../../ca/request-error.ts';
import { DerReader } from '../../core/der-reader.ts';
import { readTime } from '../../core/der-time.ts';
import { NOW } from './support/authority.ts';

const START = NOW - 250;
const within = { notBefore: START - 86_400_000, notAfter: START + 86_400_000 };

describe('ca/validity', () => {
  it('starts at this second and lasts as long as asked', () => {
    expect(leafValidity(NOW, 600, within)).to.deep.equal({ notBefore: START, notAfter: START + 600_000 });
  });

  it('never outlives a CA certificate, and gets shorter towards its end', () => {
    for (const left of [1000, 300_000, 600_000]) {
      const { notAfter } = leafValidity(NOW, 600, { ...within, notAfter: START + left });
      expect(notAfter).to.equal(START + left);
    }
  });

  it('issues nothing when nothing is left, and nothing before the start', () => {
    for (const notAfter of [START, START - 1000]) {
      expect(() => leafValidity(NOW, 600, { ...within, notAfter }))
        .to.throw(RequestError)
        .with.property('code', 'AUTHORITY_EXPIRED');
    }
    expect(() => leafValidity(NOW, 600, { ...within, notBefore: START + 1000 }))
      .to.throw(RequestError)
      .with.property('code', 'AUTHORITY_NOT_YET_VALID');
  });

  it('writes times that read back the same, as UTCTime until 2049 and GeneralizedTime from 2050', () => {
    const last = Date.UTC(2049, 11, 31, 23, 59, 59);
    expect(Buffer.from(encodeTime(last)).toString('latin1')).to.equal('\x17\x0d491231235959Z');
    expect(Buffer.from(encodeTime(last + 1000)).toString('latin1')).to.equal('\x18\x0f20500101000000Z');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 }), (seconds) => {
        expect(readTime(new DerReader(encodeTime(seconds * 1000)).next())).to.equal(seconds * 1000);
      }),
    );
  });
});

describe('ca/serial', () => {
  it('draws positive numbers of 20 bytes that do not repeat', () => {
    const drawn = Array.from({ length: 1000 }, newSerial);
    expect(new Set(drawn.map(serialHex)).size).to.equal(1000);
    for (const serial of drawn) {
      expect(serial).to.have.length(20);
      expect(serial[0]).to.be.lessThan(0x80);
    }
  });

  it('shows a number without leading zero bytes', () => {
    expect(serialHex(Uint8Array.of(0, 0, 0x0a, 0))).to.equal('0a00');
    expect(serialHex(Uint8Array.of(0))).to.equal('00');
  });
});
