/** SPIFFE IDs by the grammar of go-spiffe 2 (SPIFFE-ID §2), which Fulcio asks. */

const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;
const SCHEME = 'spiffe://';

/** The trust domain of the SPIFFE ID `text`; undefined when it is none. */
export function trustDomainOf(text: string): string | undefined {
  if (!text.startsWith(SCHEME)) return undefined;
  const [domain = '', ...path] = text.slice(SCHEME.length).split('/');
  return TRUST_DOMAIN.test(domain) && path.every(isSegment) ? domain : undefined;
}

/** The trust domain that a configuration names, bare or as a SPIFFE ID in it; undefined when it is none. */
export function readTrustDomain(text: string): string | undefined {
  if (text.includes(':/')) return trustDomainOf(text);
  return TRUST_DOMAIN.test(text) ? text : undefined;
}

const isSegment = (segment: string): boolean => SEGMENT.test(segment) && segment !== '.' && segment !== '..';
