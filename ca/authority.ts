/**
 * The issuing CA: its chain, its key, and everything that is the same for each certificate, prepared once. An
 * {@link Authority} exists only if chain and key passed every check at start, whatever backend holds the key.
 */
import { createPublicKey, hash, verify } from 'node:crypto';
import { concat, equalBytes } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import type { Signer } from '../signers/signer.ts';
import { AuthorityError } from './authority-error.ts';
import { subjectKeyIdentifier } from './ca-extensions.ts';
import { certificatePem, certificatePemInJson } from './pem-text.ts';
import { checkChain } from './chain-checks.ts';
import { judgeKey } from './key-policy.ts';
import { prepareProfile, type Profile } from './profile.ts';
import { verifierFaults } from './verifier-rules.ts';
import type { Validity } from './validity.ts';

/** A CA that may issue. */
export interface Authority {
  /** DER of the certificates, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Each certificate as PEM with a newline at the end, as `trustBundle` shows them. */
  readonly chainPems: readonly string[];
  /** All of them, one newline between the blocks and none at the end: what follows a leaf in a v1 answer. */
  readonly chainPem: string;
  /** `,"…","…"`: what follows the leaf's string in the JSON array of a v2 answer, escaped already. */
  readonly chainJsonTail: string;
  readonly signer: Signer;
  /** DER AlgorithmIdentifier of the signer. */
  readonly algorithm: Uint8Array;
  /** SHA-256 of the issuing CA's SubjectPublicKeyInfo. */
  readonly issuerKeyHash: Uint8Array;
  /** SHA-256 of each certificate of the chain, one after the other. */
  readonly chainFingerprints: Uint8Array;
  /** When every certificate of the chain is valid. */
  readonly validity: Validity;
  readonly profile: Profile;
  /** What verifiers refuse in the chain. Empty for every CA that `init` makes or adopts. Versions before this check adopted
   * others: such a service still starts, with a warning for each fault. */
  readonly faults: readonly AuthorityError[];
}

/** Loads a chain of PEM certificates and checks it with its signer at the clock's time. Rejects with
 * {@link AuthorityError}, or with the signer's own error when the key cannot be reached. */
export async function loadAuthority({
  chainPem,
  signer,
  clock,
}: {
  readonly chainPem: string;
  readonly signer: Signer;
  readonly clock: Clock;
}): Promise<Authority> {
  const certificates = readChain(chainPem);
  const [issuing] = certificates;
  if (issuing === undefined) {
    throw new AuthorityError('CHAIN_EMPTY', 'certificate chain must contain at least one certificate', {
      hint: 'The file holds PEM blocks of type CERTIFICATE: issuing CA first, root last.',
    });
  }
  guarded(() => {
    checkChain(certificates, clock());
  });
  checkKey(issuing);
  await checkSigner(issuing, signer);
  return prepare(certificates, issuing, signer);
}

/** More than any sane chain; each costs a signature check at start and bytes in every answer. */
const MAX_CHAIN = 10;

function readChain(pem: string): Certificate[] {
  const blocks = guarded(() => decodePem(pem, MAX_CHAIN + 1));
  if (blocks.length > MAX_CHAIN) {
    throw new AuthorityError('CHAIN_MALFORMED', `the chain has more than ${MAX_CHAIN} certificates`);
  }
  const other = blocks.find(({ label }) => label !== 'CERTIFICATE');
  if (other !== undefined) {
    throw new AuthorityError('CHAIN_MALFORMED', 'the chain file holds something else than certificates', {
      hint: `Take the block "${other.label}" out of it.`,
    });
  }
  return blocks.map(({ bytes }) => guarded(() => parseCertificate(bytes)));
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new AuthorityError('CHAIN_MALFORMED', `the CA chain could not be parsed: ${error.message}`, {
      hint: 'It must be PEM with version 3 certificates: issuing CA first, root last.',
      cause: error,
    });
  }
}

function checkKey({ spki }: Certificate): void {
  const info = guarded(() => parsePublicKey(spki));
  if (info.type === 'ed25519') {
    throw new AuthorityError('KEY_UNSUITABLE', 'an Ed25519 key cannot be the key of the issuing CA', {
      hint: 'Common clients verify SCTs only below an ECDSA or RSA issuer: use P-256, P-384 or RSA.',
    });
  }
  const verdict = judgeKey(info);
  if (!verdict.good) {
    throw new AuthorityError('KEY_UNSUITABLE', `the key of the issuing CA ${verdict.reason}`, {
      hint: 'Make a new CA with a P-256, P-384 or RSA key.',
    });
  }
}

const PROBE = new TextEncoder().encode('mayfly: does this key belong to the certificate?');

/** The signer's word on its public key is not enough: a key service may be set up with the wrong key behind it. */
async function checkSigner({ spki }: Certificate, signer: Signer): Promise<void> {
  const { hash: digest } = SIGNATURE_ALGORITHMS[signer.algorithm];
  const same = equalBytes(spki, signer.publicKey);
  const key = createPublicKey(encodePem('PUBLIC KEY', spki));
  if (same && verify(digest ?? null, PROBE, key, await signer.sign(PROBE))) return;
  throw new AuthorityError(
    'KEY_MISMATCH',
    'public keys are not equal: the CA key does not belong to the chain',
    {
      hint: 'The first certificate of the chain must be the one that was issued for this key.',
    },
  );
}

function prepare(certificates: readonly Certificate[], issuing: Certificate, signer: Signer): Authority {
  const chain = certificates.map(({ der }) => der);
  const pems = chain.map((der) => certificatePem(der));
  const { identifier: algorithm } = SIGNATURE_ALGORITHMS[signer.algorithm];
  return {
    chain,
    chainPems: pems.map((pem) => `${pem}\n`),
    chainPem: pems.join('\n'),
    chainJsonTail: chain.map((der) => `,"${certificatePemInJson(der)}"`).join(''),
    signer,
    algorithm,
    issuerKeyHash: sha256(issuing.spki),
    chainFingerprints: concat(chain.map(sha256)),
    validity: commonValidity(certificates),
    profile: prepareProfile({ name: issuing.subject, keyId: subjectKeyIdentifier(issuing), algorithm }),
    faults: verifierFaults(certificates),
  };
}

const commonValidity = (certificates: readonly Certificate[]): Validity => ({
  notBefore: Math.max(...certificates.map(({ notBefore }) => notBefore)),
  notAfter: Math.min(...certificates.map(({ notAfter }) => notAfter)),
});

/** When every certificate of a chain is valid, from its PEM alone. Throws {@link AuthorityError} when it is no chain. */
export const chainValidity = (chainPem: string): Validity => commonValidity(readChain(chainPem));

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(hash('sha256', bytes, 'buffer'));
