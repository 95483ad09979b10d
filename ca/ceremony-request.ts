/** Certificate signing requests (PKCS#10) between the server, which makes a key, and the holder of the root's key. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { CeremonyError } from './ceremony-error.ts';
import { caKeyTypeOf, CRYPTO, PARAMETERS, webKey } from './certify.ts';
import { judgeKey } from './key-policy.ts';
import * as x509 from './x509.ts';

/** Upper bound of CN in X.509 (ub-common-name). */
const MAX_NAME = 64;

/** Whom a request is for. */
interface RequestedName {
  /** Each O; usually one. */
  readonly organizations: readonly string[];
  readonly commonName: string;
}

/** A request, PEM, that the key signed; `extensions` are what it asks for, a wish and no more. Rejects with
 * {@link CeremonyError} for a key or a name that does not do. */
export async function writeCeremonyRequest(
  key: KeyObject,
  { organizations, commonName }: RequestedName,
  extensions: x509.Extension[] = [],
): Promise<string> {
  checkCommonName(commonName);
  const { import: imported, sign } = PARAMETERS[caKeyTypeOf(key)];
  const keys = {
    publicKey: webKey(createPublicKey(key), imported, 'verify'),
    privateKey: webKey(key, imported, 'sign'),
  };
  const name = subjectName(organizations, commonName);
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name, keys, signingAlgorithm: sign, extensions },
    CRYPTO,
  );
  return encodePem('CERTIFICATE REQUEST', new Uint8Array(request.rawData));
}

/** Throws {@link CeremonyError} `NAME_UNSUITABLE` for a common name that a certificate cannot have. */
export function checkCommonName(commonName: string): void {
  if (commonName.trim() !== '' && commonName.length <= MAX_NAME) return;
  throw new CeremonyError('NAME_UNSUITABLE', 'the common name is empty or too long', {
    hint: `Give one with --common-name, of at most ${MAX_NAME} characters.`,
  });
}

/** A subject of organizations and a common name. */
export const subjectName = (organizations: readonly string[], commonName: string): x509.Name =>
  // Typed values: the library reads bare strings as a notation, with quotes and number signs that mean something.
  new x509.Name([
    ...organizations.map((utf8String) => ({ O: [{ utf8String }] })),
    { CN: [{ utf8String: commonName }] },
  ]);

/** What a request asks for. */
interface CeremonyRequestContent {
  readonly publicKey: KeyObject;
  readonly name: x509.Name;
  /** Whether it asks for the extended key usage timeStamping. */
  readonly wantsTimestamps: boolean;
}

/** Reads a request whose key a CA or a timestamp authority may have, and which that key signed; `from` names the command
 * that writes one, for hints. Rejects with {@link CeremonyError}. */
export async function readCeremonyRequest(pem: string, from: string): Promise<CeremonyRequestContent> {
  const unsuitable = (why: string): CeremonyError =>
    new CeremonyError('REQUEST_UNSUITABLE', `the certificate signing request cannot be signed: ${why}`, {
      hint: `\`${from}\` writes one.`,
    });
  const request = parsed(pem, unsuitable);
  const spki = new Uint8Array(request.publicKey.rawData);
  const verdict = verdictOn(spki);
  if (verdict !== undefined) throw unsuitable(`its key ${verdict}`);
  if (request.subjectName.getField('CN').length === 0) throw unsuitable('it names no common name');
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  caKeyTypeOf(publicKey);
  // The requester must hold the key.
  if (!(await request.verify(CRYPTO).catch(() => false))) throw unsuitable('its signature is wrong');
  return { publicKey, name: request.subjectName, wantsTimestamps: wantsTimestamps(request) };
}

function parsed(pem: string, unsuitable: (why: string) => CeremonyError): x509.Pkcs10CertificateRequest {
  try {
    const [block] = decodePem(pem);
    if (block === undefined || !/^(?:NEW )?CERTIFICATE REQUEST$/.test(block.label))
      throw new FormatError('MALFORMED', 'it holds no PEM block of type CERTIFICATE REQUEST');
    return new x509.Pkcs10CertificateRequest(block.bytes.slice());
  } catch (error) {
    throw unsuitable(error instanceof FormatError ? error.message : 'it cannot be read');
  }
}

const wantsTimestamps = ({ extensions }: x509.Pkcs10CertificateRequest): boolean =>
  extensions.some(
    (extension) =>
      extension instanceof x509.ExtendedKeyUsageExtension &&
      extension.usages.includes(x509.ExtendedKeyUsage.timeStamping),
  );

function verdictOn(spki: Uint8Array): string | undefined {
  try {
    const verdict = judgeKey(parsePublicKey(spki));
    return verdict.good ? undefined : verdict.reason;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return 'is of a kind that is not known';
  }
}
