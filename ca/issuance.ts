/** From a request to a certificate: the five steps of the product, in their order. */
import type { Clock } from '../core/clock.ts';
import type { Committed } from '../ct-log/committed.ts';
import type { Principal } from '../oidc/principal.ts';
import type { Authority } from './authority.ts';
import { signCertificate } from './certificate.ts';
import { proveKey } from './possession.ts';
import { signPrecertificate } from './precertificate.ts';
import type { PrecertificateLog } from './precertificate-log.ts';
import { newSerial, serialHex } from './serial.ts';
import { permitAlgorithms } from './signing-algorithms.ts';
import type { SigningRequest } from './signing-request.ts';
import { leafValidity, LIFETIME_SECONDS } from './validity.ts';

/** What issuing needs. */
export interface IssuanceParts {
  /** Rejects with `TokenError` for a token that is not accepted. */
  readonly authenticate: (token: string) => Promise<Principal>;
  readonly authority: Authority;
  readonly log: PrecertificateLog;
  readonly clock: Clock;
  /** Names of `signing-algorithms.ts`. */
  readonly permittedAlgorithms: readonly string[];
  /** 600 when left out. */
  readonly lifetimeSeconds?: number | undefined;
}

/** A certificate that may leave. */
export interface Issued {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly principal: Principal;
  /** Lower-case hexadecimal. */
  readonly serialHex: string;
  readonly committed: Committed;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/**
 * Issues one certificate. Rejects with `TokenError`, {@link RequestError}, the log's or the signer's own error, or
 * {@link ReleaseError}; after the log has committed the entry, a failure leaves an entry without a certificate in the
 * log, which is harmless and true: the CA had the intention.
 */
export type Issue = (request: SigningRequest) => Promise<Issued>;

/** Joins the parts. Throws {@link SigningAlgorithmError} for an unknown algorithm's name. */
export function createIssuance(parts: IssuanceParts): Issue {
  const { authenticate, authority, log, clock, lifetimeSeconds = LIFETIME_SECONDS } = parts;
  const permit = permitAlgorithms(parts.permittedAlgorithms);

  return async (request) => {
    const principal = await authenticate(request.token);
    const key = proveKey(request.key, principal, permit);
    const validity = leafValidity(clock(), lifetimeSeconds, authority.validity);
    const content = { key, principal, validity, serial: newSerial() };
    const precertificate = await signPrecertificate(authority, content);
    const committed = await log.append(precertificate.entry);
    const certificate = await signCertificate(authority, precertificate, committed);
    return describe(certificate, content, committed);
  };
}

function describe(
  certificate: Uint8Array,
  content: Parameters<Authority['profile']>[0],
  committed: Committed,
): Issued {
  return {
    certificate,
    principal: content.principal,
    serialHex: serialHex(content.serial),
    committed,
    notAfter: content.validity.notAfter,
  };
}
