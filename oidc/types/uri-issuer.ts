import { certificateUri } from './certificate-uri.ts';
import { requiredText } from '../core/claims.ts';
import { isEmailAddress } from './email-address.ts';
import { GoUrlError, parseGoUrl } from '../../core/go/url.ts';
import type { GoUrl } from '../../core/go/url.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { hostMismatch, readSubjectDomain } from './subject-domain.ts';
import type { SubjectDomainRule } from './subject-domain.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

/** Type uri: a workload, named by a URI on the host that the definition fixes. */
export function uriIssuer(definition: IssuerDefinition): PrincipalReader {
  const domain = readSubjectDomain(definition, DOMAIN_RULE);
  return (token) => {
    const subject = requiredText(token.claims, 'sub');
    checkSubject(subject, domain);
    return workloadPrincipal(token, certificateUri(subject));
  };
}

function refused(sentence: string): TokenError {
  return new TokenError('IDENTITY_REFUSED', sentence, {
    hint: 'A token of this issuer has to name a URI with the scheme and the host of subject-domain.',
  });
}

function checkSubject(subject: string, domain: GoUrl): void {
  if (isEmailAddress(subject)) throw refused("the token's subject is an e-mail address, not a URI");
  const url = tryUrl(subject);
  if (url === undefined) throw refused("the token's subject is not a URI");
  if (url.scheme !== domain.scheme) {
    throw refused(
      `the scheme of the token's subject is "${url.scheme}", this issuer's is "${domain.scheme}"`,
    );
  }
  if (url.hostname !== domain.hostname) {
    throw refused(
      `the host of the token's subject is "${url.hostname}", this issuer's is "${domain.hostname}"`,
    );
  }
}

function tryUrl(text: string): GoUrl | undefined {
  try {
    return parseGoUrl(text);
  } catch (error) {
    if (error instanceof GoUrlError) return undefined;
    throw error;
  }
}

const DOMAIN_RULE: SubjectDomainRule = {
  type: 'uri',
  example: 'the scheme and host of its subjects, such as https://example.com',
  schemeFault: (scheme) => (scheme === '' ? 'SubjectDomain for uri must contain scheme' : undefined),
  mismatch: (domain, issuer) =>
    domain.scheme === issuer.scheme
      ? hostMismatch(domain.hostname, issuer.hostname)
      : `subject (${domain.scheme}) and issuer (${issuer.scheme}) URI schemes do not match`,
};
