/**
 * A new intermediate below a root whose key is elsewhere: the server makes a key and asks by a certificate signing request
 * (PKCS#10), the holder of the root's key signs, and the server takes the chain.
 */
import type { KeyObject } from 'node:crypto';
import { parseCertificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { encodePem } from '../core/pem.ts';
import { CeremonyError } from './ceremony-error.ts';
import { readCeremonyRequest, writeCeremonyRequest } from './ceremony-request.ts';
import { certify, derOf, intermediateExtensions, INTERMEDIATE_LIFETIME } from './certify.ts';
import { checkChain } from './chain-checks.ts';
import { rootCertificate, rootSigner } from './root-certificate.ts';
import { verifierFaults } from './verifier-rules.ts';
import * as x509 from './x509.ts';

/** A request, PEM, for the key: with the organization of `issuing`, the DER of the certificate that it is to follow, and
 * `commonName`. Throws {@link CeremonyError} for a key or a name that does not do. */
export const intermediateRequest = (
  key: KeyObject,
  issuing: Uint8Array,
  commonName: string,
): Promise<string> => writeCeremonyRequest(key, { organizations: nameOf(issuing).getField('O'), commonName });

/** The common name of the certificate that follows `issuing`, one of an intermediate if nothing else is said: with the next number behind it. */
export function nextCommonName(issuing: Uint8Array, unnamed = 'Mayfly CA intermediate'): string {
  const [name = unnamed] = nameOf(issuing).getField('CN');
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
  const rootDer = rootCertificate(root, rootKey);
  const asked = await readCeremonyRequest(request, 'mayfly ca renew --csr FILE');
  if (asked.wantsTimestamps)
    throw new CeremonyError('REQUEST_UNSUITABLE', 'the request asks for a certificate for timestamps', {
      hint: 'Sign it with --timestamps. `mayfly ca renew --csr FILE` writes one for a new issuing CA.',
    });
  const rootCert = new x509.X509Certificate(rootDer.slice());
  const now = Math.floor(clock() / 1000) * 1000;
  const intermediate = await certify(
    asked,
    rootSigner(rootCert, rootKey),
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
