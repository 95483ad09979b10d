import type { KeyObject } from 'node:crypto';
import { loadAuthority, type Authority } from '../../../ca/authority.ts';
import { createAuthorityChain, type AuthorityChain } from '../../../ca/ceremony.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { encodePem } from '../../../core/pem.ts';

/** A time inside the validity of everything below: 2026-11-22T10:00:00.250Z. */
export const NOW = Date.UTC(2026, 10, 22, 10, 0, 0, 250);

export interface TestAuthority extends AuthorityChain {
  readonly authority: Authority;
  readonly chainPem: string;
}

/** A real CA: made by the ceremony, loaded through every check. */
export async function testAuthority(keyType = 'p256', now = NOW): Promise<TestAuthority> {
  const clock = (): number => now;
  const made = await createAuthorityChain({
    organization: 'Example Org',
    commonName: 'Example CA',
    keyType,
    clock,
    dev: false,
  });
  const chainPem = chainOf(made.intermediateDer, made.rootDer);
  const authority = await loadAuthority({ chainPem, signer: localSigner(made.intermediateKey), clock });
  return { ...made, authority, chainPem };
}

/** PEM text of certificates in that order. */
export const chainOf = (...ders: readonly Uint8Array[]): string =>
  ders.map((der) => encodePem('CERTIFICATE', der)).join('');

/** SubjectPublicKeyInfo PEM of a public key, as bytes. */
export const pemOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(Buffer.from(key.export({ type: 'spki', format: 'pem' })));
