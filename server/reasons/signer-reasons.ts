import type { SignerReason } from '../../signers/signer-error.ts';
import type { ReasonRows, Wire } from './reason-row.ts';

/** What is said of keys and key services is for the operator. */
const KEY_DOWN: Wire = {
  grpc: 14,
  fulcioMessage: 'error communicating with CA backend',
  retryAfter: 2,
  instead: {
    sentence: 'a key of this service cannot sign at the moment',
    hint: 'Try again later; the cause is in the log of the server.',
  },
};

const OPERATOR =
  'The check `keys` of `/readyz` names the key and the fault. When that is over, the service goes on by itself within seconds: signers.md.';

/** A key outside the process did not sign. */
export const SIGNER_REASONS: ReasonRows<SignerReason> = {
  SIGNER_UNAVAILABLE: {
    ...KEY_DOWN,
    meaning:
      'The token or key service that holds a key cannot be reached, or fails. A request that comes while that is known uses up no token.',
    cause: 'A network that is down, a service that restarts, a token that was pulled out.',
    remedy: OPERATOR,
  },
  SIGNER_TIMEOUT: {
    ...KEY_DOWN,
    meaning: 'It did not answer in the time of `mayfly.keys.timeout`.',
    cause: 'A slow network, a token that hangs.',
    remedy: OPERATOR,
  },
  SIGNER_THROTTLED: {
    ...KEY_DOWN,
    meaning: 'It takes no more signatures for a moment.',
    cause: 'A quota of the key service, which others may use up.',
    remedy: `Have the quota raised, or put keys of the logs elsewhere. ${OPERATOR}`,
  },
  SIGNER_BUSY: {
    ...KEY_DOWN,
    retryAfter: 1,
    meaning: 'More signatures are asked for than the key makes in that time.',
    cause: 'More requests than a token or a quota allows.',
    remedy:
      'Try again in a second. The operator raises `mayfly.keys.max-in-flight` where the key can do more.',
  },
  SIGNER_DENIED: {
    ...KEY_DOWN,
    retryAfter: 30,
    meaning: 'It refuses who the service is there.',
    cause: 'Credentials that expired, a permission that is missing, a wrong PIN.',
    remedy: OPERATOR,
  },
  SIGNER_KEY_GONE: {
    ...KEY_DOWN,
    retryAfter: 30,
    meaning: 'There is no such key there, or it may not sign.',
    cause: 'A key that was deleted or disabled.',
    remedy: OPERATOR,
  },
  SIGNER_WRONG_KEY: {
    ...KEY_DOWN,
    retryAfter: 30,
    meaning:
      'What came is no signature of the key that certificates or the log were made with. It was not used.',
    cause: 'A key that was rotated, where its version is not named; another key behind the same name.',
    remedy: `Name the version of the key. ${OPERATOR}`,
  },
  SIGNER_REFUSED: {
    ...KEY_DOWN,
    retryAfter: 30,
    meaning: 'It refuses what it is asked.',
    cause: 'An algorithm that the key is not for.',
    remedy: OPERATOR,
  },
  SIGNER_MISSING: {
    ...KEY_DOWN,
    meaning: 'What reaches such keys is not installed.',
    cause: 'A package or a library that is optional.',
    remedy: 'Install what the message names.',
    neverAnswered: 'The service finds it when it opens its keys, and then does not start.',
  },
};
