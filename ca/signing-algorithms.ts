/**
 * Fulcio's registry of client signing algorithms (`client-signing-algorithms`): which key may be certified with which
 * hash. Names are those of Sigstore's `PublicKeyDetails`, lower-case.
 */
import { MayflyError } from '../core/errors.ts';
import { RequestError } from './request-error.ts';

/** The keys that the policy knows (`key-policy.ts`). */
export type ClientKeyType = 'P-256' | 'P-384' | 'P-521' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096' | 'Ed25519';

/** Hash of the proof; undefined for pure Ed25519. */
export type ProofHash = 'sha256' | 'sha384' | 'sha512' | undefined;

type Row = readonly [name: string, type: ClientKeyType, hash: ProofHash, standard: boolean];

// The registry's key is the type and the hash: a PSS row therefore permits the same key as its PKCS#1 v1.5 sibling,
// as it does upstream, while the proof itself stays PKCS#1 v1.5.
const ROWS: readonly Row[] = [
  ['ecdsa-sha2-256-nistp256', 'P-256', 'sha256', true],
  ['ecdsa-sha2-256-nistp384', 'P-384', 'sha256', false],
  ['ecdsa-sha2-384-nistp384', 'P-384', 'sha384', true],
  ['ecdsa-sha2-256-nistp521', 'P-521', 'sha256', false],
  ['ecdsa-sha2-512-nistp521', 'P-521', 'sha512', true],
  ['rsa-sign-pkcs1-2048-sha256', 'RSA-2048', 'sha256', true],
  ['rsa-sign-pkcs1-3072-sha256', 'RSA-3072', 'sha256', true],
  ['rsa-sign-pkcs1-4096-sha256', 'RSA-4096', 'sha256', true],
  ['rsa-sign-pss-2048-sha256', 'RSA-2048', 'sha256', false],
  ['rsa-sign-pss-3072-sha256', 'RSA-3072', 'sha256', false],
  ['rsa-sign-pss-4096-sha256', 'RSA-4096', 'sha256', false],
  ['ed25519', 'Ed25519', undefined, true],
  // Known to the registry, but no proof is ever made with it: the proof of an Ed25519 key is the pure one.
  ['ed25519-ph', 'Ed25519', 'sha512', false],
];

/** Every name that the configuration may use. */
export const SIGNING_ALGORITHM_NAMES: readonly string[] = ROWS.map(([name]) => name);

/** What is permitted when the configuration says nothing: Fulcio's own default. */
export const DEFAULT_SIGNING_ALGORITHMS: readonly string[] = ROWS.filter(([, , , standard]) => standard).map(
  ([name]) => name,
);

/** A name that the registry does not know. */
export class SigningAlgorithmError extends MayflyError<'ALGORITHM_UNKNOWN'> {}

/** Throws {@link RequestError} `ALGORITHM_NOT_PERMITTED` for a key and hash that the registry leaves out. */
export type AlgorithmGate = (type: ClientKeyType, hash: ProofHash) => void;

/** The gate of a list of names; throws {@link SigningAlgorithmError} for an unknown one. */
export function permitAlgorithms(names: readonly string[]): AlgorithmGate {
  const permitted = new Set(names.map(pairOf));
  return (type, hash) => {
    if (!permitted.has(pair(type, hash))) throw refusal(type, hash);
  };
}

const pair = (type: ClientKeyType, hash: ProofHash): string => `${type}/${hash ?? ''}`;

function pairOf(name: string): string {
  const row = ROWS.find(([known]) => known === name);
  if (row === undefined) {
    throw new SigningAlgorithmError('ALGORITHM_UNKNOWN', `"${name}" is not a signing algorithm`, {
      hint: `Known are: ${SIGNING_ALGORITHM_NAMES.join(', ')}.`,
    });
  }
  return pair(row[1], row[2]);
}

const GO_HASH: Readonly<Record<NonNullable<ProofHash>, string>> = {
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512',
};

function goType(type: ClientKeyType): string {
  if (type === 'Ed25519') return 'ed25519.PublicKey';
  return type.startsWith('RSA') ? '*rsa.PublicKey' : '*ecdsa.PublicKey';
}

function refusal(type: ClientKeyType, hash: ProofHash): RequestError {
  const hashName = hash === undefined ? 'unknown hash value 0' : GO_HASH[hash];
  return new RequestError(
    'ALGORITHM_NOT_PERMITTED',
    `signing algorithm not permitted: ${goType(type)}, ${hashName}`,
    {
      hint: `This server does not certify ${type} keys proven that way; ask its operator or use another key type.`,
      metadata: { keyType: type },
    },
  );
}
