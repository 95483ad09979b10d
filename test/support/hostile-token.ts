/** Tokens as an attacker bends them. */

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** `token` with one bit of its signature flipped, or with another algorithm in its header and no signature at all. */
export function tokenWith(token: string, change: { readonly alg?: string | undefined }): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  if (change.alg !== undefined) {
    const old = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
    return `${encode({ ...old, alg: change.alg })}.${payload}.`;
  }
  const bytes = Buffer.from(signature, 'base64url');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}
