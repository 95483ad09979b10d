/** Which domains the subjects of an issuer may be put under, with Fulcio's words where it refuses one. */
import { DefinitionError } from '../core/definition-error.ts';
import { GoUrlError, parseGoUrl } from '../../core/go/url.ts';
import type { GoUrl } from '../../core/go/url.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';

const FIELD = 'subject-domain';

/** What the types that need a subject-domain differ in. */
export interface SubjectDomainRule {
  readonly type: 'uri' | 'username';
  /** What it has to look like. */
  readonly example: string;
  /** What is wrong with its scheme; undefined when nothing is. */
  readonly schemeFault: (scheme: string) => string | undefined;
  /** Why it does not belong to the issuer; undefined when it does. */
  readonly mismatch: (domain: GoUrl, issuer: GoUrl) => string | undefined;
}

/** The subject-domain of a definition, taken apart by Go's rules. Throws {@link DefinitionError} when it is no domain
 * of the issuer's. */
export function readSubjectDomain(definition: IssuerDefinition, rule: SubjectDomainRule): GoUrl {
  const { subjectDomain = '', url, isMeta } = definition;
  const metadata = { issuer: url, field: FIELD };
  if (subjectDomain === '') {
    throw new DefinitionError('FIELD_MISSING', `${rule.type} issuer must have SubjectDomain set`, {
      hint: `Set subject-domain to ${rule.example}.`,
      metadata,
    });
  }
  const wrong = (sentence: string): DefinitionError =>
    new DefinitionError('FIELD_INVALID', sentence, {
      hint: `It is ${rule.example}, on the same domain as the issuer.`,
      metadata,
    });
  const domain = parse(subjectDomain, (words) => wrong(`SubjectDomain is not a URL: ${words}`));
  const fault = rule.schemeFault(domain.scheme);
  if (fault !== undefined) throw wrong(fault);
  // The issuers of a pattern are on many hosts; Fulcio does not compare there either.
  if (isMeta) return domain;
  const issuer = parse(url, (words) => wrong(`issuer is not a URL: ${words}`));
  if (issuer.scheme === '') throw wrong(`issuer for ${rule.type} must contain scheme`);
  const mismatch = rule.mismatch(domain, issuer);
  if (mismatch !== undefined) throw wrong(mismatch);
  return domain;
}

function parse(text: string, refusal: (words: string) => DefinitionError): GoUrl {
  try {
    return parseGoUrl(text);
  } catch (error) {
    throw error instanceof GoUrlError ? refusal(error.goMessage) : error;
  }
}

/** Why the host names are not of one domain; undefined when they are. The last two labels count, as in Fulcio, so that
 * `a.co.uk` and `b.co.uk` are of one. */
export function hostMismatch(subject: string, issuer: string): string | undefined {
  if (subject === issuer) return undefined;
  const short = [subject, issuer].find((name) => !name.includes('.'));
  if (short !== undefined) return `URI hostname too short: ${short}`;
  return lastTwoLabels(subject) === lastTwoLabels(issuer)
    ? undefined
    : `hostname top-level and second-level domains do not match: ${subject}, ${issuer}`;
}

const lastTwoLabels = (name: string): string => name.split('.').slice(-2).join('.');
