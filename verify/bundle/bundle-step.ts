/** The checks on a bundle, in the order in which they are made. A bundle has a certificate and what is checked of it, or a key. */
export const BUNDLE_STEPS = [
  ...(['bundle', 'certificate', 'key', 'signature', 'artifact'] as const),
  ...(['entry', 'entry-promise', 'entry-proof', 'witnesses', 'timestamp', 'time'] as const),
  ...(['sct', 'chain', 'sct-signature', 'sct-time', 'identity', 'issuer', 'extension'] as const),
  ...(['predicate-type', 'predicate', 'deny', 'inclusion'] as const),
] as const;

/** One of the checks. */
export type BundleStep = (typeof BUNDLE_STEPS)[number];
