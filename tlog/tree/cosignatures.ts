/** Checks who cosigned a checkpoint, by a policy that names witnesses. */
import { createPublicKey, verify } from 'node:crypto';
import { concat, fromHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import type { Checkpoint } from '../format/checkpoint.ts';
import { cosignedText, parseCosignature } from '../format/cosignature.ts';
import type { NoteSignature } from '../format/signed-note.ts';
import type { Vkey } from '../format/vkey.ts';
import { isLineOf, quorumFault, type PolicyWitness, type WitnessPolicy } from '../format/witness-policy.ts';

/** A cosignature that holds. */
export interface VerifiedCosignature {
  /** As the policy names the witness. */
  readonly name: string;
  /** When it signed, seconds since the epoch. */
  readonly time: number;
  /** Its line. */
  readonly line: NoteSignature;
}

const ED25519_SPKI = fromHex('302a300506032b6570032100');

/** When the line was signed by the witness with that key, seconds since the epoch; undefined where it does not hold. `text` is that of the checkpoint. Throws FormatError for a line that cannot be read. */
export function cosignedAt(
  { key }: Pick<Vkey, 'key'>,
  text: Uint8Array,
  signature: Uint8Array,
): number | undefined {
  const { time, signature: ed25519 } = parseCosignature(signature);
  const der = Buffer.from(concat([ED25519_SPKI, key]));
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
  return verify(null, cosignedText(text, time), publicKey, ed25519) ? time : undefined;
}

/** The cosignatures of `witnesses` among the lines of a checkpoint; lines of others are passed over. Throws {@link LogError} `LOG_CORRUPT` for a line of one of their keys that does not hold, naming the witness. */
export function cosignaturesOf(
  { text, signatures }: Pick<Checkpoint, 'text' | 'signatures'>,
  witnesses: readonly PolicyWitness[],
): VerifiedCosignature[] {
  const found: VerifiedCosignature[] = [];
  for (const line of signatures) {
    const witness = witnesses.find((one) => isLineOf(one, line));
    if (witness === undefined) continue;
    const time = timeOf(witness, text, line);
    found.push({ name: witness.name, time, line });
  }
  return found;
}

function timeOf({ name, vkey }: PolicyWitness, text: Uint8Array, { signature }: NoteSignature): number {
  try {
    const time = cosignedAt(vkey, text, signature);
    if (time !== undefined) return time;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw new LogError('LOG_CORRUPT', `the cosignature of the witness ${name} does not hold`);
}

/** The cosignatures of a checkpoint, which have to be enough for the policy. Throws {@link LogError} `LOG_CORRUPT` that names those that are missing, and as {@link cosignaturesOf}. */
export function requireQuorum(
  checkpoint: Pick<Checkpoint, 'text' | 'signatures'>,
  policy: WitnessPolicy,
): VerifiedCosignature[] {
  const found = cosignaturesOf(checkpoint, policy.witnesses);
  const fault = quorumFault(policy, new Set(found.map(({ name }) => name)));
  if (fault === undefined) return found;
  throw new LogError('LOG_CORRUPT', `the checkpoint ${fault}`);
}
