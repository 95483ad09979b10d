/** What the proof of possession signs, and which identity the certificate must then carry. */
import type { SubjectAltName } from '../../core/subject-alt-name.ts';
import { CommandError } from '../program/command.ts';
import { printable } from '../../core/printable.ts';
import type { OfferedIssuer } from './service.ts';
import type { TokenClaims } from './token-claims.ts';

/** The text to sign: the e-mail address if there is one, else the subject. An address that its issuer did not verify
 * is an error, unless the service says that it takes such. `offered` is the service's entry for the issuer. */
export function challengeOf(claims: TokenClaims, offered: OfferedIssuer | undefined): string {
  if (claims.email === undefined) return claims.subject;
  if (claims.emailVerified) return claims.email;
  if (offered !== undefined && offered.challengeClaim !== 'email') return claims.subject;
  if (offered?.skipsEmailVerification === true) return claims.email;
  throw new CommandError(
    'FAILED',
    `the issuer has not verified the e-mail address ${printable(claims.email)}`,
    {
      hint: 'Verify it there and log in again.',
    },
  );
}

/** `same`: the certificate names what the token names. `derived`: it names something that the service made out of the
 * token by rules of its own, which the client cannot check. `other`: it names somebody else. */
export type Likeness = 'same' | 'derived' | 'other';

/** Names that well-known issuers' tokens lead to. */
const WELL_KNOWN: readonly ((text: (claim: string) => string) => string)[] = [
  (text) => text('email'),
  (text) => text('sub'),
  (text) => `https://github.com/${text('job_workflow_ref')}`,
  (text) => `https://${text('ci_config_ref_uri')}`,
];

/** How the name in a certificate compares with the token. Only an issuer's own template makes a URI or a user name
 * that stands nowhere in the token; nothing makes an e-mail address. */
export function compareName(name: SubjectAltName, claims: TokenClaims): Likeness {
  const text = (claim: string): string => {
    const value = claims.all.get(claim);
    return typeof value === 'string' ? value : '';
  };
  if (WELL_KNOWN.some((make) => make(text) === name.value)) return 'same';
  if (name.type === 'username' && name.value.startsWith(`${claims.subject}!`)) return 'same';
  return name.type === 'email' ? 'other' : 'derived';
}

/** How the issuer in a certificate compares with the token. A service may put the issuer behind a broker there
 * (Dex: `federated_claims.connector_id`), but then the token names it somewhere. */
export function compareIssuer(issuer: string, claims: TokenClaims): Likeness {
  if (issuer === claims.issuer) return 'same';
  return holdsText([...claims.all.values()], issuer, 0) ? 'derived' : 'other';
}

function holdsText(value: unknown, wanted: string, depth: number): boolean {
  if (value === wanted) return true;
  if (typeof value !== 'object' || value === null || depth > 5) return false;
  return Object.values(value).some((inner) => holdsText(inner, wanted, depth + 1));
}
