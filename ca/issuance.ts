/** From a request to a certificate: the steps of the product, in their order. */
import type { Clock } from '../core/clock.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { Committed } from '../ct-log/committed.ts';
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
import type { PrecertificateLog } from './precertificate-log.ts';
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

/**
 * Issues one certificate. Rejects with `TokenError`, `RequestError`, `PolicyError`, the log's or the signer's
 * own error, or {@link ReleaseError}; after the log has committed the entry, a failure leaves an entry without a
 * certificate in the log, which is harmless and true: the CA had the intention. `trace` is filled on the way. `admit` is
 * called once the token is verified, before anything else is done for the request; what it throws refuses the request.
 */
export type Issue = (request: SigningRequest, trace?: DecisionTrace, admit?: () => void) => Promise<Issued>;

/** Joins the parts. */
export function createIssuance(parts: IssuanceParts): Issue {
  const { policy: current, authority, log, clock } = parts;
  const requireReady = (): void => {
    const trouble = parts.trouble?.();
    if (trouble !== undefined) throw trouble;
  };
  const enter = async (key: ProvenKey, principal: Principal, grant: Grant): Promise<Entered> => {
    if (key.type.startsWith('RSA')) await requireSoundModulus(key);
    const validity = leafValidity(clock(), grant.lifetimeSeconds, authority.validity);
    // The clock that the validity was taken from may be what the trouble is about.
    requireReady();
    const content = { key, principal, validity, serial: newSerial() };
    const precertificate = await signPrecertificate(authority, content);
    return { content, precertificate, committed: await log.append(precertificate.entry) };
  };
  return async (request, trace = {}, admit) => {
    const policy = current();
    const identity = await policy.identify(request.token, trace);
    noteIdentity(trace, identity);
    admit?.();
    const { principal } = identity;
    const key = proveKey(request.key, principal, policy.keyDemands(identity));
    leafValidity(clock(), 1, authority.validity);
    requireReady();
    // Also where the answer is there at once: waiting lets other requests catch up, and all of them sign in a row.
    const grant = await policy.authorize(identity, key, request.token);
    trace.rule = grant.rule;
    const { content, precertificate, committed } = await enter(key, principal, grant).catch(
      (error: unknown) => {
        // A refused request counts against no limit, unless it left an entry in the log.
        grant.refund?.();
        throw error;
      },
    );
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

/** Throws {@link RequestError} `KEY_INSECURE` for a key that anybody can use. Takes milliseconds, in another thread, and so
 * comes after the limits. */
async function requireSoundModulus({ spki }: ProvenKey): Promise<void> {
  const info = parsePublicKey(spki);
  const weakness = info.type === 'rsa' ? await JUDGE.weaknessOf(info.modulus) : undefined;
  if (weakness !== undefined)
    throw new RequestError('KEY_INSECURE', `the key ${weakness}`, { hint: GOOD_KEYS });
}

/** What is in the log. */
interface Entered {
  readonly content: LeafContent;
  readonly precertificate: Precertificate;
  readonly committed: Committed;
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
