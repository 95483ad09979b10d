/** OpenID Connect Discovery 1.0 §4, as far as verifying a signature needs it. */
import { ALGORITHMS } from '../algorithms.ts';
import type { Algorithm } from '../algorithms.ts';
import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';

/** What an issuer says about itself. */
export interface ProviderMetadata {
  readonly jwksUri: URL;
  /** The algorithms it announces, of those that anybody may use here; RS256 alone when it announces none. */
  readonly algorithms: ReadonlySet<Algorithm>;
}

const LIMITS = { timeout: 10_000, size: 256 * 1024 };
const MAX_URL_LENGTH = 2048;

/** Where an issuer's discovery document is. */
export const discoveryUrl = (issuer: string): URL =>
  new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);

/** Fetches and checks the discovery document of `issuer`. Throws {@link IssuerFault}. */
export async function discover(issuer: string, fetch: FetchDocument): Promise<ProviderMetadata> {
  const url = discoveryUrl(issuer);
  const document = await fetch(url, LIMITS);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new IssuerFault('UNUSABLE', `the discovery document at ${url.href} is not a JSON object`);
  }
  const members = document as Claims;
  if (claim(members, 'issuer') !== issuer) {
    throw new IssuerFault('UNUSABLE', `the discovery document at ${url.href} speaks for another issuer`, {
      hint: 'The configured URL must equal the document\'s "issuer" to the letter, a slash at the end included.',
    });
  }
  return { jwksUri: readJwksUri(members, url), algorithms: readAlgorithms(members, url) };
}

function readJwksUri(members: Claims, from: URL): URL {
  const text = claim(members, 'jwks_uri');
  // It stands in every sentence about the keys, and so in the log.
  const url = typeof text === 'string' && text.length <= MAX_URL_LENGTH ? URL.parse(text) : null;
  // Plain HTTP only where the configured issuer itself is plain HTTP: an operator spelled that out.
  const allowed = from.protocol === 'http:' ? ['http:', 'https:'] : ['https:'];
  if (url === null || !allowed.includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw new IssuerFault('UNUSABLE', `the discovery document at ${from.href} has no HTTPS "jwks_uri"`);
  }
  return url;
}

function readAlgorithms(members: Claims, from: URL): ReadonlySet<Algorithm> {
  const announced = claim(members, 'id_token_signing_alg_values_supported') ?? [];
  if (!Array.isArray(announced)) {
    throw new IssuerFault('UNUSABLE', `the discovery document at ${from.href} has no list of algorithms`);
  }
  const usable = ALGORITHMS.filter((name) => announced.includes(name));
  return new Set(announced.length === 0 ? ['RS256'] : usable);
}
