/**
 * PKCS#12 files (RFC 7292), by node-forge: a private key and the certificates that come with it. For adopting a CA,
 * never at run time.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import { encodePem } from '../core/pem.ts';
import { KeyFileError } from './key-error.ts';

/** What a PKCS#12 file held. */
interface Pkcs12Content {
  readonly privateKey: KeyObject;
  /** DER, in the order of the file, which says nothing. */
  readonly certificates: readonly Uint8Array[];
}

/** A PKCS#12 file beyond this is not one with a key and a chain. */
const MAX_FILE = 256 * 1024;

/** Opens the file. Throws {@link KeyFileError}. */
export function readPkcs12(bytes: Uint8Array, passphrase: string | undefined): Pkcs12Content {
  if (bytes.length > MAX_FILE) throw malformed('the PKCS#12 file is too long');
  const bags = open(parse(bytes), passphrase);
  const key = find(bags, 'pkcs8ShroudedKeyBag')[0] ?? find(bags, 'keyBag')[0];
  if (key === undefined) throw malformed('the PKCS#12 file holds no private key');
  const certificates = find(bags, 'certBag').map(certificateDer);
  return { privateKey: privateKeyOf(key), certificates };
}

function parse(bytes: Uint8Array): forge.asn1.Asn1 {
  try {
    return forge.asn1.fromDer(Buffer.from(bytes).toString('latin1'));
  } catch {
    throw malformed('the file is neither PEM nor PKCS#12');
  }
}

function open(content: forge.asn1.Asn1, passphrase: string | undefined): forge.pkcs12.Pkcs12Pfx {
  try {
    return forge.pkcs12.pkcs12FromAsn1(content, false, passphrase ?? '');
  } catch (error) {
    // The library's own message is looked at and dropped.
    const aboutPassphrase = error instanceof Error && /password|MAC|decrypt|padding/i.test(error.message);
    if (!aboutPassphrase) throw malformed('the PKCS#12 file could not be parsed');
    if (passphrase === undefined || passphrase === '') {
      throw new KeyFileError(
        'PASSPHRASE_MISSING',
        'the PKCS#12 file is encrypted, and no passphrase was given',
        {
          hint: 'Pass it in a file with --passphrase-file.',
        },
      );
    }
    throw new KeyFileError('PASSPHRASE_WRONG', 'the passphrase does not open the PKCS#12 file', {
      hint: 'Check the passphrase file: its first line is the passphrase, spaces included.',
    });
  }
}

function find(pfx: forge.pkcs12.Pkcs12Pfx, name: string): forge.pkcs12.Bag[] {
  const bagType = forge.pki.oids[name] ?? '';
  return pfx.getBags({ bagType })[bagType] ?? [];
}

/** The library understands RSA; of every other kind it hands out the bare structure. */
function privateKeyOf(bag: forge.pkcs12.Bag): KeyObject {
  const info = bag.key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(bag.key)) : bag.asn1;
  try {
    return createPrivateKey(encodePem('PRIVATE KEY', derOf(info)));
  } catch {
    throw malformed('the private key in the PKCS#12 file could not be parsed');
  }
}

const certificateDer = (bag: forge.pkcs12.Bag): Uint8Array =>
  derOf(bag.cert ? forge.pki.certificateToAsn1(bag.cert) : bag.asn1);

const derOf = (node: forge.asn1.Asn1): Uint8Array =>
  new Uint8Array(Buffer.from(forge.asn1.toDer(node).getBytes(), 'latin1'));

const malformed = (message: string): KeyFileError =>
  new KeyFileError('KEY_FILE_MALFORMED', message, {
    hint: 'Use a PEM file with the private key, or a PKCS#12 file as openssl pkcs12 -export writes it.',
  });
