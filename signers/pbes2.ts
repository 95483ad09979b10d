/**
 * PBES2 (RFC 8018 §6.2) with PBKDF2 and AES-CBC or triple DES: how PKCS#8 keys are encrypted.
 *
 * Own code, because no library here does it as well. Writing: `KeyObject.export` takes no number of iterations, and
 * OpenSSL's default of 2048 is of 1999. Reading: OpenSSL derives for as long as the file says, on the event loop, and in one
 * of 256 cases calls a wrong passphrase an unknown scheme. node-forge does both, but derives in JavaScript: 600,000
 * iterations take it 15 seconds instead of a fifth of one.
 *
 *     EncryptedPrivateKeyInfo ::= SEQUENCE { SEQUENCE { pbes2, SEQUENCE { kdf, cipher } }, OCTET STRING }
 *     kdf    ::= SEQUENCE { pbkdf2, SEQUENCE { salt, iterations, [keyLength], [prf] } }
 *     cipher ::= SEQUENCE { oid, OCTET STRING iv }
 */
import { createCipheriv, createDecipheriv, pbkdf2, pbkdf2Sync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { DerReader, oidText, readOnly } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';
import { octetString, oid, sequence, unsignedInteger } from '../core/der-writer.ts';
import { FormatError } from '../core/errors.ts';

const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const AES_256_CBC = '2.16.840.1.101.3.4.1.42';
const HMAC_SHA1 = '1.2.840.113549.2.7';
const HMAC_SHA256 = '1.2.840.113549.2.9';

const CIPHERS: ReadonlyMap<string, readonly [name: string, keyLength: number]> = new Map([
  ['2.16.840.1.101.3.4.1.2', ['aes-128-cbc', 16]],
  ['2.16.840.1.101.3.4.1.22', ['aes-192-cbc', 24]],
  [AES_256_CBC, ['aes-256-cbc', 32]],
  ['1.2.840.113549.3.7', ['des-ede3-cbc', 24]],
]);

const PRFS: ReadonlyMap<string, string> = new Map([
  [HMAC_SHA1, 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  [HMAC_SHA256, 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
]);

/** Iterations of keys that we write (OWASP's figure for PBKDF2 with SHA-256). */
const ITERATIONS = 600_000;
/** A key file that asks for more would hold the start up for minutes. */
const MAX_ITERATIONS = 10_000_000;

interface Parameters {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly prf: string;
  readonly cipher: readonly [name: string, keyLength: number];
  readonly iv: Uint8Array;
  readonly encrypted: Uint8Array;
}

const derive = promisify(pbkdf2);

/** The PKCS#8 PrivateKeyInfo inside an EncryptedPrivateKeyInfo; undefined when the passphrase does not fit. Throws
 * {@link FormatError}, `UNSUPPORTED` for another scheme. */
export async function decryptPbes2(der: Uint8Array, passphrase: string): Promise<Uint8Array | undefined> {
  const { salt, iterations, prf, cipher, iv, encrypted } = parse(der);
  const key = await derive(passphrase, salt, iterations, cipher[1], prf);
  try {
    const decipher = createDecipheriv(cipher[0], key, iv);
    const plain = Buffer.concat([decipher.update(encrypted), decipher.final()]);
    // One wrong passphrase in 256 leaves a valid padding: what comes out must also be one SEQUENCE.
    readOnly(plain, Tag.sequence);
    return plain;
  } catch {
    return undefined;
  }
}

/** An EncryptedPrivateKeyInfo around `plain`: PBKDF2 with HMAC-SHA-256 and 600,000 iterations, AES-256-CBC. */
export function encryptPbes2(plain: Uint8Array, passphrase: string): Uint8Array {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(passphrase, salt, ITERATIONS, 32, 'sha256'), iv);
  const iterations = unsignedInteger(Uint8Array.of(ITERATIONS >> 16, ITERATIONS >> 8, ITERATIONS));
  const prf = sequence(oid(HMAC_SHA256), Uint8Array.of(Tag.null, 0));
  const kdf = sequence(oid(PBKDF2), sequence(octetString(salt), iterations, prf));
  const scheme = sequence(oid(PBES2), sequence(kdf, sequence(oid(AES_256_CBC), octetString(iv))));
  return sequence(scheme, octetString(cipher.update(plain), cipher.final()));
}

function parse(der: Uint8Array): Parameters {
  const outer = new DerReader(readOnly(der, Tag.sequence).value);
  const scheme = outer.enter(Tag.sequence);
  const encrypted = outer.next(Tag.octetString).value;
  outer.end();
  expectOid(scheme, PBES2, 'PBES2');
  const parameters = scheme.enter(Tag.sequence);
  const kdf = parameters.enter(Tag.sequence);
  expectOid(kdf, PBKDF2, 'PBKDF2');
  const cipher = parameters.enter(Tag.sequence);
  return { ...parseKdf(kdf.enter(Tag.sequence)), ...parseCipher(cipher), encrypted };
}

function parseKdf(kdf: DerReader): Pick<Parameters, 'salt' | 'iterations' | 'prf'> {
  const salt = kdf.next(Tag.octetString).value;
  const iterations = kdf.next(Tag.integer).value.reduce((sum, byte) => sum * 256 + byte, 0);
  if (iterations < 1 || iterations > MAX_ITERATIONS) {
    throw new FormatError('TOO_LARGE', 'the number of iterations is out of range');
  }
  kdf.optional(Tag.integer);
  // The parameters of the PRF are skipped: NULL, absent, or what a tool thought they should be.
  const prfOid = kdf.done ? HMAC_SHA1 : oidText(kdf.enter(Tag.sequence).next(Tag.oid).value);
  const prf = PRFS.get(prfOid);
  if (prf === undefined) throw new FormatError('UNSUPPORTED', 'the PBKDF2 hash is not supported');
  return { salt, iterations, prf };
}

function parseCipher(reader: DerReader): Pick<Parameters, 'cipher' | 'iv'> {
  const cipher = CIPHERS.get(oidText(reader.next(Tag.oid).value));
  if (cipher === undefined) throw new FormatError('UNSUPPORTED', 'the cipher is not supported');
  return { cipher, iv: reader.next(Tag.octetString).value };
}

function expectOid(reader: DerReader, wanted: string, name: string): void {
  if (oidText(reader.next(Tag.oid).value) !== wanted) {
    throw new FormatError('UNSUPPORTED', `the key is not encrypted with ${name}`);
  }
}
