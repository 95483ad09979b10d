import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { basicConstraints, extendedKeyUsages, subjectKeyIdentifier } from '../../ca/ca-extensions.ts';
import { createAuthorityChain, type AuthorityChain } from '../../ca/ceremony.ts';
import { CA_KEY_TYPES } from '../../ca/certify.ts';
import { CeremonyError } from '../../ca/ceremony-error.ts';
import { loadAuthority } from '../../ca/authority.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { chainOf, NOW } from './support/authority.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureOf } from '../support/failure.ts';

const clock = (): number => NOW;
const make = (
  keyType: string,
  over: { commonName?: string; organization?: string; dev?: boolean } = {},
): Promise<AuthorityChain> =>
  createAuthorityChain({
    organization: 'Example Org',
    commonName: 'Example CA',
    dev: false,
    keyType,
    clock,
    ...over,
  });

describe('ca/ceremony', () => {
  for (const keyType of CA_KEY_TYPES) {
    it(`makes a chain with ${keyType} that openssl verifies and the authority loads`, async function () {
      const made = await make(keyType);
      const chainPem = chainOf(made.intermediateDer, made.rootDer);
      const authority = await loadAuthority({ chainPem, signer: localSigner(made.intermediateKey), clock });
      expect(authority.chain).to.have.length(2);
      skipUnless(this, hasOpenssl(), 'there is no openssl');
      const files = { 'root.pem': chainOf(made.rootDer), 'intermediate.pem': chainOf(made.intermediateDer) };
      const at = String(Math.floor(NOW / 1000) + 1);
      const verify = ['verify', '-x509_strict', '-attime', at, '-CAfile', 'root.pem', 'intermediate.pem'];
      expect(openssl(files, [verify], ({ stdout }) => stdout)).to.match(/intermediate\.pem: OK/);
    });
  }

  it("follows Fulcio's certificate specification", async () => {
    const made = await make('p256');
    const root = parseCertificate(made.rootDer);
    const intermediate = parseCertificate(made.intermediateDer);
    expect(describeName(root.subject)).to.equal('CN=Example CA, O=Example Org');
    expect(describeName(intermediate.subject)).to.equal('CN=Example CA intermediate, O=Example Org');
    expect(root.issuer).to.deep.equal(root.subject);
    expect(basicConstraints(root)).to.deep.equal({ ca: true, pathLength: undefined });
    expect(basicConstraints(intermediate)).to.deep.equal({ ca: true, pathLength: 0 });
    expect(extendedKeyUsages(root)).to.equal(undefined);
    expect(extendedKeyUsages(intermediate)).to.deep.equal(['1.3.6.1.5.5.7.3.3']);
    for (const cert of [root, intermediate]) {
      expect(findExtension(cert, '2.5.29.19')?.critical).to.equal(true);
      const usage = findExtension(cert, '2.5.29.15');
      expect(usage?.critical).to.equal(true);
      expect(Buffer.from(usage?.value ?? []).toString('hex')).to.equal('03020106');
      expect(subjectKeyIdentifier(cert)).to.have.length(20);
      expect(cert.notBefore).to.equal(NOW - 250);
      expect(new Set(cert.serial).size).to.be.greaterThan(2);
    }
    expect(findExtension(intermediate, '2.5.29.37')?.critical).to.equal(false);
    const keyId = Buffer.from(subjectKeyIdentifier(root) ?? []).toString('hex');
    const aki = Buffer.from(findExtension(intermediate, '2.5.29.35')?.value ?? []).toString('hex');
    expect(aki).to.include(keyId);
    const years = (cert: { notAfter: number }): number => (cert.notAfter - NOW) / (365.25 * 86_400_000);
    expect(years(root)).to.be.closeTo(10, 0.01);
    expect(years(intermediate)).to.be.closeTo(3, 0.01);
  });

  it('makes a key for each certificate', async () => {
    const made = await make('p384');
    expect(new X509Certificate(Buffer.from(made.rootDer)).checkPrivateKey(made.rootKey)).to.equal(true);
    const intermediate = new X509Certificate(Buffer.from(made.intermediateDer));
    expect(intermediate.checkPrivateKey(made.intermediateKey)).to.equal(true);
    expect(made.rootKey.equals(made.intermediateKey)).to.equal(false);
  });

  it('marks what is for development in both names', async () => {
    const made = await make('p256', { dev: true });
    for (const der of [made.rootDer, made.intermediateDer]) {
      expect(describeName(parseCertificate(der).subject)).to.match(/^CN=INSECURE DEV .*O=INSECURE DEV /);
    }
  });

  it('keeps names as they are, with signs that mean something in a text', async () => {
    const made = await make('p256', { organization: 'Müller, Söhne + "Co"', commonName: 'CN=x/O=y' });
    const { subject } = parseCertificate(made.rootDer);
    expect(describeName(subject)).to.match(/Müller.*Söhne.*Co/);
    expect(new X509Certificate(Buffer.from(made.rootDer)).toLegacyObject().subject).to.include({
      CN: 'CN=x/O=y',
      O: 'Müller, Söhne + "Co"',
    });
  });

  const refused: [string, Parameters<typeof make>, CeremonyError['code'], RegExp][] = [
    ['an Ed25519 key', ['ed25519'], 'KEY_TYPE_UNSUITABLE', /Ed25519/],
    ['an unknown key type', ['dsa'], 'KEY_TYPE_UNSUITABLE', /not known/],
    ['an empty name', ['p256', { commonName: ' ' }], 'NAME_UNSUITABLE', /empty or too long/],
    ['an empty organization', ['p256', { organization: '' }], 'NAME_UNSUITABLE', /empty or too long/],
    ['a name that is too long', ['p256', { commonName: 'x'.repeat(60) }], 'NAME_UNSUITABLE', /too long/],
  ];
  for (const [name, args, code, message] of refused) {
    it(`refuses ${name}`, async () => {
      const error: unknown = await failureOf(make(...args));
      expect(error).to.be.instanceOf(CeremonyError).with.property('code', code);
      expect((error as CeremonyError).message).to.match(message);
    });
  }
});
