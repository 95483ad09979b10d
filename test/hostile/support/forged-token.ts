/** Tokens that are signed with a real key, and that no honest library would sign. */
import { KeyObject, sign } from 'node:crypto';
import type { IssuerKey } from '../../support/oidc-issuer.ts';
import { tokenPart } from '../../support/raw-token.ts';

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
