import { createPrivateKey, createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { KeyFileError, type KeyFileReason } from '../../signers/key-error.ts';
import { loadKeyFile, readPrivateKey, writeKeyPem } from '../../signers/key-file.ts';
import { generateKey, type KeyType } from '../../signers/key-types.ts';
import { Tag } from '../../core/der-tag.ts';
import { octetString, oid, sequence, unsignedInteger } from '../../core/der-writer.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { SIGNATURE_ALGORITHMS } from '../../core/signature-algorithm.ts';
import { hasOpenssl, openssl } from '../ca/support/openssl.ts';
import { testKey } from '../ca/support/keys.ts';
import { skipUnless } from '../support/skipped.ts';
import { failureAs } from '../support/failure.ts';
import { runs } from '../support/runs.ts';

const PASS = 'password123';
const TYPES: KeyType[] = ['p256', 'p384', 'p521', 'rsa2048', 'ed25519'];

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

async function expectRefusal(code: KeyFileReason, pem: string, passphrase?: string): Promise<void> {
  const error = await failureAs(KeyFileError, loadKeyFile(pem, passphrase));
  expect(error.code).to.equal(code);
  expect(error.hint).to.be.a('string');
  expect(error.cause).to.equal(undefined);
  if (passphrase !== undefined && passphrase !== '')
    expect(`${error.message} ${error.hint ?? ''}`).not.to.include(passphrase);
}

/** Forms that openssl can write; the command reads `key.pem` and writes `out.pem`. */
const FORMS: Readonly<Record<string, { types: KeyType[]; args: string[]; encrypted: boolean }>> = {
  'PKCS#1': { types: ['rsa2048'], args: ['rsa', '-traditional'], encrypted: false },
  SEC1: { types: ['p256', 'p384', 'p521'], args: ['ec'], encrypted: false },
  'DEK-Info with AES': {
    types: ['rsa2048', 'p256'],
    args: ['pkey', '-traditional', '-aes256'],
    encrypted: true,
  },
  'DEK-Info with triple DES': {
    types: ['rsa2048', 'p384'],
    args: ['pkey', '-traditional', '-des3'],
    encrypted: true,
  },
  'PBES2 with AES-256': { types: TYPES, args: ['pkcs8', '-topk8', '-v2', 'aes-256-cbc'], encrypted: true },
  'PBES2 with AES-128 and SHA-1': {
    types: ['p256'],
    args: ['pkcs8', '-topk8', '-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA1'],
    encrypted: true,
  },
  'PBES2 with AES-192 and SHA-512': {
    types: ['p256'],
    args: ['pkcs8', '-topk8', '-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA512'],
    encrypted: true,
  },
  'PBES2 with triple DES': {
    types: ['ed25519', 'rsa2048'],
    args: ['pkcs8', '-topk8', '-v2', 'des3'],
    encrypted: true,
  },
  'PBES2 with scrypt': { types: ['p256'], args: ['pkcs8', '-topk8', '-scrypt'], encrypted: true },
  'PBES1 of PKCS#12': { types: ['p256'], args: ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-3DES'], encrypted: true },
};

describe('ca/signers/key-file', () => {
  for (const type of TYPES) {
    it(`signs with a ${type} key that it wrote itself, plain and encrypted`, async () => {
      const key = await generateKey(type);
      for (const passphrase of [undefined, PASS]) {
        const pem = writeKeyPem(key, passphrase);
        expect(pem.includes('ENCRYPTED')).to.equal(passphrase !== undefined);
        const signer = await loadKeyFile(pem, passphrase);
        const data = Buffer.from('data');
        const { hash } = SIGNATURE_ALGORITHMS[signer.algorithm];
        const publicKey = createPublicKey({
          key: Buffer.from(signer.publicKey),
          format: 'der',
          type: 'spki',
        });
        expect(publicKey.equals(createPublicKey(key))).to.equal(true);
        expect(verify(hash ?? null, data, publicKey, await signer.sign(data))).to.equal(true);
      }
    });
  }

  for (const [name, { types, args, encrypted }] of Object.entries(FORMS)) {
    it(`loads ${name}, as openssl writes it`, async function () {
      skipUnless(this, hasOpenssl(), 'there is no openssl');
      for (const type of types) {
        const key = await generateKey(type);
        const pass = encrypted ? ['-passout', `pass:${PASS}`] : [];
        const command = [...args, '-in', 'key.pem', '-out', 'out.pem', ...pass];
        const pem = openssl({ 'key.pem': pkcs8(key) }, [command], (run) =>
          Buffer.from(run.read('out.pem')).toString(),
        );
        expect((await readPrivateKey(pem, encrypted ? PASS : undefined)).equals(key)).to.equal(true);
        if (!encrypted) continue;
        // Many: in one of some 200 cases the old scheme's padding looks right and only the key is garbage.
        const tries = pem.includes('DEK-Info') ? 1500 : 1;
        for (let i = 0; i < tries; i++)
          await expectRefusal('PASSPHRASE_WRONG', pem, `not-the-passphrase-${i}`);
        await expectRefusal('PASSPHRASE_MISSING', pem);
        await expectRefusal('PASSPHRASE_MISSING', pem, '');
      }
    });
  }

  it('writes what openssl opens with the passphrase, and only with it', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const key = await generateKey('p256');
    const files = { 'key.pem': writeKeyPem(key, PASS) };
    const open = (pass: string): string =>
      openssl(files, [['pkey', '-in', 'key.pem', '-passin', `pass:${pass}`]], ({ stdout }) => stdout);
    expect(createPrivateKey(open(PASS)).equals(key)).to.equal(true);
    expect(() => open('other')).to.throw();
  });

  it('skips the parameters of the curve that openssl writes in front of a key', async function () {
    skipUnless(this, hasOpenssl(), 'there is no openssl');
    const pem = openssl({}, [['ecparam', '-name', 'prime256v1', '-genkey']], ({ stdout }) => stdout);
    expect(pem).to.match(/BEGIN EC PARAMETERS/);
    expect((await loadKeyFile(pem)).algorithm).to.equal('ecdsa-p256-sha256');
  });

  it('ignores a passphrase that a plain key does not need', async () => {
    expect((await loadKeyFile(pkcs8(testKey('P-256').privateKey), PASS)).algorithm).to.equal(
      'ecdsa-p256-sha256',
    );
  });

  const block = (label: string): string => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
  const refused: [KeyFileReason, string, string][] = [
    ['KEY_FILE_UNSUPPORTED', 'a cosign key', block('ENCRYPTED SIGSTORE PRIVATE KEY')],
    ['KEY_FILE_UNSUPPORTED', 'an older cosign key', block('ENCRYPTED COSIGN PRIVATE KEY')],
    ['KEY_FILE_UNSUPPORTED', 'an OpenSSH key', block('OPENSSH PRIVATE KEY')],
    ['KEY_FILE_UNSUPPORTED', 'a public key', block('PUBLIC KEY')],
    ['KEY_FILE_UNSUPPORTED', 'a certificate', block('CERTIFICATE')],
    ['KEY_FILE_UNSUPPORTED', 'something else', block('PGP MESSAGE')],
    ['KEY_FILE_MALFORMED', 'an empty file', ''],
    ['KEY_FILE_MALFORMED', 'no key inside', block('PRIVATE KEY')],
    ['KEY_FILE_MALFORMED', 'a cut file', '-----BEGIN PRIVATE KEY-----\nAAAA'],
    ['KEY_FILE_MALFORMED', 'a huge file', 'x'.repeat(70_000)],
  ];
  for (const [code, name, pem] of refused) {
    it(`refuses ${name} with a sentence`, () => expectRefusal(code, pem));
  }

  it('refuses a curve that Mayfly does not sign with', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    await expectRefusal('KEY_FILE_UNSUPPORTED', pkcs8(privateKey));
  });

  it('refuses a key file that asks for minutes of hashing', async () => {
    const kdf = sequence(octetString(new Uint8Array(8)), unsignedInteger(Uint8Array.of(0x7f, 0, 0, 0)));
    const cipher = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(new Uint8Array(16)));
    const scheme = sequence(sequence(oid('1.2.840.113549.1.5.12'), kdf), cipher);
    const der = sequence(sequence(oid('1.2.840.113549.1.5.13'), scheme), octetString(new Uint8Array(32)));
    await expectRefusal('KEY_FILE_MALFORMED', encodePem('ENCRYPTED PRIVATE KEY', der), PASS);
  });

  it('opens a key whose hash has other parameters than NULL', async () => {
    const der = decodePem(writeKeyPem(testKey('P-256').privateKey, PASS))[0]?.bytes ?? new Uint8Array(0);
    // The NULL behind hmacWithSHA256 becomes an empty OCTET STRING: the same length, another type.
    const at = Buffer.from(der).indexOf(Buffer.concat([oid('1.2.840.113549.2.9'), Uint8Array.of(5, 0)]));
    const odd = Uint8Array.from(der, (byte, i) => (i === at + 10 ? Tag.octetString : byte));
    const pem = encodePem('ENCRYPTED PRIVATE KEY', odd);
    expect((await readPrivateKey(pem, PASS)).equals(testKey('P-256').privateKey)).to.equal(true);
  });

  it('never rejects with anything but KeyFileError', async () => {
    const plain = pkcs8(testKey('P-256').privateKey);
    const label = fc.constantFrom(
      'PRIVATE KEY',
      'EC PRIVATE KEY',
      'RSA PRIVATE KEY',
      'ENCRYPTED PRIVATE KEY',
    );
    const junk = fc
      .tuple(label, fc.uint8Array({ maxLength: 200 }))
      .map(
        ([name, body]) =>
          `-----BEGIN ${name}-----\n${Buffer.from(body).toString('base64')}\n-----END ${name}-----\n`,
      );
    const cut = fc
      .tuple(fc.nat(plain.length - 2), fc.nat(20))
      .map(([at, n]) => plain.slice(0, at) + plain.slice(at + n + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(junk, cut, fc.string()), async (pem) => {
        try {
          await loadKeyFile(pem, 'x');
        } catch (error) {
          expect(error).to.be.instanceOf(KeyFileError);
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
