import { requiredText } from '../core/claims.ts';
import { isEmailAddress } from './email-address.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { hostMismatch, readSubjectDomain } from './subject-domain.ts';
import type { SubjectDomainRule } from './subject-domain.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

/** Type username: somebody without an e-mail address, named `sub!subject-domain`. */
export function usernameIssuer(definition: IssuerDefinition): PrincipalReader {
  const { subjectDomain: domain = '' } = definition;
  readSubjectDomain(definition, domainRule(domain));
  return (token) => {
    const name = requiredText(token.claims, 'sub');
    if (name.includes('!')) throw refused(`the token's subject contains "!"`);
    if (isEmailAddress(name)) throw refused("the token's subject is an e-mail address, not a user name");
    return workloadPrincipal(token, { type: 'username', value: `${name}!${domain}` });
  };
}

const refused = (sentence: string): TokenError =>
  new TokenError('IDENTITY_REFUSED', sentence, {
    hint: 'A token of this issuer has to name a user, who goes into the certificate as "user!subject-domain".',
  });

/** The domain is compared as it is written: it is no URL. */
const domainRule = (written: string): SubjectDomainRule => ({
  type: 'username',
  example: 'a domain without a scheme, such as example.com',
  schemeFault: (scheme) =>
    scheme === '' ? undefined : 'SubjectDomain for username should not contain scheme',
  mismatch: (_, issuer) => hostMismatch(written, issuer.hostname),
});
