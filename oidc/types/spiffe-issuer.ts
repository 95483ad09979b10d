import { certificateUri } from './certificate-uri.ts';
import { requiredText } from '../core/claims.ts';
import { DefinitionError } from '../core/definition-error.ts';
import { goQuote } from '../../core/go/quote.ts';
import type { IssuerDefinition } from '../core/issuer-definition.ts';
import type { PrincipalReader } from './issuer-types.ts';
import { readTrustDomain, trustDomainOf } from './spiffe-id.ts';
import { TokenError } from '../core/token-error.ts';
import { workloadPrincipal } from './workload-principal.ts';

/** Type spiffe: a workload, named by its SPIFFE ID in the trust domain that the definition fixes. */
export function spiffeIssuer(definition: IssuerDefinition): PrincipalReader {
  const wanted = readDomain(definition);
  return (token) => {
    const id = requiredText(token.claims, 'sub');
    const found = trustDomainOf(id);
    if (found === undefined) throw refused(`the token's subject ${goQuote(id)} is not a SPIFFE ID`);
    if (found !== wanted) {
      throw refused(`the token's subject is of the trust domain "${found}", this issuer's is "${wanted}"`);
    }
    return workloadPrincipal(token, certificateUri(id));
  };
}

const refused = (sentence: string): TokenError =>
  new TokenError('IDENTITY_REFUSED', sentence, {
    hint: 'The subject has to be a SPIFFE ID (spiffe://trust-domain/path) of the trust domain in the configuration.',
  });

function readDomain({ url, isMeta, spiffeTrustDomain = '' }: IssuerDefinition): string {
  const metadata = { issuer: url, field: isMeta ? 'type' : 'spiffe-trust-domain' };
  if (isMeta) {
    throw new DefinitionError('FIELD_INVALID', 'SPIFFE meta issuers not supported', {
      hint: 'Many issuers would then speak for one trust domain. Name each issuer under oidc-issuers.',
      metadata,
    });
  }
  if (spiffeTrustDomain === '') {
    throw new DefinitionError('FIELD_MISSING', 'spiffe issuer must have SPIFFETrustDomain set', {
      hint: 'Set spiffe-trust-domain to the trust domain of its workloads, such as example.org.',
      metadata,
    });
  }
  const domain = readTrustDomain(spiffeTrustDomain);
  if (domain !== undefined) return domain;
  throw new DefinitionError('FIELD_INVALID', 'spiffe trust domain is invalid', {
    hint: 'It consists of a-z, 0-9, ".", "-" and "_", such as example.org.',
    metadata,
  });
}
