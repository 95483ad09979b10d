import { certificateUri } from './certificate-uri.ts';
import { requiredText } from './claims.ts';
import { DefinitionError } from './definition-error.ts';
import { isEmailAddress } from './email-address.ts';
import { verifiedEmail } from './email-claims.ts';
import { commonExtensions } from './extension-values.ts';
import { GoUrlError, parseGoUrl } from './go-url.ts';
import type { GoUrl } from './go-url.ts';
import type { IssuerDefinition } from './issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { TokenError } from './token-error.ts';

/** Type uri: a workload, named by a URI on the host that the definition fixes. */
export function uriIssuer(definition: IssuerDefinition): PrincipalReader {
  const domain = readDomain(definition);
  return (token) => {
    const subject = requiredText(token.claims, 'sub');
    checkSubject(subject, domain);
    return {
      issuer: token.issuer,
      subject,
      challenge: subject,
      alternativeChallenge: verifiedEmail(token.claims),
      san: certificateUri(subject),
      extensions: commonExtensions(token.issuer, subject),
    };
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

const FIELD = 'subject-domain';

function wrongDomain(definition: IssuerDefinition, sentence: string): DefinitionError {
  return new DefinitionError('FIELD_INVALID', sentence, {
    hint: 'It is a URL such as https://example.com, on the same domain as the issuer.',
    metadata: { issuer: definition.url, field: FIELD },
  });
}

function readDomain(definition: IssuerDefinition): GoUrl {
  if (definition.subjectDomain === undefined || definition.subjectDomain === '') {
    throw new DefinitionError('FIELD_MISSING', 'uri issuer must have SubjectDomain set', {
      hint: 'Set subject-domain to the scheme and host of its subjects, such as https://example.com.',
      metadata: { issuer: definition.url, field: FIELD },
    });
  }
  const domain = tryUrl(definition.subjectDomain);
  const issuer = tryUrl(definition.url);
  if (domain === undefined || issuer === undefined)
    throw wrongDomain(definition, 'SubjectDomain is not a URL');
  if (domain.scheme === '') throw wrongDomain(definition, 'SubjectDomain for uri must contain scheme');
  const fault = domainFault(domain, issuer);
  if (fault !== undefined) throw wrongDomain(definition, fault);
  return domain;
}

function domainFault(subject: GoUrl, issuer: GoUrl): string | undefined {
  if (subject.scheme !== issuer.scheme) {
    return `subject (${subject.scheme}) and issuer (${issuer.scheme}) URI schemes do not match`;
  }
  if (subject.hostname === issuer.hostname) return undefined;
  const names = [subject.hostname, issuer.hostname];
  const short = names.find((name) => !name.includes('.'));
  if (short !== undefined) return `URI hostname too short: ${short}`;
  const [a, b] = names.map((name) => name.split('.').slice(-2).join('.'));
  return a === b
    ? undefined
    : `hostname top-level and second-level domains do not match: ${names.join(', ')}`;
}
