import type { Clock } from '../core/clock.ts';
import { createLog } from '../tlog/create-log.ts';
import type { StorePlaces } from '../tlog/store/store-places.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { ctLogIdentity, type CtLogIdentity, type SctExtensions } from './log-identity.ts';

/** A certificate log to be made. */
export interface NewCtLog {
  /** Where it will be; must not exist, or be empty. */
  readonly directory: string;
  /** Name of the log in its checkpoints; {@link CtLogIdentity.origin} has the rules. */
  readonly origin: string;
  readonly sctExtensions: SctExtensions;
  /** DER SubjectPublicKeyInfo of an ECDSA P-256 key that no other log uses. */
  readonly ecdsaPublicKey: Uint8Array;
  /** Raw Ed25519 key, 32 bytes. */
  readonly ed25519PublicKey: Uint8Array;
  /** Where its stores are to be; default: in the directory. */
  readonly places?: StorePlaces | undefined;
  readonly clock: Clock;
}

/** Makes the directory of a new certificate log, as {@link createLog} does. Also throws {@link LogError} `LOG_BAD_ORIGIN` for
 * an origin that cannot be, `LOG_WRONG_KEY` for a key of another length. */
export async function createCtLog(log: NewCtLog): Promise<CtLogIdentity> {
  const { directory, origin, sctExtensions, places, ecdsaPublicKey: publicKey, ed25519PublicKey } = log;
  if (ed25519PublicKey.length !== 32) {
    throw new LogError('LOG_WRONG_KEY', 'the Ed25519 key of the log does not have 32 bytes');
  }
  const createdAt = log.clock();
  const identity = ctLogIdentity({ origin, publicKey, ed25519PublicKey, sctExtensions, createdAt });
  await createLog({ directory, identity, createdAt, places });
  return identity;
}
