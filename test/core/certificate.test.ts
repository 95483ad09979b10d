import 'reflect-metadata';
import { X509Certificate as PeculiarCertificate } from '@peculiar/x509';
import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import { toHex } from '../../core/bytes.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { readOnly } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import * as der from '../../core/der-writer.ts';
import { opensslCertificate } from '../support/certificates.ts';
import { expectTypedErrors, hex, refusalOf } from '../support/parsers.ts';

const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const SAMPLES: Record<string, Uint8Array> = {
  'P-256': opensslCertificate(P256, '/O=Example Org/CN=Example'),
  'P-384': opensslCertificate(
    ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    '/CN=x',
    ['keyUsage=critical,keyCertSign,cRLSign'],
    ['-sha384'],
  ),
  RSA: opensslCertificate(['rsa:2048'], '/C=DE/L=Köln/CN=ünï', [
    'extendedKeyUsage=codeSigning',
    'subjectAltName=email:a@b.c,URI:https://x.y/z',
  ]),
  Ed25519: opensslCertificate(['ed25519'], '/CN=e', ['subjectKeyIdentifier=hash']),
};
const sample = SAMPLES['P-256'] ?? new Uint8Array();

interface Recipe {
  version: Uint8Array;
  serial: Uint8Array;
  inner: Uint8Array;
  outer: Uint8Array;
  notBefore: Uint8Array;
  notAfter: Uint8Array;
  extensions: readonly Uint8Array[];
  tail: Uint8Array;
}

const ECDSA = der.sequence(der.oid('1.2.840.10045.4.3.2'));
const utcTime = (text: string): Uint8Array => der.tlv(Tag.utcTime, Buffer.from(text));
const extension = (oid: string, ...rest: Uint8Array[]): Uint8Array => der.sequence(der.oid(oid), ...rest);
const good: Recipe = {
  version: der.explicit(0, hex('02 01 02')),
  serial: hex('02 01 07'),
  inner: ECDSA,
  outer: ECDSA,
  notBefore: utcTime('230101000000Z'),
  notAfter: der.tlv(Tag.generalizedTime, Buffer.from('20510101000000Z')),
  extensions: [extension('1.2.3', der.boolean(true), der.octetString(hex('05 00')))],
  tail: new Uint8Array(),
};

/** A certificate with one thing changed. */
function bake(change: Partial<Recipe>): Uint8Array {
  const is = { ...good, ...change };
  const name = der.sequence();
  const spki = der.sequence(der.sequence(der.oid('1.3.101.112')), der.bitString(new Uint8Array(32)));
  const tbs = der.sequence(
    ...[is.version, is.serial, is.inner, name, der.sequence(is.notBefore, is.notAfter), name, spki],
    ...(is.extensions.length === 0 ? [] : [der.explicit(3, der.sequence(...is.extensions))]),
    is.tail,
  );
  return der.sequence(tbs, is.outer, der.bitString(hex('0102')));
}

describe('core/certificate', () => {
  for (const [name, bytes] of Object.entries(SAMPLES)) {
    it(`reads the same as Node and @peculiar/x509: ${name}`, () => {
      const ours = parseCertificate(bytes);
      const node = new X509Certificate(bytes);
      const peculiar = new PeculiarCertificate(Uint8Array.from(bytes));
      expect(toHex(ours.serial)).to.equal(node.serialNumber.toLowerCase());
      expect(ours.notBefore).to.equal(Date.parse(node.validFrom));
      expect(ours.notAfter).to.equal(Date.parse(node.validTo));
      expect(Buffer.from(ours.spki).equals(node.publicKey.export({ type: 'spki', format: 'der' }))).to.equal(
        true,
      );
      expect(toHex(ours.signature)).to.equal(toHex(new Uint8Array(peculiar.signature)));
      expect(
        ours.extensions.map(({ oid, critical, value, raw }) => [oid, critical, toHex(value), toHex(raw)]),
      ).to.deep.equal(
        peculiar.extensions.map((is) => [
          is.type,
          is.critical,
          toHex(new Uint8Array(is.value)),
          toHex(new Uint8Array(is.rawData)),
        ]),
      );
      expect(toHex(ours.subject)).to.equal(toHex(new Uint8Array(peculiar.subjectName.toArrayBuffer())));
      expect(node.checkIssued(node)).to.equal(true);
      expect(toHex(ours.issuer)).to.equal(toHex(ours.subject));
      expect(describeName(ours.subject).split(', ').reverse().join('\n')).to.equal(node.subject);
    });
  }

  it('covers with tbs exactly what the issuer signed', () => {
    const { tbs, der: all } = parseCertificate(sample);
    expect(tbs.byteOffset - all.byteOffset).to.equal(4);
    expect(tbs[0]).to.equal(Tag.sequence);
    expect(readOnly(tbs, Tag.sequence).raw.length).to.equal(tbs.length);
  });

  it('takes what RFC 5280 allows: no extensions, both forms of time, obsolete unique ids', () => {
    expect(parseCertificate(bake({})).notAfter).to.equal(Date.parse('2051-01-01T00:00:00Z'));
    expect(parseCertificate(bake({ notBefore: utcTime('500101000000Z') })).notBefore).to.equal(
      Date.parse('1950-01-01T00:00:00Z'),
    );
    expect(parseCertificate(bake({ extensions: [] })).extensions).to.be.empty;
    expect(findExtension(parseCertificate(bake({})), '1.2.3')?.critical).to.equal(true);
    expect(findExtension(parseCertificate(bake({})), '1.2.4')).to.equal(undefined);
    expect(toHex(parseCertificate(bake({ serial: hex('02 02 00 ff') })).serial)).to.equal('ff');
  });

  const refused: Record<string, Uint8Array> = {
    'version 1': bake({ version: new Uint8Array() }),
    'version 2': bake({ version: der.explicit(0, hex('02 01 01')) }),
    'a negative serial': bake({ serial: hex('02 01 ff') }),
    'a padded serial': bake({ serial: hex('02 02 00 01') }),
    'a serial of 21 octets': bake({ serial: der.unsignedInteger(new Uint8Array(21).fill(1)) }),
    'two algorithms': bake({ outer: der.sequence(der.oid('1.2.840.10045.4.3.3')) }),
    'the same algorithm with and without NULL': bake({
      outer: der.sequence(der.oid('1.2.840.10045.4.3.2'), hex('0500')),
    }),
    'a time without seconds': bake({ notBefore: utcTime('2301010000Z') }),
    'a time with an offset': bake({ notBefore: utcTime('230101000000+0000') }),
    '30 February': bake({ notBefore: utcTime('230230000000Z') }),
    'hour 24': bake({ notBefore: utcTime('230101240000Z') }),
    'a time with a fraction': bake({
      notAfter: der.tlv(Tag.generalizedTime, Buffer.from('20510101000000.5Z')),
    }),
    'a time that is a text': bake({ notAfter: der.utf8String('20510101000000Z') }),
    'an extension twice': bake({ extensions: [...good.extensions, ...good.extensions] }),
    'an encoded default': bake({ extensions: [extension('1.2.3', der.boolean(false), der.octetString())] }),
    'a flag that is neither 00 nor FF': bake({
      extensions: [extension('1.2.3', hex('01 01 01'), der.octetString())],
    }),
    'an extension without a value': bake({ extensions: [extension('1.2.3')] }),
    'an extension with more than a value': bake({
      extensions: [extension('1.2.3', der.octetString(), hex('0500'))],
    }),
    'something behind the extensions': bake({ tail: hex('0500') }),
    'an empty list of extensions': bake({ extensions: [], tail: der.explicit(3, der.sequence()) }),
    'bytes behind the certificate': Uint8Array.from([...bake({}), 0]),
    'half a certificate': bake({}).subarray(0, 40),
    nothing: new Uint8Array(),
  };
  for (const [what, bytes] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      expect(refusalOf(() => parseCertificate(bytes))).to.not.equal(undefined);
    });
  }

  it('throws nothing but FormatError, whatever the bytes', () => {
    expectTypedErrors(parseCertificate, [...Object.values(SAMPLES), bake({})]);
  });
});
