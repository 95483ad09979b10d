import { isIP } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { utf8 } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { sequence, tlv } from '../../core/der-writer.ts';
import { certificateIssuers, certificateNames } from '../../core/certificate-names.ts';
import { opensslCertificate } from '../support/certificates.ts';
import { runs } from '../support/runs.ts';
import { address, namedCertificate } from '../search/support/bodies.ts';

describe('core/certificate-names', () => {
  it('reads the names that OpenSSL writes, and leaves out those that Rekor does not find', () => {
    const names =
      'email:a@example.org,URI:https://b.example/c,DNS:d.example,IP:192.0.2.1,IP:2001:db8::2,RID:1.2.3.4';
    const der = opensslCertificate(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], '/CN=x', [
      `subjectAltName=${names}`,
    ]);
    expect(certificateNames(parseCertificate(der))).to.deep.equal([
      'a@example.org',
      'https://b.example/c',
      'd.example',
      '192.0.2.1',
      '2001:db8::2',
    ]);
    expect(certificateIssuers(parseCertificate(der))).to.deep.equal([]);
  });

  /** Groups of an IPv6 address → what Go's net.IP.String returns. */
  const addresses: readonly (readonly [string, string])[] = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['0:0:0:0:0:ffff:c000:201', '192.0.2.1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ];
  for (const [groups, expected] of addresses)
    it(`writes the address ${groups} as ${expected}`, () => {
      const bytes = groups
        .split(':')
        .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
      const { der } = namedCertificate([address(bytes)]);
      expect(certificateNames(parseCertificate(der))).to.deep.equal([expected]);
      expect(isIP(expected)).not.to.equal(0);
    });

  it('throws nothing, whatever the extensions hold', () => {
    const bytes = fc.uint8Array({ maxLength: 60 });
    const oid = fc.constantFrom('2.5.29.17', '1.3.6.1.4.1.57264.1.1', '1.3.6.1.4.1.57264.1.8');
    const names = sequence(tlv(0x87, Uint8Array.of(1, 2, 3, 4)), tlv(0x81, utf8('a@b.example')));
    const value = fc.oneof(
      bytes,
      bytes.map((extra) => Uint8Array.from([...names, ...extra])),
    );
    fc.assert(
      fc.property(oid, value, (id, content) => {
        const extensions = [{ oid: id, critical: false, value: content, raw: content }];
        for (const name of [...certificateNames({ extensions }), ...certificateIssuers({ extensions })])
          expect(name).not.to.equal('');
      }),
      { numRuns: runs(1000) },
    );
  });

  it('leaves out a name that cannot be read, and keeps the others', () => {
    const { der } = namedCertificate([
      address([1, 2, 3]),
      [0x81, Uint8Array.of(0xff)],
      address([192, 0, 2, 9]),
    ]);
    expect(certificateNames(parseCertificate(der))).to.deep.equal(['192.0.2.9']);
  });
});
