/** Whether witnesses cosigned the checkpoints that the entries of a bundle are proven under, as a policy demands (c2sp.org/tlog-policy). */
import { FormatError } from '../../core/errors.ts';
import { spkiOfEd25519Key } from '../../core/public-key.ts';
import { parseCheckpoint, type Checkpoint } from '../../tlog/format/checkpoint.ts';
import { cosignedText, parseCosignature } from '../../tlog/format/cosignature.ts';
import {
  isLineOf,
  quorumFault,
  type PolicyWitness,
  type WitnessPolicy,
} from '../../tlog/format/witness-policy.ts';
import type { VerifyCrypto } from '../crypto.ts';
import { refused } from '../verify-error.ts';
import type { KnownEntry } from './log-entry.ts';

const ED25519 = { keyType: 'ed25519', hash: undefined } as const;

/** Throws a refusal unless the checkpoint of the proof of each of the entries has the cosignatures of the quorum. One of a witness of the policy that does not hold is refused whatever others there are; lines of
 * other keys are passed over. Returns who cosigned, in words. */
export async function requireCosigned(
  known: readonly KnownEntry[],
  policy: WitnessPolicy,
  crypto: VerifyCrypto,
): Promise<string> {
  if (known.length === 0 && policy.quorum !== 'none')
    throw refused(
      'the bundle has no entry of a trusted log, whose checkpoint witnesses could have cosigned',
      'policy',
    );
  const found: string[] = [];
  for (const { entry, log } of known) {
    const { checkpoint } = entry.proof ?? {};
    const names =
      checkpoint === undefined ? [] : await cosigners(parseCheckpoint(checkpoint), log.name, policy, crypto);
    const fault = quorumFault(policy, new Set(names));
    if (fault !== undefined) throw refused(`the checkpoint of the log ${log.name} ${fault}`, 'policy');
    found.push(`the head of ${log.name} by ${names.length === 0 ? 'none' : names.join(', ')}`);
  }
  return found.length === 0 ? 'none are demanded' : found.join('; ');
}

/** In the order of the policy. */
async function cosigners(
  { text, signatures }: Checkpoint,
  log: string,
  { witnesses }: WitnessPolicy,
  crypto: VerifyCrypto,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const witness of witnesses) {
    const { name } = witness;
    const lines = signatures.filter((line) => isLineOf(witness, line));
    for (const { signature } of lines)
      if (!(await isCosigned(witness, text, signature, crypto)))
        throw refused(
          `the cosignature of the witness ${name} on the checkpoint of the log ${log} does not hold`,
        );
    if (lines.length > 0) found.push(name);
  }
  return found;
}

async function isCosigned(
  { vkey }: PolicyWitness,
  text: Uint8Array,
  line: Uint8Array,
  crypto: VerifyCrypto,
): Promise<boolean> {
  try {
    const { time, signature } = parseCosignature(line);
    return await crypto.verify(ED25519, spkiOfEd25519Key(vkey.key), cosignedText(text, time), signature);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
