import { expect } from 'chai';
import fc from 'fast-check';
import { KeyReferenceError, parseKeyReference, referenceText } from '../../signers/key-reference.ts';
import { failureAs } from '../support/failure.ts';
import { runs } from '../support/runs.ts';

const UUID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const GCP = 'projects/p-1/locations/europe-west3/keyRings/r/cryptoKeys/k';

describe('signers/key-reference', () => {
  it('takes everything without a scheme for the path of a file', () => {
    for (const path of ['keys/ca.pem', '/etc/mayfly/log-2026:a.pem', 'C:\\keys\\ca.pem', './awskms'])
      expect(parseKeyReference(path)).to.deep.equal({ kind: 'file', path });
  });

  const remote: readonly (readonly [string, Record<string, unknown>])[] = [
    [`awskms:///${UUID}`, { kind: 'awskms', endpoint: undefined, keyId: UUID }],
    [`awskms:///mrk-${UUID.replaceAll('-', '')}`, { keyId: `mrk-${UUID.replaceAll('-', '')}` }],
    [`awskms://localhost:4566/${UUID}`, { endpoint: 'localhost:4566', keyId: UUID }],
    ['awskms:///alias/mayfly/ca', { keyId: 'alias/mayfly/ca' }],
    [
      `awskms:///arn:aws-cn:kms:cn-north-1:111122223333:key/${UUID}`,
      { keyId: `arn:aws-cn:kms:cn-north-1:111122223333:key/${UUID}` },
    ],
    [
      'awskms://kms.example.com/arn:aws-us-gov:kms:us-gov-east-1:111122223333:alias/ca',
      { endpoint: 'kms.example.com', keyId: 'arn:aws-us-gov:kms:us-gov-east-1:111122223333:alias/ca' },
    ],
    [`gcpkms://${GCP}`, { kind: 'gcpkms', key: GCP, version: undefined }],
    [`gcpkms://${GCP}/cryptoKeyVersions/3`, { key: GCP, version: '3' }],
    [`gcpkms://${GCP}/versions/12`, { key: GCP, version: '12' }],
    [
      'azurekms://mayfly.vault.azure.net/ca-key',
      { kind: 'azurekms', host: 'mayfly.vault.azure.net', key: 'ca-key', version: undefined },
    ],
    [
      'azurekms://mayfly.vault.azure.net/ca/0123456789abcdef0123456789abcdef',
      { key: 'ca', version: '0123456789abcdef0123456789abcdef' },
    ],
    ['azurekms://mayfly.vault.azure.net/ca/', { key: 'ca', version: undefined }],
    ['hashivault://mayfly_ca-1.a', { kind: 'transit', product: 'vault', key: 'mayfly_ca-1.a' }],
    ['openbao://k', { kind: 'transit', product: 'openbao', key: 'k', version: undefined }],
    ['hashivault://ca?version=12', { product: 'vault', key: 'ca', version: '12' }],
    ['pkcs11:object=ca?module-name=softhsm2', { kind: 'pkcs11', token: {}, key: { object: 'ca' } }],
  ]; // prettier-ignore
  for (const [uri, parts] of remote)
    it(`reads ${uri}`, () => {
      const reference = parseKeyReference(uri);
      expect(reference).to.deep.include(parts);
      expect(referenceText(reference)).to.equal(uri);
    });

  const refused: readonly (readonly [text: string, code: KeyReferenceError['code'], hint: RegExp])[] = [
    ['', 'KEY_URI_MALFORMED', /path or a URI/],
    ['keys/\0ca', 'KEY_URI_MALFORMED', /path or a URI/],
    [`awskms:///alias/${'a'.repeat(3000)}`, 'KEY_URI_MALFORMED', /path or a URI/],
    ['awskms:alias/ca', 'KEY_URI_MALFORMED', /three slashes/],
    [`awskms://${UUID}`, 'KEY_URI_MALFORMED', /three slashes/],
    ['awskms:///ca', 'KEY_URI_MALFORMED', /alias\/NAME/],
    ['awskms:///arn:aws:kms:eu-west-1:1111:key/x', 'KEY_URI_MALFORMED', /ARN/],
    [`awskms://user:word@kms.example.com/${UUID}`, 'KEY_URI_MALFORMED', /ENDPOINT/],
    ['gcpkms://projects/p/locations/l/keyRings/r', 'KEY_URI_MALFORMED', /cryptoKeys\/KEY/],
    [`gcpkms://${GCP}/versions/latest`, 'KEY_URI_MALFORMED', /VERSION/],
    [`gcpkms:///${GCP}`, 'KEY_URI_MALFORMED', /projects\/PROJECT/],
    ['azurekms://mayfly.vault.azure.net', 'KEY_URI_MALFORMED', /short name/],
    ['azurekms://me@mayfly.vault.azure.net/k', 'KEY_URI_MALFORMED', /host/],
    ['azurekms://mayfly.vault.azure.net/k/v/w', 'KEY_URI_MALFORMED', /VERSION/],
    ['hashivault://team/ca', 'KEY_URI_MALFORMED', /TRANSIT_SECRET_ENGINE_PATH/],
    ['openbao://-ca', 'KEY_URI_MALFORMED', /openbao:\/\/KEY/],
    ['openbao://ca?version=0', 'KEY_URI_MALFORMED', /version=N/],
    ['openbao://ca?version=1&token=s.271828', 'KEY_URI_MALFORMED', /version=N/],
    ['pkcs11:token=mayfly', 'KEY_URI_MALFORMED', /module-path/],
    ['file:///keys/ca.pem', 'KEY_URI_UNKNOWN', /without file:/],
    ['aws-kms://arn:aws:kms', 'KEY_URI_UNKNOWN', /Tink/],
    ['gcp-kms://x', 'KEY_URI_UNKNOWN', /Tink/],
    ['cloudkms:projects/p', 'KEY_URI_UNKNOWN', /gcpkms/],
    ['vault://k', 'KEY_URI_UNKNOWN', /hashivault/],
    ['AWSKMS:///alias/a', 'KEY_URI_UNKNOWN', /pkcs11:/],
    ['sigstore-kms-mine://k', 'KEY_URI_UNKNOWN', /pkcs11:/],
  ];
  for (const [text, code, hint] of refused)
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, async () => {
      const refusal = await failureAs(KeyReferenceError, () => parseKeyReference(text));
      expect(refusal).to.include({ code });
      expect(refusal.hint).to.match(hint);
    });

  it('answers every text with a reference or its own error', () => {
    const good = [
      ...remote.map(([uri]) => uri),
      'pkcs11:token=a;id=%01?module-path=/m&pin-source=credential:a',
    ];
    const text = fc
      .tuple(fc.constantFrom(...good), fc.nat(), fc.nat({ max: 3 }), fc.string({ maxLength: 3 }))
      .map(([uri, at, cut, put]) => uri.slice(0, at % uri.length) + put + uri.slice((at % uri.length) + cut));
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (one) => {
        try {
          parseKeyReference(one);
        } catch (error) {
          expect(error).to.be.instanceOf(KeyReferenceError);
        }
      }),
      { numRuns: runs(500) },
    );
  });
});
