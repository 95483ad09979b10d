/** Text from a stranger, fit for a terminal: control characters (escape sequences!) and bidirectional overrides become
 * `?`, and it ends after `limit` characters. */
export function printable(text: string, limit = 500): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length <= limit ? clean : `${clean.slice(0, limit)}…`;
}
