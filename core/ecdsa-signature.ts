import { sequence, unsignedInteger } from './der-writer.ts';

/** r and s of the largest curve (P-521), 66 bytes each. */
const MAX_P1363 = 132;

/** The DER form (RFC 3279 §2.2.3) of an IEEE P1363 signature r‖s; undefined when the length cannot be one. */
export function derOfP1363(signature: Uint8Array): Uint8Array | undefined {
  const length = signature.length;
  if (length === 0 || length % 2 !== 0 || length > MAX_P1363) return undefined;
  const half = length / 2;
  return sequence(unsignedInteger(signature.subarray(0, half)), unsignedInteger(signature.subarray(half)));
}
