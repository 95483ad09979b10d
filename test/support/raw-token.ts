/** Tokens that no honest library would make, signed with a real key or not. */
import { KeyObject, sign } from 'node:crypto';
import type { IssuerKey } from './oidc-issuer.ts';

/** Base64url of JSON, or of a text or bytes that stand for it. */
export function tokenPart(content: unknown): string {
  const raw =
    typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
  return Buffer.from(raw).toString('base64url');
}

/** A token of these parts; `content` as {@link tokenPart} takes it. */
export const rawToken = (header: unknown, payload: unknown, signature = 'c2lnbmF0dXJl'): string =>
  `${tokenPart(header)}.${tokenPart(payload)}.${signature}`;

/** A token of these parts (as `tokenPart` takes them), really signed with SHA-256 by the RSA or P-256 key. */
export function signedRaw(key: IssuerKey, header: unknown, payload: unknown): string {
  const input = `${tokenPart(header)}.${tokenPart(payload)}`;
  return `${input}.${signatureOf(key, input).toString('base64url')}`;
}

/** The signature of a JWS whose signing input is `input`. */
export const signatureOf = ({ privateKey }: IssuerKey, input: string): Buffer =>
  sign('sha256', Buffer.from(input), { key: KeyObject.from(privateKey), dsaEncoding: 'ieee-p1363' });

/** The parts of a token, taken apart. */
export function partsOf(token: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.');
  return [header, payload, signature];
}

/** `token` with one bit of its signature flipped, or with another algorithm in its header and no signature at all. */
export function tokenWith(token: string, change: { readonly alg?: string | undefined }): string {
  const [header, payload, signature] = partsOf(token);
  if (change.alg !== undefined) {
    const old = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>;
    return `${tokenPart({ ...old, alg: change.alg })}.${payload}.`;
  }
  const bytes = Buffer.from(signature, 'base64url');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return `${header}.${payload}.${bytes.toString('base64url')}`;
}
