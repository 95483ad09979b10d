/** The answer about a bundle. */
import type { JsonValue } from '../../core/strict-json.ts';
import type { SkippedStep, Step } from '../step.ts';
import type { Fault } from '../verify-error.ts';
import type { BundleStep } from './bundle-step.ts';
import type { SigningTime } from './signing-time.ts';

/** With whom a refusal lies: the `artifact` with its bundle, the `policy` (genuine, but not what was asked for), the `trust` (newer trust material may know the CA, log or
 * authority), or the `clock` (a signing time lies well ahead of that of who verifies: one of the two is wrong). */
export type BundleFault = 'artifact' | 'policy' | 'trust' | 'clock';

/** The answer. */
export interface BundleVerification {
  /** Whether every step passed. */
  readonly ok: boolean;
  /** With whom the fault lies: the artifact if anything is wrong with it, else the clock, else the trust, else the policy. */
  readonly fault: BundleFault | undefined;
  /** In the order in which they were taken; `fault` of a failed one is as above. */
  readonly steps: readonly (Omit<Step<BundleStep>, 'fault'> & { readonly fault?: BundleFault })[];
  /** What could not be judged because one of `steps` failed. */
  readonly skipped: readonly SkippedStep<BundleStep>[];
  /** What trusted sources say of when the signature was made. Each holds by itself, whatever other steps failed: look at `ok` first. */
  readonly times: readonly SigningTime[];
  /** Milliseconds since the epoch: the times at which the signer was judged. */
  readonly at: readonly number[];
  /** The CA certificates above the signer's, DER, issuing CA first, root last; empty where no way leads to a trusted root. */
  readonly path: readonly Uint8Array[];
  /** What the signer's certificate says, whether or not it is true; undefined where there is none or it cannot be read. */
  readonly identity: string | undefined;
  readonly issuer: string | undefined;
  readonly extensions: Readonly<Record<string, string>> | undefined;
  /** What the attestation says; undefined unless every step passed, so that nobody acts on one that is not verified. */
  readonly statement: { readonly predicateType: string; readonly predicate: JsonValue } | undefined;
}

/** The fault of a step, as the answer about a bundle calls it: what is wrong with a certificate is wrong with what came with the artifact. */
export const asBundleFault = (fault: Fault): BundleFault => (fault === 'certificate' ? 'artifact' : fault);
