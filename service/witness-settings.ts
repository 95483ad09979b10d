/** The witnesses of the logs of a service, out of the policy file that the configuration names. */
import type { WitnessConfig } from '../config/settings/log-config.ts';
import { messageOf } from '../core/errors.ts';
import { KeyFileError } from '../signers/key-error.ts';
import { readWhole } from '../storage/read-whole.ts';
import { witnessSettingsOf, type WitnessSettings } from '../tlog/witness-settings.ts';

/** Of a policy file; and milliseconds that a pipe may take. */
const LIMITS = { size: 256 * 1024, pipePatience: 60_000 };

/** Undefined where the configuration names no policy. Rejects with KeyFileError for a file that cannot be read or cannot be used. */
export async function readWitnessSettings(
  config: WitnessConfig | undefined,
): Promise<WitnessSettings | undefined> {
  if (config === undefined) return undefined;
  const { policyFile, isRequired, timeoutMs } = config;
  try {
    return witnessSettingsOf(await readWhole(policyFile, LIMITS), { isRequired, timeoutMs });
  } catch (error) {
    const message = `${policyFile}, the policy of mayfly.log.witness, cannot be used: ${messageOf(error)}`;
    throw new KeyFileError('KEY_FILE_MALFORMED', message, {
      cause: error,
      hint: 'docs/witness.md, "Have heads cosigned", shows how it is written.',
    });
  }
}
