/** From a request to a certificate: the steps of the product, in their order. */
import type { Clock } from '../core/clock.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { Committed } from '../tlog/committed.ts';
import type { Identity } from '../oidc/identity.ts';
import { ModulusJudge } from '../oidc/modulus-judge.ts';
import type { Principal } from '../oidc/principal.ts';
import type { Authority } from './authority.ts';
import { signCertificate } from './certificate.ts';
import type { DecisionTrace } from './decision-trace.ts';
import type { Grant, IssuancePolicy } from './issuance-policy.ts';
import { GOOD_KEYS } from './key-policy.ts';
import { proveKey, type ProvenKey } from './possession.ts';
import { signPrecertificate, type Precertificate } from './precertificate.ts';
import { isNotLogged, type PrecertificateLog } from './precertificate-log.ts';
import type { LeafContent } from './profile.ts';
import { RequestError } from './request-error.ts';
import { newSerial, serialHex } from './serial.ts';
import type { SigningRequest } from './signing-request.ts';
import { leafValidity } from './validity.ts';

/** What issuing needs. */
export interface IssuanceParts {
  /** The policy that is in force now. A request is decided by the one that it began with. */
  readonly policy: () => IssuancePolicy;
  readonly authority: Authority;
  readonly log: PrecertificateLog;
  readonly clock: Clock;
  /** What is known to keep every certificate from leaving now, as the error to refuse with; undefined while nothing is.
   * Asked before a token counts as used, so that it still works when the trouble is over. */
  readonly trouble?: (() => Error | undefined) | undefined;
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
  /** Whoever lets the certificate wait before it leaves calls this right before it does: throws PolicyError or
   * TokenError when a policy that was loaded meanwhile refuses it. */
  readonly confirm: () => void;
}

/** The places of one request in what the service has under way at once. They are of the caller, who also gives back the one
 * that is held at the end. */
export interface RequestPlace {
  /** The token is verified: takes a place, before anything else is done. Throws what refuses the request. */
  admit(): void;
  /** The key will be looked at for milliseconds: from now on the request holds a place among those that wait for that, and no
   * other. Nothing is counted or used up yet. Throws what refuses the request. */
  toKeyCheck(): void;
  /** The key was looked at: the request holds its first place again. */
  fromKeyCheck(): void;
}

/**
 * Issues one certificate. Rejects with `TokenError`, `RequestError`, `PolicyError`, the log's or the signer's
 * own error, or {@link ReleaseError}; after the log has committed the entry, a failure leaves an entry without a
 * certificate in the log, which is harmless and true: the CA had the intention. `trace` is filled on the way.
 */
export type Issue = (request: SigningRequest, trace?: DecisionTrace, place?: RequestPlace) => Promise<Issued>;

/** Joins the parts. */
export function createIssuance(parts: IssuanceParts): Issue {
  const { policy: current, authority, log, clock } = parts;
  const requireReady = (): void => {
    const trouble = parts.trouble?.();
    if (trouble !== undefined) throw trouble;
  };
  const enter = async (key: ProvenKey, principal: Principal, grant: Grant): Promise<Entering> => {
    const validity = leafValidity(clock(), grant.lifetimeSeconds, authority.validity);
    // The clock that the validity was taken from may be what the trouble is about.
    requireReady();
    const content = { key, principal, validity, serial: newSerial() };
    const precertificate = await signPrecertificate(authority, content);
    return { content, precertificate };
  };
  return async (request, trace = {}, place) => {
    const policy = current();
    const identity = await policy.identify(request.token, trace);
    noteIdentity(trace, identity);
    place?.admit();
    const { principal } = identity;
    const key = proveKey(request.key, principal, policy.keyDemands(identity));
    leafValidity(clock(), 1, authority.validity);
    requireReady();
    const isRsa = key.type.startsWith('RSA');
    if (isRsa) place?.toKeyCheck();
    // Also where the answer is there at once: waiting lets other requests catch up, and all of them sign in a row.
    const grant = await policy.authorize(identity, key, request.token);
    trace.rule = grant.rule;
    // A request that is refused counts against no limit, but for one that left an entry in the log or cost much time.
    const refund = (error: unknown): never => {
      grant.refund?.();
      throw error;
    };
    if (isRsa) {
      const weakness = await weaknessOf(key).catch(refund);
      place?.fromKeyCheck();
      if (weakness !== undefined)
        throw new RequestError('KEY_INSECURE', `the key ${weakness}`, { hint: GOOD_KEYS });
    }
    const { content, precertificate } = await enter(key, principal, grant).catch(refund);
    const committed = await log.append(precertificate.entry).catch((error: unknown) => {
      if (isNotLogged(error)) return refund(error);
      trace.serial = serialHex(content.serial);
      throw error;
    });
    trace.serial = serialHex(content.serial);
    trace.leafIndex = committed.index;
    // The log may have taken its time, and so may a key that lives elsewhere.
    const confirm = (): void => {
      const now = current();
      if (now !== policy) now.confirm(identity, key);
    };
    confirm();
    const certificate = await signCertificate(authority, precertificate, committed);
    confirm();
    return { ...describe(certificate, content, committed), confirm };
  };
}

/** One for all clients' keys. */
const JUDGE = new ModulusJudge();

/** Why anybody can use the key; undefined when nobody is known to. Takes milliseconds, in another thread, and so comes after
 * the limits. */
async function weaknessOf({ spki }: ProvenKey): Promise<string | undefined> {
  const info = parsePublicKey(spki);
  return info.type === 'rsa' ? JUDGE.weaknessOf(info.modulus) : undefined;
}

/** What is about to be logged. */
interface Entering {
  readonly content: LeafContent;
  readonly precertificate: Precertificate;
}

function noteIdentity(trace: DecisionTrace, { principal, definition }: Identity): void {
  trace.entry = definition.name;
  trace.issuer = principal.issuer;
  trace.principal = principal.san.value;
}

function describe(
  certificate: Uint8Array,
  content: Parameters<Authority['profile']>[0],
  committed: Committed,
): Omit<Issued, 'confirm'> {
  return {
    certificate,
    principal: content.principal,
    serialHex: serialHex(content.serial),
    committed,
    notAfter: content.validity.notAfter,
  };
}
