/**
 * How large a certificate may grow. A client that can choose claims could otherwise make the log keep megabytes for ever, or
 * get certificates that no verifier reads: `verify` stops at 64 KiB.
 */
import type { Principal } from '../oidc/core/principal.ts';
import { RequestError } from './request-error.ts';
import { tlvSize, type SharedTbs } from './tbs-template.ts';

const KIB = 1024;
/** Of the DER of the subject alternative name. */
const MAX_SAN = 8 * KIB;
/** Of one value of Fulcio's extensions, in bytes of UTF-8. */
const MAX_EXTENSION_VALUE = 8 * KIB;
/** Of the TBSCertificate as it is logged, DER. The SCT and the signature add less than 2 KiB. */
const MAX_TBS = 32 * KIB;

/** Throws {@link RequestError} `IDENTITY_TOO_LARGE` for a subject alternative name (DER) or a value that is too long. */
export function requireSizes(san: Uint8Array, { extensions }: Principal): void {
  if (san.length > MAX_SAN) throw tooLarge('the name for the certificate', MAX_SAN);
  for (const [number, value] of extensions) {
    if (isLonger(value, MAX_EXTENSION_VALUE))
      throw tooLarge(`the value of extension 1.3.6.1.4.1.57264.1.${number}`, MAX_EXTENSION_VALUE);
  }
}

/** Hands `shared` back. Throws {@link RequestError} `IDENTITY_TOO_LARGE` when the certificate would be too long. */
export function requireTbsSize(shared: SharedTbs): SharedTbs {
  const content = shared.front.length + tlvSize(tlvSize(shared.extensions.length));
  if (tlvSize(content) > MAX_TBS) throw tooLarge('the certificate', MAX_TBS);
  return shared;
}

// A UTF-16 unit makes at most three bytes: nearly every value needs no counting.
const isLonger = (value: string, limit: number): boolean =>
  value.length * 3 > limit && Buffer.byteLength(value) > limit;

const tooLarge = (what: string, limit: number): RequestError =>
  new RequestError(
    'IDENTITY_TOO_LARGE',
    `${what} would be longer than ${limit / KIB} KiB, with what the token says`,
    {
      hint: 'Get a token with shorter claims; where templates make the values, shorten those (ci-issuer-metadata).',
    },
  );
