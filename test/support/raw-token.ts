/** Tokens that no honest library would make. */

/** Base64url of JSON, or of a text or bytes that stand for it. */
export function tokenPart(content: unknown): string {
  const raw =
    typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
  return Buffer.from(raw).toString('base64url');
}

/** A token of these parts; `content` as {@link tokenPart} takes it. */
export const rawToken = (header: unknown, payload: unknown, signature = 'c2lnbmF0dXJl'): string =>
  `${tokenPart(header)}.${tokenPart(payload)}.${signature}`;
