/** OpenID Connect Discovery 1.0 §4, as far as verifying a signature needs it. */
import { printable } from '../../core/printable.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import { announcedAlgorithms } from './accepted-algorithms.ts';
import type { AcceptedAlgorithms } from './accepted-algorithms.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';

/** What an issuer publishes about itself. */
interface ProviderMetadata {
  readonly jwksUri: URL;
  readonly algorithms: AcceptedAlgorithms;
}

const LIMITS = { timeout: 10_000, size: 256 * 1024 };
const MAX_URL_LENGTH = 2048;

/** Where an issuer's discovery document is. */
export const discoveryUrl = (issuer: string): URL =>
  new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);

/** A discovery document to fetch. */
interface DiscoveryLocation {
  readonly url: URL;
  /** What its `issuer` has to be. */
  readonly issuer: string;
}

/** Fetches and checks a discovery document. Throws {@link IssuerFault}. */
export async function discover(
  { url, issuer }: DiscoveryLocation,
  fetch: FetchDocument,
): Promise<ProviderMetadata> {
  const document = await fetch(url, LIMITS);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new IssuerFault('UNUSABLE', `the discovery document at ${url.href} is not a JSON object`);
  }
  const members = document as Claims;
  const found = claim(members, 'issuer');
  if (found !== issuer) throw anotherIssuer(url, issuer, found);
  return { jwksUri: readJwksUri(members, url), algorithms: readAlgorithms(members, url) };
}

function anotherIssuer(from: URL, wanted: string, found: unknown): IssuerFault {
  const sentence = `the discovery document at ${from.href} speaks for ${shown(found)}, not for ${shown(wanted)}`;
  return new IssuerFault('UNUSABLE', sentence, {
    hint:
      'The configured URL must equal the document\'s "issuer" to the letter, a slash at the end included. Where the ' +
      'document is meant to name another one, say so by mayfly.discovery-issuer of the issuer block.',
  });
}

const MAX_SHOWN = 200;

/** A member of a document in a sentence. */
function shown(value: unknown): string {
  if (value === undefined) return 'none';
  const text = JSON.stringify(value);
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

function readJwksUri(members: Claims, from: URL): URL {
  const text = claim(members, 'jwks_uri');
  // A short one, because it is part of every message about the keys, and so of the log.
  const url = typeof text === 'string' && text.length <= MAX_URL_LENGTH ? URL.parse(text) : null;
  // Plain HTTP only where the document itself came over plain HTTP, because the operator configured that.
  const allowed = from.protocol === 'http:' ? ['http:', 'https:'] : ['https:'];
  if (url !== null && allowed.includes(url.protocol) && url.username === '' && url.password === '')
    return url;
  const sentence = `the discovery document at ${from.href} has no HTTPS "jwks_uri": what is there is ${shown(withoutUser(text))}`;
  throw new IssuerFault('UNUSABLE', sentence, {
    hint: 'It has to be an absolute URL without a user. Where the issuer cannot be corrected, mayfly.jwks-url names the keys.',
  });
}

/** The URL without its user and password, for messages. */
const withoutUser = (value: unknown): unknown =>
  typeof value === 'string' ? value.replace(/\/\/[^/@]*@/, '//…@') : value;

function readAlgorithms(members: Claims, from: URL): AcceptedAlgorithms {
  const announced = claim(members, 'id_token_signing_alg_values_supported') ?? [];
  if (Array.isArray(announced)) return announcedAlgorithms(announced);
  throw new IssuerFault('UNUSABLE', `the discovery document at ${from.href} has no list of algorithms`);
}
