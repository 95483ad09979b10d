const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** A certificate as PEM with lines of 64 characters, without a newline at the end: Fulcio answers so. `newline` is
 * `\\n`, escaped, for text that goes into JSON as it is. Made for the hot path: {@link encodePem} in `core` works in
 * browsers but takes ten times as long. */
export function certificatePem(der: Uint8Array, newline = '\n'): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  let out = BEGIN;
  for (let i = 0; i < base64.length; i += 64) out += newline + base64.slice(i, i + 64);
  return out + newline + END;
}

/** {@link certificatePem} as it stands between the quotes of a JSON string. */
export const certificatePemInJson = (der: Uint8Array): string => certificatePem(der, '\\n');
