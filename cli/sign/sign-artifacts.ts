/** A run of `mayfly sign` or `mayfly attest`: everything is read, signed, certified, timestamped and verified before the first bundle is written. */
import type { BundleContent } from '../../bundle/format/bundle.ts';
import type { Clock } from '../../core/clock.ts';
import { trustOf, type BundleTrust } from '../../verify/bundle/bundle-trust.ts';
import type { SigningTime } from '../../verify/bundle/signing-time.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { printable } from '../../core/printable.ts';
import type { CheckedAnswer } from '../certificate/check-answer.ts';
import type { TokenSource } from '../certificate/identity-token.ts';
import type { Speaker } from '../program/command.ts';
import { artifactName } from './artifact.ts';
import { bundlePlaces, writeBundle, type BundlePlace, type OutputOptions } from './bundle-files.ts';
import { certify } from './certify.ts';
import { checkBundle } from './check-bundle.ts';
import { bundleText } from './signed-bundle.ts';
import { makeSigningKey, type ReadArtifact, type SigningKey } from './signing-key.ts';
import { signingServices, type ServiceOptions, type SigningServices } from './signing-services.ts';

/** What was signed, and with what. */
export interface SignedBytes {
  /** With the signature. */
  readonly content: BundleContent;
  readonly read: ReadArtifact;
}

/** What is to be signed, where and as whom. */
interface SigningRun {
  readonly artifacts: readonly string[];
  /** Reads an artifact and signs it, or what is said of it. */
  readonly sign: (artifact: string, key: SigningKey) => Promise<SignedBytes>;
  readonly output: OutputOptions;
  readonly services: ServiceOptions;
  readonly token: Omit<TokenSource, 'usualIssuer'>;
  readonly clock: Clock;
  readonly speak: Speaker;
}

/** A bundle that was verified. */
export interface MadeBundle extends BundlePlace {
  readonly text: string;
  /** SHA-256 of the artifact. */
  readonly digest: Uint8Array;
  /** What says when it was signed. */
  readonly times: readonly SigningTime[];
}

/** What a run made. */
export interface SigningOutcome {
  readonly answer: CheckedAnswer;
  readonly trustedBy: SigningServices['trustedBy'];
  readonly bundles: readonly MadeBundle[];
}

/** Signs each artifact with one key and one certificate, and writes the bundles; those for standard output are for the caller to write. Rejects with the typed error of what is
 * wrong, and then nothing was written, unless writing itself failed. */
export async function signArtifacts(run: SigningRun): Promise<SigningOutcome> {
  const { artifacts, speak, clock } = run;
  const places = await bundlePlaces(artifacts, run.output);
  const key = makeSigningKey();
  // Before the login, so that nobody logs in for a file that is not there.
  const signed: (SignedBytes & BundlePlace)[] = [];
  for (const place of places) {
    speak.step(`Reading ${printable(artifactName(place.artifact))}`);
    signed.push({ ...place, ...(await run.sign(place.artifact, key)) });
  }
  const services = await signingServices(run.services, clock());
  speak.step(`Asking ${services.authority.url} for a certificate`);
  const answer = await certify({ services, key, token: run.token, clock });
  speak.step(`Certificate for ${printable(answer.identity)}`);
  const trust = trustOf(services.trustedRoot, platformCrypto);
  const bundles: MadeBundle[] = [];
  for (const one of signed)
    bundles.push(await verifiedBundle(one, answer, { services, trust, now: clock() }));
  for (const { bundle, text } of bundles) if (bundle !== undefined) await writeBundle(bundle, text);
  return { answer, trustedBy: services.trustedBy, bundles };
}

interface Judge {
  readonly services: SigningServices;
  readonly trust: BundleTrust;
  readonly now: number;
}

async function verifiedBundle(
  { artifact, bundle, read, content }: SignedBytes & BundlePlace,
  { certificatePem, identity, issuer }: CheckedAnswer,
  { services: { timestampAuthorities, artifactLogs }, trust, now }: Judge,
): Promise<MadeBundle> {
  const text = await bundleText({ content, certificatePem, timestampAuthorities, artifactLogs });
  const times = await checkBundle(text, {
    name: artifactName(artifact),
    artifact: read,
    identity,
    issuer,
    trust,
    thresholds: {
      // Services that name no log do not take one away that verifiers will ask for.
      ...(artifactLogs.length > 0 && { entries: artifactLogs.length }),
      timestamps: timestampAuthorities.length,
    },
    now,
  });
  return { artifact, bundle, digest: read.digest, text, times };
}
