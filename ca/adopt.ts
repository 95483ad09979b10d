/** Taking over a CA that exists: its key and chain from files, checked as if the server were starting with them. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { encodePem } from '../core/pem.ts';
import { loadAuthority, type Authority } from './authority.ts';
import { AuthorityError } from './authority-error.ts';
import { CeremonyError } from './ceremony-error.ts';
import { readPrivateKey } from '../signers/key-file.ts';
import { localSigner } from '../signers/local-signer.ts';
import { readPkcs12 } from '../signers/pkcs12.ts';

/** What is adopted. */
interface AdoptionRequest {
  /** PEM chain, issuing CA first; may be left out when the key comes in a PKCS#12 file with its certificates. */
  readonly chainPem?: string | undefined;
  /** Content of the key file: any form of `key-file.ts`, or PKCS#12. */
  readonly key: Uint8Array;
  readonly passphrase?: string | undefined;
  readonly clock: Clock;
}

/** A CA that was adopted. */
interface AdoptedAuthority {
  readonly privateKey: KeyObject;
  /** The chain to keep: PEM, issuing CA first, a newline at the end. */
  readonly chainPem: string;
  readonly authority: Authority;
}

/** Reads and checks key and chain, also for what verifiers refuse. Rejects with {@link KeyFileError}, {@link AuthorityError} or {@link CeremonyError}
 * `CHAIN_MISSING`. */
export async function adoptAuthority(request: AdoptionRequest): Promise<AdoptedAuthority> {
  const { privateKey, certificates } = await readKey(request);
  const chainPem = request.chainPem ?? chainFor(privateKey, certificates);
  return { privateKey, ...(await checkAuthority(privateKey, chainPem, request.clock)) };
}

/** Checks a chain with the key of its issuing CA, also for what verifiers refuse. Rejects with {@link AuthorityError}. */
export async function checkAuthority(
  key: KeyObject,
  chainPem: string,
  clock: Clock,
): Promise<Pick<AdoptedAuthority, 'chainPem' | 'authority'>> {
  const authority = await loadAuthority({ chainPem, signer: localSigner(key), clock });
  const [fault] = authority.faults;
  if (fault !== undefined) throw fault;
  return { chainPem: authority.chainPems.join(''), authority };
}

async function readKey({
  key,
  passphrase,
}: AdoptionRequest): Promise<{ privateKey: KeyObject; certificates: readonly Uint8Array[] }> {
  const isPem = Buffer.from(key).includes('-----BEGIN ');
  if (!isPem) return readPkcs12(key, passphrase);
  return { privateKey: await readPrivateKey(key, passphrase), certificates: [] };
}

/** The certificates of a PKCS#12 file in the order of a chain: the key's own, then issuer after issuer. */
function chainFor(privateKey: KeyObject, ders: readonly Uint8Array[]): string {
  const certificates = ders.map(parse);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const chain: Certificate[] = [];
  let next = certificates.find((cert) => equalBytes(cert.spki, spki));
  while (next !== undefined && !chain.includes(next)) {
    const { issuer } = next;
    chain.push(next);
    next = certificates.find((cert) => equalBytes(cert.subject, issuer));
  }
  if (chain.length === 0) {
    throw new CeremonyError('CHAIN_MISSING', 'there is no certificate for the CA key', {
      hint: 'Give the chain with --ca-chain: issuing CA first, root last.',
    });
  }
  return chain.map(({ der }) => encodePem('CERTIFICATE', der)).join('');
}

function parse(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new AuthorityError('CHAIN_MALFORMED', `a certificate could not be parsed: ${error.message}`, {
      hint: 'Give the chain with --ca-chain: issuing CA first, root last.',
      cause: error,
    });
  }
}
