import { challengeOf } from './challenge.ts';
import type { ClientKey } from './key-pair.ts';
import type { ServiceClient } from './service.ts';
import type { TokenClaims } from './token-claims.ts';

/** Who asks, and for which key. */
interface Applicant {
  readonly token: string;
  /** Of the token. */
  readonly claims: TokenClaims;
  readonly key: Pick<ClientKey, 'publicPem' | 'prove'>;
}

/** The chain that the service issues for a token and a key, PEM, leaf first; nothing of it is checked. Rejects with ServiceRefusal, and with
 * CommandError where the service cannot be reached or the token cannot be used. */
export async function requestCertificate(
  service: ServiceClient,
  { token, claims, key }: Applicant,
): Promise<readonly string[]> {
  const needsAdvice = claims.email !== undefined && !claims.emailVerified;
  const offered = needsAdvice
    ? (await service.issuers()).find(({ url }) => url === claims.issuer)
    : undefined;
  const proof = key.prove(challengeOf(claims, offered));
  return await service.requestCertificate({ token, publicKey: key.publicPem, proof });
}
