/**
 * Proof of possession: the client shows that it holds the private key, by a signature over the principal's challenge
 * or by the signature of its certificate request. Only this file makes a {@link ProvenKey}.
 *
 * The challenge's proof is bound to a name, not to a token or a time: everybody who sees it may use it again. A
 * request's signature is bound to nobody: it says that the key was proven once, not for whom. That is the protocol;
 * the token is what says who is asking.
 */
import { verify, type KeyObject } from 'node:crypto';
import { utf8 } from '../core/bytes.ts';
import type { Principal } from '../oidc/core/principal.ts';
import type { KeyDemands } from './issuance-policy.ts';
import { malformedCsr, parseCsr, type ParsedCsr } from './csr.ts';
import { derOfP1363 } from '../core/ecdsa-signature.ts';
import { keyFromSpki, readRequestKey, type RequestKey } from './request-key.ts';
import { RequestError } from './request-error.ts';
import type { AlgorithmGate, ClientKeyType, ProofHash } from './signing-algorithms.ts';
import { MAX_LENGTHS, type KeyRequest } from './signing-request.ts';

/** How possession was shown; see the file's head for what each is worth. */
export type ProvenBy = 'challenge' | 'csr';

// Nominal by its private field: only this file can make one.
class ProvenKeyValue implements RequestKey {
  readonly type: ClientKeyType;
  readonly spki: Uint8Array;
  readonly keyBits: Uint8Array;
  readonly handle: KeyObject;
  readonly provenBy: ProvenBy;
  /** What the signature that proved it was made over. */
  readonly hash: ProofHash;
  readonly #vouched = true;

  constructor(key: RequestKey, provenBy: ProvenBy, hash: ProofHash) {
    this.type = key.type;
    this.spki = key.spki;
    this.keyBits = key.keyBits;
    this.handle = key.handle;
    this.provenBy = provenBy;
    this.hash = hash;
  }

  static isOne(value: object): value is ProvenKeyValue {
    return #vouched in value && value.#vouched;
  }
}

/** A key whose private half the client has shown to hold. */
export type ProvenKey = ProvenKeyValue;

/** Whether this file made the value, whatever the type says. */
export const isProven = (value: object): value is ProvenKey => ProvenKeyValue.isOne(value);

/** Checks key and proof of a request. Throws {@link RequestError} with what is wrong, in Fulcio's order: parse, weak
 * key, signature, permitted algorithm. A certificate request that is not wanted is not looked at. */
export function proveKey(request: KeyRequest, principal: Principal, demands: KeyDemands): ProvenKey {
  const { permit } = demands;
  if (request.kind === 'publicKey')
    return proveByChallenge(readRequestKey(request.content), request.proof, principal, permit);
  if (!demands.csr) throw csrNotAccepted();
  return proveByRequest(parseCsr(request.pem), permit);
}

/** Whether a key that was proven under other demands meets these too. Throws {@link RequestError} when it does not. */
export function requireDemanded({ type, hash, provenBy }: ProvenKey, { permit, csr }: KeyDemands): void {
  if (provenBy === 'csr' && !csr) throw csrNotAccepted();
  permit(type, hash);
}

const csrNotAccepted = (): RequestError =>
  new RequestError('CSR_NOT_ACCEPTED', 'certificate signing requests are not accepted for this identity', {
    hint:
      'Send the public key with a proof of possession over the name: the signature of a request does not say for ' +
      'whom the key was proven.',
  });

const PROOF_HASH: Readonly<Record<ClientKeyType, ProofHash>> = {
  'P-256': 'sha256',
  'P-384': 'sha384',
  'P-521': 'sha512',
  'RSA-2048': 'sha256',
  'RSA-3072': 'sha256',
  'RSA-4096': 'sha256',
  Ed25519: undefined,
};

function proveByChallenge(
  key: RequestKey,
  proof: Uint8Array,
  principal: Principal,
  permit: AlgorithmGate,
): ProvenKey {
  const hash = PROOF_HASH[key.type];
  const texts = [principal.challenge, principal.alternativeChallenge];
  if (proof.length === 0) throw invalidProof('the request holds no proof of possession');
  if (proof.length > MAX_LENGTHS.signature)
    throw invalidProof(`the proof of possession is longer than ${MAX_LENGTHS.signature} bytes`);
  const good = texts.some((text) => text !== undefined && provesText(key, hash, text, proof));
  if (!good) {
    throw invalidProof('the proof of possession is not a signature by this key over the expected text');
  }
  permit(key.type, hash);
  return new ProvenKeyValue(key, 'challenge', hash);
}

function provesText(key: RequestKey, hash: ProofHash, text: string, proof: Uint8Array): boolean {
  const data = utf8(text);
  if (verifies(key.handle, hash, data, proof)) return true;
  if (!key.type.startsWith('P-')) return false;
  const der = derOfP1363(proof);
  return der !== undefined && verifies(key.handle, hash, data, der);
}

/** Node's `verify` on a bare handle; a signature that OpenSSL cannot even read is a wrong one. */
function verifies(key: KeyObject, hash: ProofHash, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(hash ?? null, data, key, signature);
  } catch {
    return false;
  }
}

const invalidProof = (sentence: string): RequestError =>
  new RequestError('PROOF_INVALID', sentence, {
    hint:
      'Sign the e-mail claim of the token (or sub, where the issuer identifies by something else) with the key: ' +
      'ECDSA with the hash of its curve, RSA PKCS#1 v1.5 with SHA-256, or pure Ed25519.',
  });

function proveByRequest(csr: ParsedCsr, permit: AlgorithmGate): ProvenKey {
  const key = keyOfRequest(csr.spki);
  const { scheme, goName, broken } = csr.algorithm;
  if (broken) throw invalidSelfSignature(`${goName} is not secure`);
  if (scheme === undefined) {
    throw new RequestError('CSR_ALGORITHM_UNRECOGNIZED', `unrecognized signature algorithm: ${goName}`, {
      hint: 'Sign the request by ECDSA or RSA PKCS#1 v1.5 with SHA-256, SHA-384 or SHA-512, or by Ed25519.',
    });
  }
  const fits = key.handle.asymmetricKeyType === scheme.keyType;
  if (!fits || !verifies(key.handle, scheme.hash, csr.info, csr.signature)) {
    throw invalidSelfSignature('it was not made by the key inside');
  }
  permit(key.type, scheme.hash);
  return new ProvenKeyValue(key, 'csr', scheme.hash);
}

/** A key that cannot be parsed is a fault of the request that carries it, as Go sees it too. */
function keyOfRequest(spki: Uint8Array): RequestKey {
  try {
    return keyFromSpki(spki);
  } catch (error) {
    if (!(error instanceof RequestError) || error.code !== 'KEY_MALFORMED') throw error;
    throw malformedCsr(error.message, error);
  }
}

const invalidSelfSignature = (why: string): RequestError =>
  new RequestError(
    'CSR_SIGNATURE_INVALID',
    `the signature of the certificate signing request is invalid: ${why}`,
    {
      hint: 'Make the request anew with the private key that belongs to it.',
    },
  );
