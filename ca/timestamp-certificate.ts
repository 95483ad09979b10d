/**
 * The certificate of the timestamp authority: directly below the root, for the intermediate is for code signing alone. Made
 * where the root key is at hand, or by a request that is signed elsewhere.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { encodePem } from '../core/pem.ts';
import { CeremonyError } from './ceremony-error.ts';
import {
  checkCommonName,
  readCeremonyRequest,
  subjectName,
  writeCeremonyRequest,
} from './ceremony-request.ts';
import {
  certify,
  derOf,
  timestampExtensions,
  TIMESTAMP_LIFETIME,
  timestampUsage,
  type CaKeyType,
  type Subject,
} from './certify.ts';
import { nextCommonName } from './renewal.ts';
import { rootCertificate, rootSigner } from './root-certificate.ts';
import { readTimestampChain } from './timestamp-chain.ts';
import * as x509 from './x509.ts';

/** The type of a new key for timestamps, whatever the CA's is. Everybody may ask for timestamps, and each holds the event loop for as long as a
 * signature takes: 0.03 ms with P-256, and up to 10 ms with an RSA key of 4096 bits. */
export const TIMESTAMP_KEY_TYPE: CaKeyType = 'p256';

/** Who signs, and when. */
interface TimestampCeremony {
  /** PEM with the certificate of the root, alone or as the last one of a chain. */
  readonly root: string;
  readonly rootKey: KeyObject;
  readonly clock: Clock;
}

/** The common name of a timestamp certificate: the one after `former` (DER) if there was one, else the root's (DER) and ` timestamps`. */
export function timestampCommonName(root: Uint8Array, former?: Uint8Array): string {
  if (former !== undefined) return nextCommonName(former, 'Mayfly CA timestamps');
  const [name = 'Mayfly CA'] = nameOf(root).getField('CN');
  return `${name} timestamps`;
}

/** Certifies a key for timestamps, with the root's organization. The chain, PEM, has the certificate first and the root last,
 * and has passed {@link readTimestampChain}. Rejects with {@link CeremonyError} or {@link AuthorityError}. */
export async function certifyTimestamps(
  publicKey: KeyObject,
  commonName: string,
  ceremony: TimestampCeremony,
): Promise<string> {
  checkCommonName(commonName);
  const rootDer = rootCertificate(ceremony.root, ceremony.rootKey);
  return signed({ publicKey, name: subjectName(organizationsOf(rootDer), commonName) }, rootDer, ceremony);
}

/** A request, PEM, for a key that is to sign timestamps below `root` (DER). Rejects with {@link CeremonyError}. */
export const timestampRequest = (key: KeyObject, root: Uint8Array, commonName: string): Promise<string> =>
  writeCeremonyRequest(key, { organizations: organizationsOf(root), commonName }, [timestampUsage()]);

/** Signs a request of {@link timestampRequest}, or of another tool, that asks for the extended key usage timeStamping: of it, it takes key and name alone. As
 * {@link certifyTimestamps} otherwise. */
export async function signTimestamps(request: string, ceremony: TimestampCeremony): Promise<string> {
  const rootDer = rootCertificate(ceremony.root, ceremony.rootKey);
  const asked = await readCeremonyRequest(request, 'mayfly tsa init --csr FILE');
  if (asked.wantsTimestamps) return signed(asked, rootDer, ceremony);
  throw new CeremonyError('REQUEST_UNSUITABLE', 'the request does not ask for a certificate for timestamps', {
    hint: 'One for an issuing CA, as `mayfly ca renew --csr FILE` writes it, is signed without --timestamps. For timestamps `mayfly tsa init --csr FILE` and `mayfly tsa renew --csr FILE` write one; that of another tool asks for the extended key usage timeStamping.',
  });
}

/** For as long as the root lives, ten years at most: some verifiers judge the certificate at the present time, and to them
 * its end is the end of all of its timestamps. How long its key signs is another matter. */
async function signed(
  subject: Subject,
  rootDer: Uint8Array,
  { rootKey, clock }: TimestampCeremony,
): Promise<string> {
  const root = new x509.X509Certificate(rootDer.slice());
  const now = Math.floor(clock() / 1000) * 1000;
  const certificate = await certify(
    subject,
    rootSigner(root, rootKey),
    now,
    Math.min(now + TIMESTAMP_LIFETIME, root.notAfter.getTime()),
    await timestampExtensions(root),
  );
  const pem = [derOf(certificate), rootDer].map((der) => encodePem('CERTIFICATE', der)).join('');
  return readTimestampChain(pem, { now }).chainPem;
}

const organizationsOf = (der: Uint8Array): string[] => nameOf(der).getField('O');

const nameOf = (der: Uint8Array): x509.Name => new x509.X509Certificate(der.slice()).subjectName;
