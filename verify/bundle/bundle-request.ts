/** What a caller asks of a bundle. */
import type { WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import type { DenyList } from '../deny-list.ts';
import type { ExtensionPolicy } from '../fulcio-extension.ts';
import type { IdentityPolicy } from '../identity-policy.ts';
import type { Artifact } from './artifact.ts';
import type { BundleTrust } from './bundle-trust.ts';
import type { Thresholds } from './signing-time.ts';
import type { PredicatePolicy } from './statement-check.ts';

/** Who must have signed. */
export type SignerPolicy =
  | {
      readonly type: 'certificate';
      readonly identity: IdentityPolicy;
      readonly extensions?: readonly ExtensionPolicy[] | undefined;
    }
  | {
      readonly type: 'key';
      /** DER SubjectPublicKeyInfo. */
      readonly spki: Uint8Array;
    };

/** What to verify, and against what. */
export interface BundleRequest {
  /** The text of the bundle; as bytes it must be UTF-8. */
  readonly bundle: string | Uint8Array;
  readonly artifact: Artifact;
  readonly trust: BundleTrust;
  readonly signer: SignerPolicy;
  readonly thresholds?: Thresholds | undefined;
  /** Milliseconds since the epoch: the present time, at which the signer is judged where nothing trusted says when it signed. Without it such a bundle is
   * refused. */
  readonly now?: number | undefined;
  /** Milliseconds since the epoch: the verifier's clock, that of the machine by default. A signing time more than five minutes ahead of it is refused. */
  readonly clock?: number | undefined;
  /** Of an attestation: exactly this type of predicate. */
  readonly predicateType?: string | undefined;
  /** Of an attestation. */
  readonly predicate?: PredicatePolicy | undefined;
  /** What is not believed, and the time (milliseconds since the epoch) at which the list must still be good. */
  readonly deny?: { readonly list: DenyList; readonly now: number } | undefined;
  /** Text of a C2SP tlog-proof, UTF-8, that the certificate is in its log. Entries have their proofs in the bundle: one of an entry is refused. */
  readonly proof?: Uint8Array | undefined;
  /** Text of a checkpoint of that log that was kept, UTF-8. With it a proof is demanded, which must be under the tree of that very head: what was logged later does not count, even if the keys are stolen. */
  readonly head?: Uint8Array | undefined;
  /** Whether a certificate without such a proof is refused, and so an entry without an inclusion proof under a checkpoint, which bundles of version 0.1 may have. */
  readonly requireInclusion?: boolean | undefined;
  /** Who has to have cosigned the checkpoint that each entry is proven under (c2sp.org/tlog-policy); without it nobody. A bundle without an entry of a trusted log is refused then. */
  readonly witnesses?: WitnessPolicy | undefined;
  /** Whether a root among the certificates of the bundle is passed over, in place of refusing the bundle; it is never believed. */
  readonly allowRootInChain?: boolean | undefined;
}

/** Throws TypeError for a request that asks of a key what only a certificate has, and RangeError for a number that is none: nothing that is asked for is passed over. */
export function requireMeetable({
  signer,
  thresholds = {},
  now,
  clock,
  deny,
  proof,
  head,
  requireInclusion,
}: BundleRequest): void {
  const isProven = proof !== undefined || head !== undefined || requireInclusion === true;
  if (signer.type === 'key' && (deny !== undefined || isProven))
    throw new TypeError(
      'deny, proof, head and requireInclusion are about a certificate, and the signer is a key',
    );
  const { scts = 0 } = thresholds;
  if (scts > 1) throw new RangeError(`thresholds.scts is more than the one SCT of a certificate: ${scts}`);
  if (signer.type === 'key' && scts > 0)
    throw new TypeError('thresholds.scts is about a certificate, and the signer is a key');
  for (const [name, value] of Object.entries<number | undefined>({ ...thresholds }))
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      throw new RangeError(`thresholds.${name} is not a whole number from 0 on: ${value}`);
  for (const [name, value] of Object.entries({ now, clock, 'deny.now': deny?.now }))
    if (value !== undefined && !Number.isFinite(value))
      throw new RangeError(`${name} is not a time in milliseconds: ${value}`);
}
