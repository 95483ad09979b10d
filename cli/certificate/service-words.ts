/** What a service says of a refusal. */
import { printable } from '../../core/printable.ts';
import { withoutSentSecrets } from '../program/sent-secrets.ts';

/** A sentence with the service's own words from the body of its answer behind it, short and harmless on a terminal; alone where it sent a page or nothing. */
export function withWords(sentence: string, body: Uint8Array): string {
  const said = wordsIn(body);
  return said === '' ? sentence : `${sentence}: ${said}`;
}

function wordsIn(body: Uint8Array): string {
  let message = Buffer.from(body).toString('utf8');
  try {
    const value = JSON.parse(message) as { message?: unknown } | null;
    if (typeof value?.message === 'string') message = value.message;
  } catch {
    // A text of its own.
  }
  const [line = ''] = message.trim().split('\n');
  return line.startsWith('<') ? '' : shortWords(line, 300);
}

/** A text of a server's, harmless on a terminal and at most `length` characters long. A secret is hidden before it could be cut. */
export function shortWords(text: string, length: number): string {
  const shown = withoutSentSecrets(text);
  return printable(shown.length > length ? `${shown.slice(0, length)}…` : shown);
}
