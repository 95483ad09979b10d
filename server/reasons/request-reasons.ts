import type { RequestReason } from '../../ca/request-error.ts';
import type { ReasonRows, Wire } from './reason-row.ts';

const KEY: Wire = { grpc: 3, fulcioMessage: 'The public key supplied in the request could not be parsed' };
const CSR: Wire = { grpc: 3, fulcioMessage: 'The certificate signing request could not be parsed' };
const INSECURE: Wire = { grpc: 3, fulcioMessage: 'The public key supplied in the request is insecure' };
const UNPROVEN: Wire = {
  grpc: 3,
  fulcioMessage: 'The signature supplied in the request could not be verified',
};
const OWN_WORDS: Wire = { grpc: 3 };
const CA_DOWN: Wire = { grpc: 13, fulcioMessage: 'error communicating with CA backend' };

/** The key, its proof, or what would stand in the certificate is not acceptable. */
export const REQUEST_REASONS: ReasonRows<RequestReason> = {
  KEY_MISSING: {
    ...KEY,
    meaning: 'The request holds neither a public key nor a certificate signing request.',
    cause: 'A client of another API, or an empty file.',
    remedy: 'Send the public key as PEM, or a certificate signing request.',
  },
  KEY_MALFORMED: {
    ...KEY,
    meaning: 'What stands where the public key belongs cannot be read as one.',
    cause: 'A private key, a certificate or an SSH key was sent; or the PEM text lost its line breaks.',
    remedy: 'Send a PEM block of type PUBLIC KEY, as written by `openssl pkey -in key.pem -pubout`.',
  },
  KEY_INSECURE: {
    ...INSECURE,
    meaning: 'The key can be broken, or not be relied on: too short, a bad exponent, a known weak modulus.',
    cause:
      'An old RSA key, one made by a device with the ROCA fault, or a modulus that anybody can take apart.',
    remedy: 'Make a new key: ECDSA P-256 is the usual one.',
  },
  KEY_UNSUPPORTED: {
    ...INSECURE,
    meaning: 'The key is of a kind that is not accepted.',
    cause: 'DSA, a curve such as secp256k1, or RSA of an odd size.',
    remedy: 'Use ECDSA P-256, P-384 or P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519.',
  },
  PROOF_INVALID: {
    ...UNPROVEN,
    meaning: 'The proof of possession is not a signature of the key over the name that the token stands for.',
    cause:
      'The client signed another claim, used another hash, or the key is not the one whose proof was sent.',
    remedy:
      'Sign the e-mail claim of the token (or `sub`, where the issuer identifies by something else) with the key.',
  },
  CSR_NOT_ACCEPTED: {
    ...OWN_WORDS,
    meaning: 'The issuer block of this identity takes no certificate signing request.',
    cause: 'The operator wrote `csr: off`: a request proves its key once, and not for whom.',
    remedy: 'Send the public key with a proof of possession over the name.',
  },
  CSR_MALFORMED: {
    ...CSR,
    meaning: 'What stands where the certificate signing request belongs cannot be read as one.',
    cause: 'Another kind of PEM block, or a text that was cut.',
    remedy: 'Send the PEM text that `openssl req -new` writes.',
  },
  CSR_SIGNATURE_INVALID: {
    ...UNPROVEN,
    meaning: 'The certificate signing request is not signed by its own key.',
    cause: 'The request was changed after it was signed.',
    remedy: 'Make the request again.',
  },
  CSR_ALGORITHM_UNRECOGNIZED: {
    ...OWN_WORDS,
    meaning: 'The certificate signing request is signed by an algorithm that is not accepted.',
    cause: 'SHA-1, MD5 or RSA-PSS.',
    remedy: 'Sign the request by ECDSA or RSA PKCS#1 v1.5 with SHA-256, SHA-384 or SHA-512, or by Ed25519.',
  },
  ALGORITHM_NOT_PERMITTED: {
    ...OWN_WORDS,
    meaning: 'Keys of this kind are good, and not permitted here.',
    cause: 'The operator narrowed `client-signing-algorithms`, or `key-algorithms` of the issuer block.',
    remedy: 'Use a key of a permitted kind, or ask the operator to permit this one.',
  },
  IDENTITY_UNENCODABLE: {
    ...OWN_WORDS,
    meaning: 'The name cannot stand in a certificate.',
    cause: 'It holds control or invisible characters, or characters that its type does not have.',
    remedy: 'The operator of the issuer changes the name of the account.',
  },
  IDENTITY_TOO_LARGE: {
    ...OWN_WORDS,
    meaning:
      'A name or extension, or all of them together, would be longer than a certificate of this service may be.',
    cause: 'A claim that grows with its project goes into an extension by a template.',
    remedy: 'The operator takes the claim out of the template.',
  },
  ISSUER_MISSING: {
    ...OWN_WORDS,
    meaning: 'The certificate would have to name an empty issuer.',
    cause: 'The `issuer-claim` of the token is an empty text.',
    remedy: 'The operator of the broker makes it fill the claim.',
    neverAnswered: 'Every issuer type refuses such a token before, most with `CLAIM_MISSING`.',
  },
  AUTHORITY_EXPIRED: {
    ...CA_DOWN,
    meaning: 'A certificate of the CA is over, so nothing can be issued.',
    cause: 'The intermediate was not renewed in time, or the clock of the service is ahead.',
    remedy: 'The operator checks the clock and installs a renewed chain.',
  },
  AUTHORITY_NOT_YET_VALID: {
    ...CA_DOWN,
    meaning: 'The certificates of the CA are valid only later.',
    cause: 'The clock of the service is behind.',
    remedy: 'The operator checks the clock.',
  },
};
