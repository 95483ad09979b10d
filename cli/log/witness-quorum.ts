/** `--witness-policy`: who has to have cosigned a checkpoint. */
import { FormatError } from '../../core/errors.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { requireQuorum } from '../../tlog/tree/cosignatures.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';

/** The option, as commands have it. */
export const WITNESS_POLICY_OPTION = [
  '--witness-policy <file>',
  'demand the cosignatures of witnesses: a policy (c2sp.org/tlog-policy) with their keys and the quorum',
] as const;

/** The policy in a file; undefined where none is named. Rejects with {@link CommandError} `USAGE`. */
export async function readWitnessPolicy(path: string | undefined): Promise<WitnessPolicy | undefined> {
  if (path === undefined) return undefined;
  const text = Buffer.from(await readLimited(path, '--witness-policy')).toString();
  try {
    return parseWitnessPolicy(sha256, text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('USAGE', `--witness-policy: ${path}: ${error.message}`);
  }
}

/** Names of the witnesses that cosigned the checkpoint, in the order of the policy. Throws LogError `LOG_CORRUPT` where they are not enough, or a cosignature does not hold. */
export function cosignersOf(checkpoint: Uint8Array, policy: WitnessPolicy): string[] {
  const found = new Set(requireQuorum(parseCheckpoint(checkpoint), policy).map(({ name }) => name));
  return policy.witnesses.map(({ name }) => name).filter((name) => found.has(name));
}
