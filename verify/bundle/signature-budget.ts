import { VerifyError } from '../verify-error.ts';
import type { BundleCrypto } from './artifact.ts';

/** Signatures that are checked for one bundle. One with as many entries and timestamps as a bundle may have, and no chain of more than five, takes fewer. */
export const MAX_SIGNATURE_CHECKS = 400;

/** Ends the verification of a bundle. It is no refusal of one check, so that none can pass it over as a candidate that did not fit. */
export class SignatureBudgetError extends Error {
  override readonly name = 'SignatureBudgetError';
  /** What is said of the bundle. */
  readonly refusal = new VerifyError(
    'REFUSED',
    `more than ${MAX_SIGNATURE_CHECKS} signatures would have to be checked for the bundle: it holds far more than a signature needs`,
  );
}

/** Cryptography that checks {@link MAX_SIGNATURE_CHECKS} signatures, and then throws {@link SignatureBudgetError}: whatever a bundle holds, its verification ends soon. */
export function withSignatureBudget(crypto: BundleCrypto): BundleCrypto {
  let left = MAX_SIGNATURE_CHECKS;
  const spend = (): void => {
    if (left === 0) throw new SignatureBudgetError();
    left--;
  };
  return {
    base: crypto.base ?? crypto,
    sha256: crypto.sha256,
    digest: (hash, data) => crypto.digest(hash, data),
    verify: (scheme, spki, data, signature) => {
      spend();
      return crypto.verify(scheme, spki, data, signature);
    },
    ...(crypto.verifyDigest === undefined
      ? {}
      : {
          verifyDigest: (scheme, spki, digest, signature) => {
            spend();
            return crypto.verifyDigest?.(scheme, spki, digest, signature) ?? false;
          },
        }),
  };
}
