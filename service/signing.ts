/** The signing call, joined from its parts: from a request that any protocol has read to its answer. */
import type { Audit } from '../audit/audit.ts';
import type { Authority } from '../ca/authority.ts';
import { Issuance } from '../ca/issuance.ts';
import type { IssuancePolicy } from '../ca/issuance-policy.ts';
import type { PrecertificateLog } from '../ca/precertificate-log.ts';
import type { Clock } from '../core/clock.ts';
import type { Records } from '../server/fulcio/decision-records.ts';
import type { InFlightLimit } from '../server/fulcio/in-flight-limit.ts';
import { SigningCalls } from '../server/fulcio/signing-calls.ts';
import { SigningEndpoint } from '../server/fulcio/signing-endpoint.ts';
import { SigningQueue } from '../server/fulcio/signing-queue.ts';
import { SigningV1, SigningV2 } from '../server/fulcio/signing-versions.ts';
import type { AcceptCount } from '../server/http/accept-priority.ts';
import type { ClientAddress } from '../server/http/client-address.ts';

/** What it needs, and the process has one of, or one in each thread. */
interface SigningParts {
  readonly policy: { readonly current: IssuancePolicy };
  readonly authority: Authority;
  readonly log: PrecertificateLog;
  /** Whether certificates carry no SCT. */
  readonly isUnlogged?: boolean | undefined;
  readonly clock: Clock;
  readonly audit: Pick<Audit, 'refusal'> | undefined;
  readonly records: Records;
  readonly inFlight: InFlightLimit;
  /** Returns the number of connections accepted so far. */
  readonly accepted: AcceptCount;
  readonly clientAddress: ClientAddress;
  /** Threads that share the memory of bodies. */
  readonly sharers?: number | undefined;
}

/** The signing call of one thread. */
export interface Signing {
  /** Where requests wait, whatever they came by. */
  readonly queue: SigningQueue;
  /** Those over HTTP. */
  readonly endpoint: SigningEndpoint;
}

/** Joins the parts. */
export function createSigning(parts: SigningParts): Signing {
  const { policy, authority, log, clock, audit, records, inFlight, accepted, clientAddress, sharers } = parts;
  const issuance = new Issuance({ policy, authority, log, clock, audit });
  const queue = new SigningQueue(new SigningCalls(issuance, records, inFlight), accepted, sharers);
  const versions = [new SigningV2(authority, parts.isUnlogged !== true), new SigningV1(authority)];
  return { queue, endpoint: new SigningEndpoint({ queue, versions, clientAddress }) };
}
