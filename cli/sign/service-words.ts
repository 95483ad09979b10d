/** What a service says of a refusal. */
import { printable } from '../../core/printable.ts';

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
  return line.startsWith('<') ? '' : printable(line.slice(0, 300));
}
