import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import forge from 'node-forge';
import { signCertificate } from '../../ca/certificate.ts';
import { proveKey } from '../../ca/possession.ts';
import { signPrecertificate } from '../../ca/precertificate.ts';
import { RequestError } from '../../ca/request-error.ts';
import { ReleaseError } from '../../ca/release-error.ts';
import { newSerial, serialHex } from '../../ca/serial.ts';
import { DEFAULT_SIGNING_ALGORITHMS, permitAlgorithms } from '../../ca/signing-algorithms.ts';
import { leafValidity } from '../../ca/validity.ts';
import { withoutExtension } from '../../ca/without-extension.ts';
import * as x509 from '../../ca/x509.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { oid } from '../../core/der-writer.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { FULCIO_EXTENSIONS } from '../../core/fulcio-extensions.ts';
import { decodeSubjectAltNames } from '../../core/subject-alt-name.ts';
import { POISON_OID, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import type { Principal } from '../../oidc/core/principal.ts';
import { anything } from '../../verify/identity-policy.ts';
import type { Step } from '../../verify/step.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { NOW, pemOf, testAuthority, type TestAuthority } from './support/authority.ts';
import { KEY_TYPES, proofOf, testKey } from './support/keys.ts';
import { memoryLog } from './support/memory-log.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { emailPrincipal, workflowPrincipal } from './support/principal.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureOf } from '../support/failure.ts';

const demands = { permit: permitAlgorithms(DEFAULT_SIGNING_ALGORITHMS), csr: true };

interface Made {
  readonly final: Uint8Array;
  readonly precertificate: Uint8Array;
  readonly logged: Uint8Array;
}

async function make(
  ca: TestAuthority,
  principal: Principal,
  type: (typeof KEY_TYPES)[number] = 'P-256',
  serial = newSerial(),
): Promise<Made> {
  const key = testKey(type);
  const proof = proofOf(key, principal.challenge);
  const proven = proveKey({ kind: 'publicKey', content: pemOf(key.publicKey), proof }, principal, demands);
  const validity = leafValidity(NOW, 600, ca.authority.validity);
  const pre = await signPrecertificate(ca.authority, { key: proven, principal, validity, serial });
  const committed = await memoryLog(() => NOW).append(pre.entry);
  const final = await signCertificate(ca.authority, pre, committed);
  return { final, precertificate: pre.entry.precertificate, logged: pre.entry.tbs };
}

const PRINCIPALS: Readonly<Record<string, () => Principal>> = {
  email: () => emailPrincipal(),
  uri: () => emailPrincipal({ san: { type: 'uri', value: 'https://example.org/users/1?x=%C3%A9' } }),
  username: () => emailPrincipal({ san: { type: 'username', value: 'jörg!example.org' } }),
  'a workflow with every extension': workflowPrincipal,
};

/** The library wants a buffer that nobody shares. */
const peculiar = (der: Uint8Array): x509.X509Certificate => new x509.X509Certificate(new Uint8Array(der));

const ORDER = ['2.5.29.15', '2.5.29.37', '2.5.29.14', '2.5.29.35', '2.5.29.17'];

describe('ca/profile', () => {
  let ca: TestAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  for (const [name, principal] of Object.entries(PRINCIPALS)) {
    describe(`for ${name}`, () => {
      it('writes the extensions of Fulcio in their order, and the SCT list last', async () => {
        const { final, precertificate } = await make(ca, principal());
        const values = principal().extensions;
        const fulcio = FULCIO_EXTENSIONS.filter(({ number }) => (values.get(number) ?? '') !== '').map(
          ({ number }) => `1.3.6.1.4.1.57264.1.${number}`,
        );
        const oids = (der: Uint8Array): string[] => parseCertificate(der).extensions.map((e) => e.oid);
        expect(oids(final)).to.deep.equal([...ORDER, ...fulcio, SCT_LIST_OID]);
        expect(oids(precertificate)).to.deep.equal([...ORDER, ...fulcio, POISON_OID]);
        const critical = parseCertificate(precertificate).extensions.filter((e) => e.critical);
        expect(critical.map((e) => e.oid)).to.deep.equal(['2.5.29.15', '2.5.29.17', POISON_OID]);
      });

      it('carries the identity and every value', async () => {
        const cert = parseCertificate((await make(ca, principal())).final);
        const { san, extensions } = principal();
        const names = decodeSubjectAltNames(findExtension(cert, '2.5.29.17')?.value ?? new Uint8Array(0));
        expect(names).to.deep.equal([san]);
        for (const { number, encoding } of FULCIO_EXTENSIONS) {
          const found = findExtension(cert, `1.3.6.1.4.1.57264.1.${number}`);
          const wanted = extensions.get(number) ?? '';
          if (wanted === '') expect(found).to.equal(undefined);
          else if (encoding === 'raw') expect(Buffer.from(found?.value ?? []).toString()).to.equal(wanted);
          else expect(forgeText(found?.value ?? new Uint8Array(0))).to.equal(wanted);
        }
      });

      it('makes one TBSCertificate out of both: without poison, without SCTs, as logged', async () => {
        const { final, precertificate, logged } = await make(ca, principal());
        const parts = [
          withoutExtension(parseCertificate(final).tbs, oid(SCT_LIST_OID)),
          withoutExtension(parseCertificate(precertificate).tbs, oid(POISON_OID)),
        ];
        for (const part of parts) expect(Buffer.from(part ?? []).equals(logged)).to.equal(true);
      });

      it('says to @peculiar/x509 what it says to us', async () => {
        const { final } = await make(ca, principal());
        const parsed = peculiar(final);
        expect(parsed.subject).to.equal('');
        expect(parsed.issuer).to.equal(peculiar(ca.intermediateDer).subject);
        const issuerKey = peculiar(ca.intermediateDer).publicKey;
        expect(await parsed.verify({ publicKey: issuerKey, date: new Date(NOW) })).to.equal(true);
        for (const extension of parsed.extensions) {
          const own = findExtension(parseCertificate(final), extension.type);
          expect(Buffer.from(extension.rawData).equals(Buffer.from(own?.raw ?? []))).to.equal(true);
        }
      });

      it('is DER to node-forge, which writes the same bytes again', async () => {
        const { final } = await make(ca, principal());
        const text = Buffer.from(final).toString('latin1');
        const again = forge.asn1.toDer(forge.asn1.fromDer(text)).getBytes();
        expect(again === text).to.equal(true);
      });
    });
  }

  for (const type of KEY_TYPES) {
    it(`certifies ${type}: key, key identifiers and signature hold`, async () => {
      const { final, precertificate } = await make(ca, emailPrincipal(), type);
      const issuer = new X509Certificate(Buffer.from(ca.intermediateDer));
      for (const der of [final, precertificate]) {
        const cert = new X509Certificate(Buffer.from(der));
        expect(cert.verify(issuer.publicKey)).to.equal(true);
        expect(cert.publicKey.equals(testKey(type).publicKey)).to.equal(true);
      }
      const parsed = peculiar(final);
      const ski = parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
      const wanted = await x509.SubjectKeyIdentifierExtension.create(parsed.publicKey);
      expect(ski).to.equal(wanted.keyId);
      const aki = parsed.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
      const parent = peculiar(ca.intermediateDer);
      expect(aki).to.equal(parent.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId);
    });
  }

  for (const keyType of ['p256', 'p384', 'rsa3072']) {
    it(`is accepted by openssl below a CA with ${keyType}`, async function () {
      skipUnless(this, hasOpenssl(), 'there is no openssl');
      const own = await testAuthority(keyType);
      const { final } = await make(own, emailPrincipal());
      const pem = (der: Uint8Array): string => new X509Certificate(Buffer.from(der)).toString();
      const files = {
        'leaf.pem': pem(final),
        'intermediate.pem': pem(own.intermediateDer),
        'root.pem': pem(own.rootDer),
      };
      const at = String(Math.floor(NOW / 1000));
      const chain = ['-CAfile', 'root.pem', '-untrusted', 'intermediate.pem', '-attime', at, '-x509_strict'];
      const verified = openssl(files, [['verify', ...chain, 'leaf.pem']], ({ stdout }) => stdout);
      expect(verified).to.match(/leaf\.pem: OK/);
      const text = openssl(files, [['x509', '-in', 'leaf.pem', '-noout', '-text']], ({ stdout }) => stdout);
      for (const expected of [
        /X509v3 Key Usage: critical\s+Digital Signature\n/,
        /X509v3 Extended Key Usage: ?\n\s+Code Signing\n/,
        /X509v3 Subject Alternative Name: critical\s+email:alice@example\.org\n/,
        /1\.3\.6\.1\.4\.1\.57264\.1\.1: ?\n\s+https:\/\/issuer\.example\.org\n/,
        /CT Precertificate SCTs:\s+Signed Certificate Timestamp:\s+Version\s+: v1/,
        /Not Before: Nov 22 10:00:00 2026 GMT\s+Not After : Nov 22 10:10:00 2026 GMT/,
        /Subject: ?\n/,
      ]) {
        expect(text).to.match(expected);
      }
    });
  }

  it('shows openssl a username as an otherName with UTF-8 inside', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const principal = emailPrincipal({ san: { type: 'username', value: 'joe!example.org' } });
    const { final } = await make(ca, principal);
    const text = openssl(
      { 'leaf.der': final },
      [['asn1parse', '-inform', 'DER', '-in', 'leaf.der']],
      (r) => r.stdout,
    );
    expect(text).to.match(/OCTET STRING\s+\[HEX DUMP\]:302[0-9A-F]A0[0-9A-F]+2B0601040183BF300107/);
  });

  it('writes serials as DER wants them, whatever their first byte', async () => {
    for (const first of [0x00, 0x01, 0x7f]) {
      for (const second of [0x00, 0x80]) {
        const serial = new Uint8Array(20).fill(0x11);
        serial[0] = first;
        serial[1] = second;
        const { final } = await make(ca, emailPrincipal(), 'P-256', serial);
        const shown = new X509Certificate(Buffer.from(final)).serialNumber;
        expect(BigInt(`0x${shown}`)).to.equal(BigInt(`0x${serialHex(serial)}`));
      }
    }
  });

  it('refuses an empty issuer in the words of Fulcio', async () => {
    const principal = emailPrincipal({
      extensions: new Map([
        [1, ''],
        [8, ''],
      ]),
    });
    const failure: unknown = await failureOf(make(ca, principal));
    expect(failure).to.be.instanceOf(RequestError).with.property('code', 'ISSUER_MISSING');
    expect(failure).to.have.property('message', 'extensions must have a non-empty issuer url');
  });

  const unencodable: Record<string, Partial<Principal>> = {
    'an e-mail that is not ASCII': { san: { type: 'email', value: 'jörg@example.org' } },
    'a URI that is not ASCII': { san: { type: 'uri', value: 'https://exämple.org/' } },
    'a NUL in a name': { san: { type: 'email', value: 'alice@example.org\0.evil.org' } },
    'a newline in a username': { san: { type: 'username', value: 'a\nb!example.org' } },
    'an empty name': { san: { type: 'uri', value: '' } },
    'a joiner in a username': { san: { type: 'username', value: 'a\u200db!example.org' } },
    'an invisible character in the name of an issuer': {
      extensions: new Map([
        [1, 'https://i\u200b'],
        [8, 'https://i\u200b'],
      ]),
    },
    'half a surrogate in a claim': {
      extensions: new Map([
        [1, 'https://i'],
        [8, 'https://i'],
        [4, '\ud800'],
      ]),
    },
  };
  for (const [name, over] of Object.entries(unencodable)) {
    it(`refuses ${name}`, async () => {
      const failure: unknown = await failureOf(make(ca, emailPrincipal(over)));
      expect(failure).to.be.instanceOf(RequestError).with.property('code', 'IDENTITY_UNENCODABLE');
    });
  }

  const withValues = (values: readonly (readonly [number, string])[]): Principal => {
    const { extensions } = emailPrincipal();
    return emailPrincipal({ extensions: new Map([...extensions, ...values]) });
  };
  const four = [9, 10, 11].map((number) => [number, 'x'.repeat(8192)] as const);
  const tooLarge: Record<string, Principal> = {
    'a name': emailPrincipal({ san: { type: 'uri', value: `https://example.org/${'x'.repeat(8192)}` } }),
    'a value': withValues([[4, 'x'.repeat(8193)]]),
    'a value whose UTF-8': withValues([[4, 'é'.repeat(4097)]]),
    'a certificate': withValues([...four, [12, 'x'.repeat(8192)]]),
  };
  for (const [name, principal] of Object.entries(tooLarge)) {
    it(`refuses ${name} that would be too large, and signs nothing`, async () => {
      let signatures = 0;
      const sign = (data: Uint8Array): Promise<Uint8Array> => {
        signatures++;
        return ca.authority.signer.sign(data);
      };
      const watched = { ...ca, authority: { ...ca.authority, signer: { ...ca.authority.signer, sign } } };
      const failure: unknown = await failureOf(make(watched, principal));
      expect(failure).to.be.instanceOf(RequestError).with.property('code', 'IDENTITY_TOO_LARGE');
      expect(failure)
        .to.have.property('message')
        .that.matches(/longer than (8|32) KiB/);
      expect(signatures).to.equal(0);
    });
  }

  it('keeps the largest certificate below what the verifier reads', async () => {
    const sizeOf = async (last: number): Promise<number> => {
      const { logged } = await make(ca, withValues([...four, [12, 'x'.repeat(last)]]), 'RSA-4096');
      return logged.length;
    };
    const spare = 32_768 - (await sizeOf(4000));
    expect(await sizeOf(4000 + spare)).to.equal(32_768);
    const over: unknown = await failureOf(sizeOf(4001 + spare));
    expect(over).to.have.property('code', 'IDENTITY_TOO_LARGE');

    const principal = withValues([...four, [12, 'x'.repeat(4000 + spare)]]);
    const { final } = await make(ca, principal, 'RSA-4096');
    const { ok, detail } = await certificateStep(final, ca);
    expect(detail).to.contain('for code signing');
    expect(ok).to.equal(true);
  });

  it('signs no precertificate for a key that only looks proven', async () => {
    const key = testKey('P-256');
    const principal = emailPrincipal();
    const request = { content: pemOf(key.publicKey), proof: proofOf(key, principal.challenge) };
    const proven = proveKey({ kind: 'publicKey', ...request }, principal, demands);
    const validity = leafValidity(NOW, 600, ca.authority.validity);
    const content = { principal, validity, serial: newSerial(), key: Object.assign({}, proven) };
    const failure: unknown = await failureOf(signPrecertificate(ca.authority, content));
    expect(failure).to.be.instanceOf(ReleaseError).with.property('code', 'NOT_PROVEN');
  });

  it('signs no certificate that differs from the entry in anything but the SCT', async () => {
    const key = testKey('P-256');
    const principal = emailPrincipal();
    const request = { content: pemOf(key.publicKey), proof: proofOf(key, principal.challenge) };
    const proven = proveKey({ kind: 'publicKey', ...request }, principal, demands);
    const validity = leafValidity(NOW, 600, ca.authority.validity);
    const [one, two] = await Promise.all(
      [newSerial(), newSerial()].map((serial) =>
        signPrecertificate(ca.authority, { key: proven, principal, validity, serial }),
      ),
    );
    if (one === undefined || two === undefined) throw new Error('no precertificates');
    const committed = await memoryLog(() => NOW).append(one.entry);
    const mixed = { ...one, shared: two.shared };
    const failure: unknown = await failureOf(signCertificate(ca.authority, mixed, committed));
    expect(failure).to.be.instanceOf(ReleaseError).with.property('code', 'TBS_MISMATCH');
  });

  it('prepares what the log needs of the CA', () => {
    const issuer = parseCertificate(ca.intermediateDer);
    const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
    expect(Buffer.from(ca.authority.issuerKeyHash).toString('hex')).to.equal(sha256(issuer.spki));
    expect(Buffer.from(ca.authority.chainFingerprints).toString('hex')).to.equal(
      sha256(ca.intermediateDer) + sha256(ca.rootDer),
    );
  });
});

/** What the verifier's first step says of a certificate: it can be read, and is one for code signing. */
async function certificateStep(certificate: Uint8Array, ca: TestAuthority): Promise<Step> {
  const trust = { roots: [ca.rootDer], intermediates: [ca.intermediateDer], logs: [] };
  const policy = { identity: anything, issuer: anything };
  const { steps } = await verifyCertificate({ certificate, trust, policy, crypto: platformCrypto });
  const [first] = steps;
  if (first === undefined) throw new Error('no step');
  return first;
}

const forgeText = (der: Uint8Array): string => {
  const { value, type } = forge.asn1.fromDer(Buffer.from(der).toString('latin1'));
  expect(type).to.equal(forge.asn1.Type.UTF8);
  return Buffer.from(value as string, 'latin1').toString('utf8');
};
