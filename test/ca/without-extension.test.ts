import { expect } from 'chai';
import fc from 'fast-check';
import { withoutExtension } from '../../ca/without-extension.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { equalBytes } from '../../core/bytes.ts';
import { explicit, octetString, oid, sequence } from '../../core/der-writer.ts';
import { testAuthority } from './support/authority.ts';

describe('ca/without-extension', () => {
  it('takes out exactly the one that was named, wherever it stands', async () => {
    const { der, tbs, extensions } = parseCertificate((await testAuthority()).intermediateDer);
    for (const { oid: name, raw } of extensions) {
      const without = withoutExtension(tbs, oid(name));
      // The certificate around it only has to be well-formed for the strict parser to say what is left.
      const left = without === undefined ? undefined : parseCertificate(rewrap(der, tbs, without));
      expect(left?.extensions.map((e) => e.oid)).to.deep.equal(
        extensions.map((e) => e.oid).filter((o) => o !== name),
      );
      expect(left && findExtension(left, name)).to.equal(undefined);
      expect(without?.length).to.be.closeTo(tbs.length - raw.length, 4);
    }
  });

  it('says when there is no such extension', async () => {
    const { tbs } = parseCertificate((await testAuthority()).intermediateDer);
    expect(withoutExtension(tbs, oid('1.2.3.4'))).to.equal(undefined);
  });

  it('writes every length as DER has it', () => {
    const front = octetString(new Uint8Array(5));
    const wanted = sequence(oid('1.2.3'), octetString(new Uint8Array(3)));
    const tbs = (...list: Uint8Array[]): Uint8Array => sequence(front, explicit(3, sequence(...list)));
    // Around every length at which another one begins, of each part of the whole.
    const sizes = [0, 250, 65_300].flatMap((from) => Array.from({ length: 250 }, (_, i) => from + i));
    for (const size of sizes) {
      const other = sequence(oid('1.2.4'), octetString(new Uint8Array(size).fill(7)));
      for (const list of [
        [wanted, other],
        [other, wanted],
      ]) {
        const without = withoutExtension(tbs(...list), oid('1.2.3')) ?? new Uint8Array();
        expect(equalBytes(without, tbs(other)), String(size)).to.equal(true);
      }
    }
  });

  it('ends on any bytes', () => {
    const wanted = oid('1.2.3');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const head = [0x30, 0x82, 1, 0x90, 0xa3, 0x80, 0x30, 0x80];
        for (const from of [bytes, Uint8Array.of(...head, ...bytes)])
          expect(withoutExtension(from, wanted)?.length ?? 0).to.be.at.most(from.length);
      }),
    );
  });
});

/** The same certificate with another TBSCertificate. */
function rewrap(der: Uint8Array, tbs: Uint8Array, other: Uint8Array): Uint8Array {
  const tail = der.subarray(4 + tbs.length);
  const length = other.length + tail.length;
  return Uint8Array.of(0x30, 0x82, length >> 8, length & 0xff, ...other, ...tail);
}
