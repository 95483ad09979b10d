/**
 * A new intermediate below a root whose key is elsewhere: the server makes a key and asks by a certificate signing request
 * (PKCS#10), the holder of the root's key signs, and the server takes the chain.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { AuthorityError } from './authority-error.ts';
import { CeremonyError } from './ceremony-error.ts';
import {
  caKeyTypeOf,
  certify,
  CRYPTO,
  derOf,
  intermediateExtensions,
  INTERMEDIATE_LIFETIME,
  PARAMETERS,
  webKey,
} from './certify.ts';
import { checkChain } from './chain-checks.ts';
import { judgeKey } from './key-policy.ts';
import { verifierFaults } from './verifier-rules.ts';
import * as x509 from './x509.ts';

/** Upper bound of CN in X.509 (ub-common-name). */
const MAX_NAME = 64;

/** A request, PEM, for the key: with the organization of `issuing`, the DER of the certificate that it is to follow, and
 * `commonName`. Throws {@link CeremonyError} for a key or a name that does not do. */
export async function intermediateRequest(
  key: KeyObject,
  issuing: Uint8Array,
  commonName: string,
): Promise<string> {
  if (commonName.trim() === '' || commonName.length > MAX_NAME)
    throw new CeremonyError('NAME_UNSUITABLE', 'the common name is empty or too long', {
      hint: `Give one with --common-name, of at most ${MAX_NAME} characters.`,
    });
  const { import: imported, sign } = PARAMETERS[caKeyTypeOf(key)];
  const organizations = nameOf(issuing).getField('O');
  const keys = {
    publicKey: webKey(createPublicKey(key), imported, 'verify'),
    privateKey: webKey(key, imported, 'sign'),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    {
      // Typed values: the library reads bare strings as a notation, with quotes and number signs that mean something.
      name: new x509.Name([
        ...organizations.map((utf8String) => ({ O: [{ utf8String }] })),
        { CN: [{ utf8String: commonName }] },
      ]),
      keys,
      signingAlgorithm: sign,
    },
    CRYPTO,
  );
  return encodePem('CERTIFICATE REQUEST', new Uint8Array(request.rawData));
}

/** The common name of the intermediate that follows the one in `issuing`: with the next number behind it. */
export function nextCommonName(issuing: Uint8Array): string {
  const [name = 'Mayfly CA intermediate'] = nameOf(issuing).getField('CN');
  const [, base = name, number = '1'] = /^(.*\S) (\d{1,4})$/.exec(name) ?? [];
  return `${base} ${Number(number) + 1}`;
}

const nameOf = (der: Uint8Array): x509.Name => new x509.X509Certificate(der.slice()).subjectName;

/** What the holder of the root signs with. */
interface RequestToSign {
  /** PEM. */
  readonly request: string;
  /** PEM with the certificate of the root, alone or as the last one of a chain. */
  readonly root: string;
  readonly rootKey: KeyObject;
  readonly clock: Clock;
}

/** Signs a request with the root, for three years and never past its end; of the request it takes key and name alone.
 * The chain, PEM, has passed the checks that `adoptAuthority` makes. Rejects with {@link CeremonyError} or
 * {@link AuthorityError}. */
export async function signIntermediate({ request, root, rootKey, clock }: RequestToSign): Promise<string> {
  const rootDer = rootOf(root, rootKey);
  const asked = await readRequest(request);
  const rootCert = new x509.X509Certificate(rootDer.slice());
  const now = Math.floor(clock() / 1000) * 1000;
  const intermediate = await certify(
    { publicKey: asked.publicKey, name: asked.name },
    { key: rootKey, name: rootCert.subjectName, keyType: caKeyTypeOf(rootKey) },
    now,
    Math.min(now + INTERMEDIATE_LIFETIME, rootCert.notAfter.getTime()),
    await intermediateExtensions(rootCert),
  );
  const ders = [derOf(intermediate), rootDer];
  const chain = ders.map(parseCertificate);
  checkChain(chain, now);
  const [fault] = verifierFaults(chain);
  if (fault !== undefined) throw fault;
  return ders.map((der) => encodePem('CERTIFICATE', der)).join('');
}

function rootOf(pem: string, key: KeyObject): Uint8Array {
  const root = certificatesIn(pem).at(-1);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  if (root !== undefined && equalBytes(root.spki, spki)) return root.der;
  throw new AuthorityError('KEY_MISMATCH', 'the key does not belong to the root certificate', {
    hint: 'Name the root with --root (root.pem of `mayfly trust export`, or ca/chain.pem), and its own key with --root-key.',
  });
}

function certificatesIn(pem: string): readonly Certificate[] {
  try {
    return decodePem(pem).map(({ bytes }) => parseCertificate(bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new AuthorityError('CHAIN_MALFORMED', `the root certificate cannot be read: ${error.message}`, {
      hint: 'It is a PEM block of type CERTIFICATE.',
      cause: error,
    });
  }
}

interface Asked {
  readonly publicKey: KeyObject;
  readonly name: x509.Name;
}

async function readRequest(pem: string): Promise<Asked> {
  const request = parsedRequest(pem);
  const spki = new Uint8Array(request.publicKey.rawData);
  const verdict = verdictOn(spki);
  if (verdict !== undefined) throw unsuitable(`its key ${verdict}`);
  if (request.subjectName.getField('CN').length === 0) throw unsuitable('it names no common name');
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  caKeyTypeOf(publicKey);
  // The requester must hold the key.
  if (!(await request.verify(CRYPTO).catch(() => false))) throw unsuitable('its signature is wrong');
  return { publicKey, name: request.subjectName };
}

function parsedRequest(pem: string): x509.Pkcs10CertificateRequest {
  try {
    const [block] = decodePem(pem);
    if (block === undefined || !/^(?:NEW )?CERTIFICATE REQUEST$/.test(block.label))
      throw new FormatError('MALFORMED', 'it holds no PEM block of type CERTIFICATE REQUEST');
    return new x509.Pkcs10CertificateRequest(block.bytes.slice());
  } catch (error) {
    throw unsuitable(error instanceof FormatError ? error.message : 'it cannot be read');
  }
}

function verdictOn(spki: Uint8Array): string | undefined {
  try {
    const verdict = judgeKey(parsePublicKey(spki));
    return verdict.good ? undefined : verdict.reason;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return 'is of a kind that is not known';
  }
}

const unsuitable = (why: string): CeremonyError =>
  new CeremonyError('REQUEST_UNSUITABLE', `the certificate signing request cannot be signed: ${why}`, {
    hint: '`mayfly ca renew --csr FILE` writes one.',
  });
