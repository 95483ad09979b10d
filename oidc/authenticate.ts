/** From an identity token to a principal: what other rooms call. */
import { messageOf } from '../core/errors.ts';
import { isLoopbackHostname } from '../core/loopback.ts';
import { claim } from './core/claims.ts';
import type { Identity } from './identity.ts';
import type { IssuerDefinition } from './core/issuer-definition.ts';
import type { IssuerWarning } from './core/issuer-warning.ts';
import { IssuerFault } from './keys/issuer-fault.ts';
import { IssuerPool } from './issuer-pool.ts';
import type { Issuer, IssuerPoolOptions } from './issuer-pool.ts';
import { skippedWarnings } from './keys/issuer-keys.ts';
import { StaticKeys } from './keys/static-keys.ts';
import { parseToken } from './token.ts';
import { rethrowWith, TokenError } from './core/token-error.ts';
import { verifyToken } from './verify-token.ts';
import type { VerifiedToken } from './verify-token.ts';

/** Turns tokens into principals. */
export interface Authenticator {
  /** Who the token speaks for, with its claims and the issuer block that accepted them. Throws {@link TokenError}, which
   * names what is certain of the token. */
  identify(token: string): Promise<Identity>;
  /** The definition whose issuer block accepts a token that was verified before, perhaps by an older configuration. Fetches
   * nothing.
   * Throws {@link TokenError} when there is none. */
  definitionOf(token: VerifiedToken): IssuerDefinition;
  /** Fetches the keys of every issuer that has an issuer block of its own ahead of the first token. What fails is a warning and
   * is tried again with the first token that needs it. Never throws. */
  start(): Promise<IssuerWarning[]>;
  /** Closes the connections to the issuers. */
  close(): Promise<void>;
}

/** What {@link prepareAuthenticator} needs. */
export interface AuthenticatorOptions extends IssuerPoolOptions {
  readonly issuers: readonly IssuerDefinition[];
  /** One that {@link prepareAuthenticator} made. Its keys and connections are taken over where issuers are fetched in the
   * same way. It works until it is closed, and then closes only what was not taken over. */
  readonly previous?: Authenticator | undefined;
}

/** Makes an authenticator for `issuers` in steps of less than a millisecond each, so that other work can run in between.
 * Throws {@link DefinitionError} when one of the issuers cannot work. */
export function* prepareAuthenticator(options: AuthenticatorOptions): Generator<void, Authenticator> {
  const { issuers, previous } = options;
  const pool = new IssuerPool(options, previous instanceof PooledAuthenticator ? previous.pool : undefined);
  yield* pool.fill(issuers);
  return new PooledAuthenticator(pool);
}

class PooledAuthenticator implements Authenticator {
  readonly pool: IssuerPool;

  constructor(pool: IssuerPool) {
    this.pool = pool;
  }

  identify(token: string): Promise<Identity> {
    return identify(token, this.pool);
  }

  definitionOf(token: VerifiedToken): IssuerDefinition {
    const issuerBlocks = this.pool.issuerBlocksFor(token.issuer) ?? unknownIssuer();
    return issuerBlocks.choose(claim(token.claims, 'aud')).definition;
  }

  start(): Promise<IssuerWarning[]> {
    return warmUp(this.pool);
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}

async function identify(compact: string, pool: IssuerPool): Promise<Identity> {
  const unverified = parseToken(compact);
  const issuer = pool.find(unverified.issuer) ?? unknownIssuer();
  const { token, issuerBlock } = await verifyToken(unverified, issuer);
  issuer.accepted?.();
  const { definition } = issuerBlock;
  try {
    return { principal: issuerBlock.principalOf(token), token, definition };
  } catch (error) {
    return rethrowWith(error, { issuer: issuer.url, issuerBlock: definition.name });
  }
}

/** Refuses a token of an issuer that is not there: throws {@link TokenError}. */
export function unknownIssuer(): never {
  throw new TokenError('ISSUER_UNKNOWN', 'the token comes from an issuer that is not configured here', {
    hint: 'Compare the "iss" of the token with oidc-issuers to the letter, a slash at the end included.',
  });
}

/** Issuers that are asked at the same time while starting. */
const PARALLEL = 16;

async function warmUp(pool: IssuerPool): Promise<IssuerWarning[]> {
  const waiting = [...pool.exact()];
  const warnings: IssuerWarning[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      warnings.push(...plainHttp(next), ...(await fetchKeys(next)));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return warnings;
}

function plainHttp({ url, firstDocument }: Issuer): IssuerWarning[] {
  if (firstDocument === undefined || firstDocument.protocol === 'https:') return [];
  if (isLoopbackHostname(firstDocument.hostname)) return [];
  return [
    {
      issuer: url,
      sentence: `the keys of ${url} are fetched over plain HTTP`,
      hint: 'Anyone who can change that traffic can become anybody of this issuer. Use HTTPS.',
    },
  ];
}

async function fetchKeys({ url, keys }: Issuer): Promise<IssuerWarning[]> {
  try {
    const { keys: set } = await keys.current();
    // Those of others are reported when they are fetched.
    return keys instanceof StaticKeys
      ? skippedWarnings(
          url,
          set.skipped.filter(({ isFault }) => isFault),
        )
      : [];
  } catch (error) {
    const hint =
      (error instanceof IssuerFault ? error.hint : undefined) ??
      'Its tokens are refused until it answers; it is asked again when one comes.';
    return [{ issuer: url, sentence: messageOf(error), hint }];
  }
}
