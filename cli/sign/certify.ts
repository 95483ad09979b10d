/** One certificate for the key of a run: the token, the request, and the check of what came. */
import type { Clock } from '../../core/clock.ts';
import { checkAnswer, type CheckedAnswer } from '../certificate/check-answer.ts';
import { identityToken, type TokenSource } from '../certificate/identity-token.ts';
import { requestCertificate } from '../certificate/request-certificate.ts';
import { readTokenClaims } from '../certificate/token-claims.ts';
import { knowsNoLog } from '../../verify/trust.ts';
import { CommandError } from '../program/command.ts';
import type { SigningKey } from './signing-key.ts';
import type { SigningServices } from './signing-services.ts';

/** Whom it is for, and from whom. */
interface CertificateWish {
  readonly services: SigningServices;
  readonly key: SigningKey;
  readonly token: Omit<TokenSource, 'usualIssuer'>;
  readonly clock: Clock;
}

/** Gets a certificate that leads to the trusted root, is logged and is for the key and the token. Rejects with CommandError or ServiceRefusal. */
export async function certify({
  services,
  key,
  token: source,
  clock,
}: CertificateWish): Promise<CheckedAnswer> {
  const { authority, usualIssuer, trustedRoot, trustedBy } = services;
  const trust = { roots: [], intermediates: [], logs: [], trustedRoot };
  if (knowsNoLog(trust))
    throw new CommandError('FAILED', 'the trusted root names no log of certificates', {
      hint: 'No verifier could check that the certificate was logged. Get the newest files from the operator of the service.',
    });
  const token = await identityToken({ ...source, usualIssuer }, authority);
  const claims = readTokenClaims(token);
  const chain = await requestCertificate(authority, { token, claims, key });
  const whose = trustedBy === 'service' ? 'service' : 'directory';
  return await checkAnswer({ chain, key, claims, trust: { trust, trustedBy: whose }, clock });
}
