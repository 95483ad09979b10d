/** A certificate as PEM with lines of 64 characters, without a newline at the end: Fulcio answers so. */
export const certificatePem = (der: Uint8Array): string => armour('CERTIFICATE', der, '\n');

/** {@link certificatePem} as it stands between the quotes of a JSON string. */
export const certificatePemInJson = (der: Uint8Array): string => armour('CERTIFICATE', der, '\\n');

/** A public key as PEM: the form in which OpenSSL reads it fastest. */
export const publicKeyPem = (spki: Uint8Array): string => armour('PUBLIC KEY', spki, '\n');

/** Made for the hot path: `encodePem` in `core` works in browsers but takes ten times as long. */
function armour(label: string, der: Uint8Array, newline: string): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  let out = `-----BEGIN ${label}-----`;
  for (let i = 0; i < base64.length; i += 64) out += newline + base64.slice(i, i + 64);
  return `${out}${newline}-----END ${label}-----`;
}
