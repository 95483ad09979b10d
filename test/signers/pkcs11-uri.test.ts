import { expect } from 'chai';
import fc from 'fast-check';
import { KeyReferenceError, parseKeyReference } from '../../signers/key-reference.ts';
import type { Pkcs11Reference } from '../../signers/pkcs11-uri.ts';
import { runs } from '../support/runs.ts';

const MODULE = 'module-path=/usr/lib/softhsm/libsofthsm2.so';

function refused(text: string): KeyReferenceError {
  try {
    parseKeyReference(text);
  } catch (error) {
    if (error instanceof KeyReferenceError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe('signers/pkcs11-uri', () => {
  // RFC 7512 §3, with a module where the example has none, and with the private key for objects of other types.
  const EXAMPLES: readonly (readonly [string, Partial<Pkcs11Reference>])[] = [
    [`pkcs11:?${MODULE}`, { token: {}, key: {} }],
    [
      `pkcs11:object=my-key;type=private?pin-source=file:/etc/token&${MODULE}`,
      { key: { object: 'my-key' }, pinSource: { kind: 'file', path: '/etc/token' } },
    ],
    [
      `pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin&${MODULE}`,
      {
        token: {
          token: 'The Software PKCS#11 Softtoken',
          manufacturer: 'Snake Oil, Inc.',
          model: '1.0',
          serial: '',
        },
        key: { object: 'my-certificate', id: Uint8Array.of(0x69, 0x95, 0x3e, 0x5c, 0xf4, 0xbd, 0xec, 0x91) },
      },
    ],
    [
      'pkcs11:object=my-sign-key;type=private?module-name=mypkcs11',
      { module: { name: 'mypkcs11' }, key: { object: 'my-sign-key' } },
    ],
    [
      'pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1',
      { module: { path: '/mnt/libmypkcs11.so.1' } },
    ],
    [`pkcs11:slot-description=Sun%20Metaslot?${MODULE}`, { token: { slotDescription: 'Sun Metaslot' } }],
    [
      `pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23?${MODULE}`,
      {
        token: {
          libraryManufacturer: 'Snake Oil, Inc.',
          libraryDescription: 'Soft Token Library',
          libraryVersion: [1, 23],
        },
      },
    ],
    [
      `pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06?${MODULE}`,
      {
        token: { token: 'My token% created by Joe', libraryVersion: [3, 0] },
        key: { id: Uint8Array.of(1, 2, 3, 0xba, 0xdd, 0xca, 0xfe, 4, 5, 6) },
      },
    ],
    [
      `pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate?${MODULE}`,
      { token: { token: 'A name with a substring %;' } },
    ],
    [
      `pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate?${MODULE}`,
      { token: { token: 'Name with a small A with acute: á' } },
    ],
    [
      `pkcs11:slot-id=327;object=ca?${MODULE}&pin-source=credential:hsm-pin`,
      { token: { slotId: 327 }, pinSource: { kind: 'credential', name: 'hsm-pin' } },
    ],
  ];
  for (const [text, parts] of EXAMPLES)
    it(`reads ${text}`, () => {
      expect(parseKeyReference(text)).to.deep.include({ uri: text, ...parts });
    });

  it('takes a file for the PIN in each of its spellings', () => {
    for (const source of ['/run/pin', 'file:/run/pin', 'file:///run/pin', 'file://localhost/run/pin'])
      expect(parseKeyReference(`pkcs11:?${MODULE}&pin-source=${source}`), source).to.deep.include({
        pinSource: { kind: 'file', path: '/run/pin' },
      });
  });

  const REFUSED: readonly (readonly [text: string, message: RegExp, hint: RegExp])[] = [
    ['pkcs11:object=a', /names no module/, /path of the token's library/],
    [`pkcs11:object=a;object=b?${MODULE}`, /has object twice/, /./],
    [`pkcs11:object=a;?${MODULE}`, /not NAME=VALUE/, /./],
    [`pkcs11:object=a;vendor-aaa=value-a?${MODULE}`, /"vendor-aaa" in its path/, /Known there: token,/],
    [`pkcs11:object=a?${MODULE}&vendor-bbb=value-b`, /"vendor-bbb" in its query/, /Known there: module-path/],
    [`pkcs11:object=a;${MODULE}`, /module-path in its path/, /./],
    [`pkcs11:?object=a&${MODULE}`, /object behind the question mark/, /./],
    [`pkcs11:object=a b?${MODULE}`, /has " " in its object/, /Write it as %20/],
    [`pkcs11:object=a/b?${MODULE}`, /has "\/" in its object/, /Write it as %2F/],
    [`pkcs11:object=%4?${MODULE}`, /without two hexadecimal digits/, /%25/],
    [`pkcs11:object=%ff?${MODULE}`, /no text in UTF-8/, /./],
    [`pkcs11:object=ca;type=cert?${MODULE}`, /no private key/, /type=private/],
    [`pkcs11:object=a%00b?${MODULE}`, /no text in UTF-8/, /./],
    [`pkcs11:id=?${MODULE}`, /1 to 256 bytes/, /./],
    [`pkcs11:slot-id=0x1?${MODULE}`, /slot-id that is no decimal number/, /./],
    [`pkcs11:library-version=1.2.3?${MODULE}`, /library-version/, /./],
    ['pkcs11:object=a?module-path=libsofthsm2.so', /not absolute/, /./],
    ['pkcs11:object=a?module-name=/usr/lib/x.so', /module-name that is a path/, /module-path/],
    [`pkcs11:object=a?${MODULE}&pin-source=|/bin/pin`, /a program run for its PIN/, /credential/],
    [`pkcs11:object=a?${MODULE}&pin-source=credential:../pin`, /neither an absolute path/, /LoadCredential/],
    [`pkcs11:object=a?${MODULE}&pin-source=file://other/pin`, /neither an absolute path/, /./],
  ];
  for (const [text, message, hint] of REFUSED)
    it(`refuses ${text.slice(0, 90)}`, () => {
      const error = refused(text);
      expect(error.code).to.equal('KEY_URI_MALFORMED');
      expect(error.message).to.match(message);
      expect(error.hint).to.match(hint);
    });

  it('refuses a PIN in a URI, and never repeats what may be one', () => {
    for (const text of [
      `pkcs11:object=a?${MODULE}&pin-value=4711-geheim`,
      `pkcs11:object=a;pin-value=4711-geheim?${MODULE}`,
      `pkcs11:object=a?${MODULE}&pin-source=4711-geheim`,
      `pkcs11:object=a?${MODULE}&pin=4711-geheim`,
      `pkcs11:object=a?${MODULE}&4711-geheim`,
      `pkcs11:object=a?${MODULE}&PIN-VALUE=4711-geheim`,
    ]) {
      const error = refused(text);
      for (const shown of [error.message, error.hint ?? '']) expect(shown, text).not.to.include('4711');
    }
    expect(refused(`pkcs11:object=a?${MODULE}&pin-value=1`).hint).to.include('pin-source=');
  });

  it('reads back every label and id', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        (label, id) => {
          const encoded = encodeURIComponent(label.toWellFormed());
          const bytes = Buffer.from(id).toString('hex').replace(/../g, '%$&');
          const reference = parseKeyReference(`pkcs11:object=${encoded};id=${bytes}?${MODULE}`);
          expect(reference).to.deep.include({ key: { object: label.toWellFormed(), id } });
        },
      ),
      { numRuns: runs(200) },
    );
  });
});
