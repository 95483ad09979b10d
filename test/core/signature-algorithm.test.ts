import { expect } from 'chai';
import { toHex } from '../../core/bytes.ts';
import { SIGNATURE_ALGORITHMS, SIGNATURE_SCHEMES } from '../../core/signature-algorithm.ts';

describe('core/signature-algorithm', () => {
  it('writes the algorithm identifiers of RFC 5758, 4055 and 8410', () => {
    const identifiers = Object.fromEntries(
      Object.entries(SIGNATURE_ALGORITHMS).map(([name, { identifier }]) => [name, toHex(identifier)]),
    );
    expect(identifiers).to.deep.equal({
      'ecdsa-p256-sha256': '300a06082a8648ce3d040302',
      'ecdsa-p384-sha384': '300a06082a8648ce3d040303',
      'ecdsa-p521-sha512': '300a06082a8648ce3d040304',
      'rsa-pkcs1-sha256': '300d06092a864886f70d01010b0500',
      ed25519: '300506032b6570',
    });
  });

  it('knows the scheme of each by its object identifier', () => {
    for (const row of Object.values(SIGNATURE_ALGORITHMS))
      expect(SIGNATURE_SCHEMES.get(row.oid)).to.deep.equal({ keyType: row.keyType, hash: row.hash });
    expect(SIGNATURE_SCHEMES.has('1.2.840.113549.1.1.5'), 'SHA-1').to.equal(false);
  });
});
