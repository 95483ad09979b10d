/** Secrets that this process has sent: who got one may repeat it, and terminals and CI jobs keep logs. */

const sent = new Set<string>();

/** Shorter ones would hide words that are none, and protect nothing. */
const SHORTEST = 4;

/** Called with the header `Authorization` of a request, of whatever scheme, before it is sent: what it proves the sender by is hidden in all that is printed from then on. */
export function noteAuthorization(header: string | null | undefined): void {
  const secret = header?.slice(header.indexOf(' ') + 1).trim() ?? '';
  if (secret.length >= SHORTEST) sent.add(secret);
}

/** A text without the secrets that were sent, as they are and as they stand in JSON. */
export function withoutSentSecrets(text: string): string {
  let shown = text;
  for (const secret of sent)
    for (const spelling of [secret, JSON.stringify(secret).slice(1, -1)])
      shown = shown.replaceAll(spelling, '(a token)');
  return shown;
}
