/** From an identity token to a principal: the one door of this room. */
import type { Clock } from '../core/clock.ts';
import type { DocumentFetcher } from './fetch-document.ts';
import type { IssuerDefinition } from './issuer-definition.ts';
import { IssuerFault } from './issuer-fault.ts';
import { IssuerPool } from './issuer-pool.ts';
import type { Issuer } from './issuer-pool.ts';
import type { Principal } from './principal.ts';
import { parseToken } from './token.ts';
import { TokenError } from './token-error.ts';
import { verifyToken } from './verify-token.ts';

/** Something about an issuer that an operator should know, though the service starts. */
export interface IssuerWarning {
  /** The issuer's URL as defined. */
  readonly issuer: string;
  readonly sentence: string;
  readonly hint: string;
}

/** Turns tokens into principals. */
export interface Authenticator {
  /** Who the token speaks for. Throws {@link TokenError}. */
  authenticate(token: string): Promise<Principal>;
  /** Fetches every issuer's keys ahead of the first token. What fails is a warning and is tried again with the first
   * token that needs it. Never throws. */
  start(): Promise<IssuerWarning[]>;
  /** Closes the connections to the issuers. */
  close(): Promise<void>;
}

/** What {@link createAuthenticator} needs. */
export interface AuthenticatorOptions {
  readonly issuers: readonly IssuerDefinition[];
  readonly clock: Clock;
  /** Makes the fetcher for issuers with these extra certificates (PEM); default over the network. */
  readonly createFetcher?: ((caCert: string | undefined) => DocumentFetcher) | undefined;
  /** For each document of an issuer, in milliseconds; default 10 s. */
  readonly timeout?: number | undefined;
}

/** An authenticator for `issuers`. Throws {@link DefinitionError} when one of them cannot work. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const pool = new IssuerPool(options.issuers, options);
  return {
    authenticate: (token) => authenticate(token, pool),
    start: () => warmUp(pool),
    close: () => pool.close(),
  };
}

async function authenticate(compact: string, pool: IssuerPool): Promise<Principal> {
  const token = parseToken(compact);
  const issuer = pool.find(token.issuer);
  if (issuer === undefined) {
    throw new TokenError('ISSUER_UNKNOWN', 'the token comes from an issuer that is not configured here', {
      hint: 'Compare the "iss" of the token with oidc-issuers to the letter, a slash at the end included.',
    });
  }
  return issuer.principalOf(await verifyToken(token, issuer.policy));
}

/** Issuers that are asked at the same time while starting. */
const PARALLEL = 16;

async function warmUp(pool: IssuerPool): Promise<IssuerWarning[]> {
  const waiting = pool.all();
  const warnings: IssuerWarning[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      warnings.push(...plainHttp(next), ...(await fetchKeys(next)));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return warnings;
}

function plainHttp({ definition }: Issuer): IssuerWarning[] {
  const { protocol, hostname } = new URL(definition.url);
  if (protocol === 'https:' || isLoopback(hostname)) return [];
  return [
    {
      issuer: definition.url,
      sentence: `the keys of ${definition.url} are fetched over plain HTTP`,
      hint: 'Whoever can change that traffic can become anybody of this issuer. Use HTTPS.',
    },
  ];
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname);

async function fetchKeys({ definition, policy }: Issuer): Promise<IssuerWarning[]> {
  try {
    await policy.keys.current();
    return [];
  } catch (error) {
    const hint =
      (error instanceof IssuerFault ? error.hint : undefined) ??
      'Its tokens are refused until it answers; it is asked again when one comes.';
    return [
      { issuer: definition.url, sentence: error instanceof Error ? error.message : String(error), hint },
    ];
  }
}
