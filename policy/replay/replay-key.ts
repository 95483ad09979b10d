import { hash } from 'node:crypto';
import { claim } from '../../oidc/core/claims.ts';
import type { VerifiedToken } from '../../oidc/verify-token.ts';

/**
 * What stands for a token in the memory of used ones: 32 bytes, from which the token cannot be found out.
 *
 * With `jti`, the issuer and the claim of that name (RFC 7519 §4.1.7), so that a token that is signed anew under its old
 * id counts as used. A token without one, or with one that is not text, is known by its hash. The hash is over header and
 * payload alone, as they are spelled: one token can have several good signatures, and a client that makes another one (with
 * ECDSA any client can) must not get another use out of it.
 */
export function replayKey(
  compact: string,
  { issuer, claims }: VerifiedToken,
  mode: 'jti' | 'token',
): Uint8Array {
  const id = mode === 'jti' ? claim(claims, 'jti') : undefined;
  const text =
    typeof id === 'string' && id !== ''
      ? `jti\0${issuer}\0${id}`
      : `token\0${compact.slice(0, compact.lastIndexOf('.'))}`;
  return hash('sha256', text, 'buffer');
}
