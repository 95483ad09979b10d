/** The witnesses that logs are opened with. */
import { utf8Text } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { sha256 } from './core/sha256.ts';
import { isQuorum, parseWitnessPolicy } from './format/witness-policy.ts';
import type { WitnessSettings } from './sequence/witnesses.ts';

export type { WitnessSettings } from './sequence/witnesses.ts';

/** Those of a policy. Throws {@link FormatError} for one that cannot be read, or whose quorum the witnesses with a URL cannot make. */
export function witnessSettingsOf(
  policyText: Uint8Array,
  how: Pick<WitnessSettings, 'isRequired' | 'timeoutMs'>,
): WitnessSettings {
  const policy = parseWitnessPolicy(sha256, utf8Text(policyText));
  const asked = policy.witnesses.filter(({ url }) => url !== undefined);
  const other = asked.find(({ url = '' }) => !/^https?:$/.test(URL.parse(url)?.protocol ?? ''));
  if (other !== undefined)
    throw new FormatError('MALFORMED', `the URL of the witness ${other.name} is none of http or https`);
  if (!isQuorum(policy, new Set(asked.map(({ name }) => name))))
    throw new FormatError('MALFORMED', 'the witnesses that have a URL are not enough for its quorum');
  return { policy, ...how };
}
