import { expect } from 'chai';
import fc from 'fast-check';
import { adoptAuthority } from '../../ca/adopt.ts';
import { AuthorityError } from '../../ca/authority-error.ts';
import { CeremonyError } from '../../ca/ceremony-error.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { MayflyError } from '../../core/errors.ts';
import { chainOf, NOW, testAuthority, type TestAuthority } from './support/authority.ts';
import { hasOpenssl, openssl } from './support/openssl.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureAs } from '../support/failure.ts';

const PASS = 'password123';
const clock = (): number => NOW;
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** A PKCS#12 file as openssl writes it. */
function pkcs12(ca: TestAuthority, options: readonly string[], pass = PASS, withRoot = true): Uint8Array {
  const files = {
    'key.pem': writeKeyPem(ca.intermediateKey),
    'cert.pem': chainOf(ca.intermediateDer),
    'root.pem': chainOf(ca.rootDer),
  };
  const chain = withRoot ? ['-certfile', 'root.pem'] : [];
  const command = ['pkcs12', '-export', '-inkey', 'key.pem', '-in', 'cert.pem', ...chain, '-out', 'ca.p12'];
  return openssl(files, [[...command, '-passout', `pass:${pass}`, ...options]], ({ read }) => read('ca.p12'));
}

describe('ca/adopt', () => {
  let ca: TestAuthority;
  before(async () => {
    ca = await testAuthority();
  });

  it('adopts PEM files and keeps the chain as it is', async () => {
    for (const passphrase of [undefined, PASS]) {
      const key = bytes(writeKeyPem(ca.intermediateKey, passphrase));
      const adopted = await adoptAuthority({ chainPem: ca.chainPem, key, passphrase, clock });
      expect(adopted.chainPem).to.equal(ca.chainPem);
      expect(adopted.privateKey.equals(ca.intermediateKey)).to.equal(true);
    }
  });

  for (const keyType of ['p256', 'p384', 'rsa3072']) {
    it(`adopts a PKCS#12 file with ${keyType}, and orders its certificates`, async function () {
      skipUnless(this, hasOpenssl(), 'there is no openssl');
      const own = await testAuthority(keyType);
      for (const options of [
        [],
        ['-keypbe', 'AES-128-CBC', '-macalg', 'sha1'],
        ['-certpbe', 'NONE', '-keypbe', 'NONE'],
      ]) {
        const adopted = await adoptAuthority({ key: pkcs12(own, options), passphrase: PASS, clock });
        expect(adopted.chainPem).to.equal(own.chainPem);
        expect(adopted.privateKey.equals(own.intermediateKey)).to.equal(true);
      }
    });
  }

  it('adopts a PKCS#12 file encrypted in the way of the last century', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const options = ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'];
    const adopted = await adoptAuthority({ key: pkcs12(ca, options), passphrase: PASS, clock });
    expect(adopted.chainPem).to.equal(ca.chainPem);
  });

  it('prefers the chain that it is given', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const key = pkcs12(ca, [], PASS, false);
    const adopted = await adoptAuthority({ key, chainPem: ca.chainPem, passphrase: PASS, clock });
    expect(adopted.chainPem).to.equal(ca.chainPem);
  });

  it('says when a passphrase is wrong or missing, without saying it', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const files = [bytes(writeKeyPem(ca.intermediateKey, PASS)), pkcs12(ca, [])];
    for (const key of files) {
      const wrong = await failureAs(
        MayflyError,
        adoptAuthority({ chainPem: ca.chainPem, key, passphrase: 'other-secret', clock }),
      );
      expect(wrong).to.be.instanceOf(KeyFileError).with.property('code', 'PASSPHRASE_WRONG');
      expect(`${wrong.message}${wrong.hint ?? ''}`).not.to.include('other-secret');
      const missing = await failureAs(MayflyError, adoptAuthority({ chainPem: ca.chainPem, key, clock }));
      expect(missing).to.have.property('code', 'PASSPHRASE_MISSING');
    }
  });

  it('refuses a key without a chain, and one of another chain', async () => {
    const key = bytes(writeKeyPem(ca.rootKey));
    const missing = await failureAs(MayflyError, adoptAuthority({ key, clock }));
    expect(missing).to.be.instanceOf(CeremonyError).with.property('code', 'CHAIN_MISSING');
    const other = await failureAs(MayflyError, adoptAuthority({ key, chainPem: ca.chainPem, clock }));
    expect(other).to.be.instanceOf(AuthorityError).with.property('code', 'KEY_MISMATCH');
  });

  it('never rejects with anything but a typed error on hostile files', async () => {
    const file = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((body) => Uint8Array.of(0x30, 0x82, 1, 0, ...body)),
    );
    await fc.assert(
      fc.asyncProperty(file, async (key) => {
        await failureAs(MayflyError, adoptAuthority({ key, chainPem: ca.chainPem, passphrase: 'x', clock }));
      }),
    );
    await failureAs(MayflyError, adoptAuthority({ key: new Uint8Array(300_000), passphrase: 'x', clock }));
  });
});
