import { expect } from 'chai';
import { newSerial, serialSource } from '../../ca/serial.ts';

describe('ca/serial', () => {
  it('makes positive numbers of 20 bytes, each another', () => {
    const serials = Array.from({ length: 600 }, () => newSerial());
    for (const serial of serials) {
      expect(serial).to.have.length(20);
      expect((serial[0] ?? 0xff) & 0x80).to.equal(0);
    }
    expect(new Set(serials.map((serial) => Buffer.from(serial).toString('hex'))).size).to.equal(600);
  });

  it('wipes what it has used, and only that', () => {
    let pool: Uint8Array = new Uint8Array();
    const next = serialSource((bytes) => {
      pool = bytes.fill(0xff);
    });
    for (let used = 1; used <= 3; used++) {
      expect(next()).to.deep.equal(new Uint8Array(20).fill(0xff).fill(0x7f, 0, 1));
      expect(pool.subarray(0, used * 20).every((byte) => byte === 0)).to.equal(true);
      expect(pool.subarray(used * 20).every((byte) => byte === 0xff)).to.equal(true);
    }
  });

  it('fills its pool anew when it is used up, and passes over zero', () => {
    let fills = 0;
    const next = serialSource((bytes) => {
      bytes.fill(fills++ === 0 ? 0 : 0x11);
    });
    expect(next()).to.deep.equal(new Uint8Array(20).fill(0x11));
    expect(fills).to.equal(2);
  });
});
