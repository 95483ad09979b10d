/** Certificates in one file for programs of Java: a PKCS#12 store (RFC 7292) of trusted certificates, which holds no key. */
import { createHmac, hash } from 'node:crypto';
import forge from 'node-forge';
import { utf8 } from '../core/bytes.ts';
import { explicit, octetString, oid, sequence, set, tlv, unsignedInteger } from '../core/der-writer.ts';
import { derSetOrder } from './pkcs7-bundle.ts';

/** The password of every store that is made here, the one that Java's own stores have. What is in it is public: Java asks for a password all the same, to
 * see that the file is whole. */
export const STORE_PASSWORD = 'changeit';

/** A certificate with the name under which a store lists it. */
export interface StoreEntry {
  readonly name: string;
  readonly der: Uint8Array;
}

/** The bytes of a `.p12` with these certificates; the same for the same certificates. */
export function pkcs12Store(entries: readonly StoreEntry[]): Uint8Array {
  const contents = sequence(...entries.map(certificateBag));
  const authenticatedSafe = sequence(dataContent(contents));
  // Another salt for other certificates. The password is no secret, so that the salt need not be one that nobody foresees.
  const salt = hash('sha256', authenticatedSafe, 'buffer').subarray(0, 16);
  const digest = createHmac('sha256', macKey(salt)).update(authenticatedSafe).digest();
  const macData = sequence(
    sequence(sequence(SHA256, NULL), octetString(digest)),
    octetString(salt),
    unsignedInteger(Uint8Array.of(ITERATIONS >> 8, ITERATIONS & 0xff)),
  );
  return sequence(unsignedInteger(Uint8Array.of(3)), dataContent(authenticatedSafe), macData);
}

const ITERATIONS = 2048;
const NULL = tlv(5);
const SHA256 = oid('2.16.840.1.101.3.4.2.1');
const DATA = oid('1.2.840.113549.1.7.1');
const CERT_BAG = oid('1.2.840.113549.1.12.10.1.3');
const X509_CERTIFICATE = oid('1.2.840.113549.1.9.22.1');
const FRIENDLY_NAME = oid('1.2.840.113549.1.9.20');
/** Oracle's: the certificate is an anchor, and for what. */
const TRUSTED_KEY_USAGE = oid('2.16.840.1.113894.746875.1.1');
const ANY_USAGE = oid('2.5.29.37.0');

const dataContent = (bytes: Uint8Array): Uint8Array => sequence(DATA, explicit(0, octetString(bytes)));

const certificateBag = ({ name, der }: StoreEntry): Uint8Array =>
  sequence(
    CERT_BAG,
    explicit(0, sequence(X509_CERTIFICATE, explicit(0, octetString(der)))),
    set(
      ...derSetOrder([
        sequence(FRIENDLY_NAME, set(bmpString(name))),
        sequence(TRUSTED_KEY_USAGE, set(ANY_USAGE)),
      ]),
    ),
  );

const BMP_STRING = 0x1e;

const bmpString = (text: string): Uint8Array =>
  tlv(BMP_STRING, ...[...utf8(text)].map((byte) => Uint8Array.of(0, byte)));

/** RFC 7292 appendix B, with SHA-256: node:crypto does not have it. */
function macKey(salt: Uint8Array): Buffer {
  const buffer = forge.util.createBuffer(Buffer.from(salt).toString('latin1'));
  const forMac = 3;
  const key = forge.pkcs12.generateKey(
    STORE_PASSWORD,
    buffer,
    forMac,
    ITERATIONS,
    32,
    forge.md.sha256.create(),
  );
  return Buffer.from(key.getBytes(), 'latin1');
}
