/** Verifies a bundle by the trust of the run, as a verifier will who has nothing else. */
import { createHash } from 'node:crypto';
import { printable } from '../../core/printable.ts';
import type { Artifact } from '../../verify/bundle/artifact.ts';
import type { BundleTrust } from '../../verify/bundle/bundle-trust.ts';
import type { BundleFault } from '../../verify/bundle/bundle-verification.ts';
import type { SigningTime, Thresholds } from '../../verify/bundle/signing-time.ts';
import { verifyBundle } from '../../verify/bundle/verify-bundle.ts';
import { exactly } from '../../verify/identity-policy.ts';
import { CommandError } from '../program/command.ts';
import type { ReadArtifact } from './signing-key.ts';

/** What is expected of a bundle. */
interface BundleExpectation {
  /** What its artifact is called. */
  readonly name: string;
  readonly artifact: ReadArtifact;
  readonly identity: string;
  readonly issuer: string;
  readonly trust: BundleTrust;
  /** How many timestamps and log entries it must have. */
  readonly thresholds: Thresholds;
  /** Milliseconds since the epoch, by the clock here: at which the certificate counts where nothing else says when it signed. */
  readonly now: number;
}

/** The times at which the signature is known to have been there. Throws {@link CommandError} `FAILED` with the steps that fail. */
export async function checkBundle(
  bundle: string,
  expected: BundleExpectation,
): Promise<readonly SigningTime[]> {
  const { artifact, identity, issuer, trust, thresholds, now } = expected;
  const { ok, steps, times, fault } = await verifyBundle({
    bundle,
    artifact: artifactOf(artifact),
    trust,
    signer: { type: 'certificate', identity: { identity: exactly(identity), issuer: exactly(issuer) } },
    thresholds,
    now,
    clock: now,
  });
  if (ok) return times;
  const failed = steps.filter((step) => !step.ok).map(({ name, detail }) => `${name}: ${detail}`);
  throw new CommandError(
    'FAILED',
    `the bundle of ${printable(expected.name)} does not hold: ${failed.join('; ')}`,
    { hint: HINTS[fault ?? 'artifact'] ?? 'Nothing was written: no verifier would take it.' },
  );
}

const artifactOf = ({ digest, bytes }: ReadArtifact): Artifact => ({
  bytes,
  digest: (hash) => {
    if (hash === 'sha256') return digest;
    return bytes && createHash(hash).update(bytes).digest();
  },
});

const HINTS: Partial<Record<BundleFault, string>> = {
  trust:
    'Nothing was written. Is the trusted root that of these services, and the newest? Get it from who runs them.',
  clock: 'Nothing was written. Set the clock of this machine where it is wrong, and sign again.',
};
