import { webcrypto } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { parseCsr } from '../../ca/csr.ts';
import { isProven, proveKey, type ProvenKey } from '../../ca/possession.ts';
import { RequestError, type RequestReason } from '../../ca/request-error.ts';
import {
  DEFAULT_SIGNING_ALGORITHMS,
  permitAlgorithms,
  SIGNING_ALGORITHM_NAMES,
} from '../../ca/signing-algorithms.ts';
import * as x509 from '../../ca/x509.ts';
import { readOnly } from '../../core/der-reader.ts';
import { contextTag, Tag } from '../../core/der-tag.ts';
import { explicit, oid, sequence, tlv, utf8String } from '../../core/der-writer.ts';
import { decodePem } from '../../core/pem.ts';
import { csrOf, type CsrOptions } from './support/csr.ts';
import { KEY_TYPES, testKey } from './support/keys.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { emailPrincipal } from './support/principal.ts';
import { skipUnless } from '../support/skipped.ts';
import { runs } from '../support/runs.ts';

const standard = permitAlgorithms(DEFAULT_SIGNING_ALGORITHMS);
const prove = (pem: Uint8Array, gate = standard): ProvenKey =>
  proveKey({ kind: 'csr', pem }, emailPrincipal(), { permit: gate, csr: true });
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function expectRefusal(code: RequestReason, pem: Uint8Array, message: RegExp = /./): void {
  expect(() => prove(pem))
    .to.throw(RequestError, message)
    .with.property('code', code);
}

const pss = (hash: string): Uint8Array =>
  sequence(oid('1.2.840.113549.1.1.10'), sequence(explicit(0, sequence(oid(hash)))));

describe('ca/csr', () => {
  for (const type of KEY_TYPES) {
    it(`proves ${type} by the request's own signature`, () => {
      const key = prove(csrOf(testKey(type)));
      expect(key).to.include({ type, provenBy: 'csr' });
      expect(isProven(key)).to.equal(true);
    });
  }

  it('ignores subject, attributes and the older label', () => {
    const name = tlv(Tag.set, sequence(oid('2.5.4.3'), utf8String('mallory@example.org')));
    const variants: CsrOptions[] = [
      { subject: sequence(name) },
      { attributes: null },
      { label: 'NEW CERTIFICATE REQUEST' },
    ];
    for (const options of variants) expect(prove(csrOf(testKey('P-256'), options)).type).to.equal('P-256');
  });

  const malformed: Record<string, CsrOptions> = {
    'another version': { version: 1 },
    'bytes behind it': { edit: (der) => Uint8Array.of(...der, 0) },
    'a fourth member': {
      edit: (der) => sequence(readOnly(der, Tag.sequence).value, Uint8Array.of(5, 0)),
    },
    'a member behind its attributes': {
      attributes: Uint8Array.of(...tlv(contextTag(0, true)), 5, 0),
    },
    'its attributes twice': {
      attributes: Uint8Array.of(...tlv(contextTag(0, true)), ...tlv(contextTag(0, true))),
    },
    'a cut end': { edit: (der) => der.subarray(0, der.length - 3) },
    'another label': { label: 'CERTIFICATE' },
    'a key that is none': { spki: sequence(oid('1.2.3')) },
  };
  for (const [name, options] of Object.entries(malformed)) {
    it(`refuses a request with ${name} as malformed`, () => {
      expectRefusal('CSR_MALFORMED', csrOf(testKey('P-256'), options));
    });
  }

  it('refuses text that is no PEM, and text without end', () => {
    expectRefusal('CSR_MALFORMED', bytes('invalid'));
    expectRefusal('CSR_MALFORMED', new Uint8Array(0));
    expectRefusal('CSR_MALFORMED', bytes('-----BEGIN CERTIFICATE REQUEST-----\nAAAA'));
    expectRefusal('CSR_MALFORMED', new Uint8Array(70_000).fill(0x41));
  });

  it('refuses a signature by another key, and a changed one', () => {
    const other = new Uint8Array(testKey('P-384').publicKey.export({ type: 'spki', format: 'der' }));
    expectRefusal('CSR_SIGNATURE_INVALID', csrOf(testKey('P-256'), { spki: other }));
    const flip = (der: Uint8Array): Uint8Array =>
      Uint8Array.from(der, (b, i) => (i === der.length - 1 ? b ^ 1 : b));
    for (const type of KEY_TYPES)
      expectRefusal('CSR_SIGNATURE_INVALID', csrOf(testKey(type), { edit: flip }));
  });

  it('refuses an algorithm of another kind than the key', () => {
    const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
    expectRefusal('CSR_SIGNATURE_INVALID', csrOf(testKey('RSA-2048'), { algorithm }));
  });

  const unrecognized: [Uint8Array, string][] = [
    [pss('2.16.840.1.101.3.4.2.1'), 'SHA256-RSAPSS'],
    [pss('2.16.840.1.101.3.4.2.2'), 'SHA384-RSAPSS'],
    [pss('2.16.840.1.101.3.4.2.3'), 'SHA512-RSAPSS'],
    [sequence(oid('1.2.840.113549.1.1.10')), '0'],
    [sequence(oid('2.16.840.1.101.3.4.3.2')), 'DSA-SHA256'],
    [sequence(oid('1.2.3.4')), '0'],
  ];
  for (const [algorithm, goName] of unrecognized) {
    it(`names the algorithm that it refuses: ${goName}`, () => {
      const pem = csrOf(testKey('RSA-2048'), { algorithm });
      expectRefusal(
        'CSR_ALGORITHM_UNRECOGNIZED',
        pem,
        new RegExp(`^unrecognized signature algorithm: ${goName}$`),
      );
    });
  }

  it('refuses SHA-1 and MD5', () => {
    for (const dotted of ['1.2.840.113549.1.1.5', '1.2.840.113549.1.1.4', '1.2.840.10045.4.1']) {
      const pem = csrOf(testKey('RSA-2048'), { algorithm: sequence(oid(dotted)) });
      expectRefusal('CSR_SIGNATURE_INVALID', pem, /not secure/);
    }
  });

  it('asks the registry about key and hash together', () => {
    const all = permitAlgorithms(SIGNING_ALGORITHM_NAMES);
    const p384 = csrOf(testKey('P-384'), { hash: 'sha256' });
    expect(() => prove(p384)).to.throw('signing algorithm not permitted: *ecdsa.PublicKey, SHA-256');
    expect(prove(p384, all).type).to.equal('P-384');
    const rsa = csrOf(testKey('RSA-2048'), { hash: 'sha512' });
    expect(() => prove(rsa)).to.throw('signing algorithm not permitted: *rsa.PublicKey, SHA-512');
    const gate = permitAlgorithms(['ecdsa-sha2-256-nistp256']);
    const ed25519 = csrOf(testKey('Ed25519'));
    expect(() => prove(ed25519, gate)).to.throw('not permitted: ed25519.PublicKey, unknown hash value 0');
  });

  it('finds a weak key before it looks at the signature', () => {
    const spki = new Uint8Array(testKey('RSA-2048').publicKey.export({ type: 'spki', format: 'der' }));
    spki[spki.length - 1] = 3; // the exponent becomes 65539
    expectRefusal('KEY_INSECURE', csrOf(testKey('P-256'), { spki }));
  });

  it('reads what @peculiar/x509 writes', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: 'CN=ignored',
      keys: keys as CryptoKeyPair,
      signingAlgorithm: algorithm,
      extensions: [new x509.BasicConstraintsExtension(false)],
    });
    expect(prove(bytes(csr.toString('pem'))).type).to.equal('P-256');
  });

  it('reads what openssl writes', function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    for (const type of KEY_TYPES) {
      const key = testKey(type);
      const digest = key.hash === undefined ? [] : [`-${key.hash}`];
      const args = [
        'req',
        '-new',
        '-key',
        'key.pem',
        '-subj',
        '/CN=x',
        '-addext',
        'subjectAltName=email:a@b.c',
      ];
      const files = { 'key.pem': key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
      const pem = openssl(files, [[...args, ...digest]], ({ stdout }) => bytes(stdout));
      expect(prove(pem).type).to.equal(type);
    }
  });

  it('never throws anything but RequestError', () => {
    const [block] = decodePem(Buffer.from(csrOf(testKey('P-256'))).toString());
    const der = block?.bytes ?? new Uint8Array(0);
    const edits = fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 });
    const mutated = edits.map((list) =>
      csrOf(testKey('P-256'), {
        edit: () => {
          const out = Uint8Array.from(der);
          for (const [at, value] of list) out[at] = value;
          return out;
        },
      }),
    );
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 400 })), (pem) => {
        for (const run of [() => parseCsr(pem), () => prove(pem)]) {
          try {
            run();
          } catch (error) {
            expect(error).to.be.instanceOf(RequestError);
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
