/** `mayfly/verify`: the offline verifier of Sigstore bundles as a library. It loads in a browser. There is one call that verifies, {@link verifyBundle};
 * everything else says what to verify, and against what. */
export { parseTrustedRoot, type TrustedRoot } from '../trust/format/trusted-root.ts';
export {
  artifactOfBytes,
  artifactOfDigests,
  type Artifact,
  type ArtifactHash,
  type BundleCrypto,
} from './bundle/artifact.ts';
export type { BundleRequest, SignerPolicy } from './bundle/bundle-request.ts';
export { BUNDLE_STEPS, type BundleStep } from './bundle/bundle-step.ts';
export { trustOf, type BundleTrust } from './bundle/bundle-trust.ts';
export type { SigningTime, Thresholds } from './bundle/signing-time.ts';
export type { PredicatePolicy } from './bundle/statement-check.ts';
export type { BundleFault, BundleVerification } from './bundle/bundle-verification.ts';
export { verifyBundle } from './bundle/verify-bundle.ts';
export type { DenyList, DenyRule } from './deny-list.ts';
export type { ExtensionPolicy } from './fulcio-extension.ts';
export { fulcioExtensionOf, type FulcioExtension } from '../core/fulcio-extensions.ts';
export { anything, exactly, matching, type IdentityPolicy, type TextPolicy } from './identity-policy.ts';
export type { SkippedStep, Step } from './step.ts';
export { VerifyError, type VerifyCode } from './verify-error.ts';
export { parseWitnessPolicy, type WitnessPolicy } from '../tlog/format/witness-policy.ts';
export { webCrypto } from './web-crypto.ts';
