import { isUtf8 } from 'node:buffer';
import type { SubjectAltName } from '../../core/subject-alt-name.ts';
import { goQuote } from '../../core/go/quote.ts';
import { GoUrlError, parseGoUrl } from '../../core/go/url.ts';
import type { GoUrl } from '../../core/go/url.ts';
import { TokenError } from '../core/token-error.ts';

/** Makes a URI of the text of claims, by Go's rules. */
type WriteUri = (spelled: string) => string;

/** The name of a certificate whose URI is what `write` makes of `spelled`, in the form that Go writes it; by default
 * `spelled` itself. Throws {@link TokenError} when Go would not read it, or not the certificate that carries it, and when
 * other claims would lead to the same name. */
export function certificateUri(spelled: string, write: WriteUri = asItIs): SubjectAltName {
  const text = write(spelled);
  const first = readUrl(text);
  return withOneSpelling(first.text === text ? named(first) : namedAgain(first.text), spelled, write);
}

/** The same where Go writes the URI itself, and reads it for the first time in the certificate: it can write what it would
 * not read again. */
export const writtenUri = (spelled: string, write: WriteUri): SubjectAltName =>
  withOneSpelling(namedAgain(write(spelled)), spelled, write);

const asItIs: WriteUri = (spelled) => spelled;

const namedAgain = (text: string): SubjectAltName => named(readUrl(text, unreadable(text)));

/**
 * Go writes many texts in one way: `ä` and `%C3%A4`, `HTTPS:` and `https:`, `a//b` and `a/b` where it joins paths. Of the
 * texts that lead to one name, only the plainest is accepted. That is the name with its escapes resolved, if Go makes the
 * name of it again, and else the name itself. So two tokens with one name have the same claims in it.
 */
function withOneSpelling(name: SubjectAltName, spelled: string, write: WriteUri): SubjectAltName {
  const plainest = plainestOf(name.value, write);
  if (spelled === plainest) return name;
  const sentence = `the URI ${goQuote(spelled)} would get the name of ${goQuote(plainest)}`;
  throw new TokenError('IDENTITY_REFUSED', sentence, {
    hint: 'Two names must not look alike to those who verify. Have the claim spelled in the plainest way, without escapes.',
  });
}

function plainestOf(value: string, write: WriteUri): string {
  if (!value.includes('%')) return value;
  const resolved = value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const bytes = Buffer.from(resolved, 'latin1');
  if (!isUtf8(bytes)) return value;
  const plain = bytes.toString();
  return leadsTo(plain, value, write) ? plain : value;
}

function leadsTo(spelled: string, value: string, write: WriteUri): boolean {
  try {
    return parseGoUrl(write(spelled)).text === value;
  } catch (error) {
    if (error instanceof GoUrlError || error instanceof TokenError) return false;
    throw error;
  }
}

const unreadable = (text: string): string => `x509: cannot parse URI ${goQuote(text)}: `;

function named({ host, text }: GoUrl): SubjectAltName {
  if (isHost(host)) return { type: 'uri', value: text };
  throw new TokenError('IDENTITY_REFUSED', `the URI ${goQuote(text)} has a host that is no host name`, {
    hint: 'Programs written in Go could not read a certificate with this name.',
    fulcioMessage: `${unreadable(text)}invalid domain`,
  });
}

function readUrl(text: string, before = ''): GoUrl {
  try {
    return parseGoUrl(text);
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error;
    throw new TokenError('IDENTITY_REFUSED', `${goQuote(text)} is not a URI`, {
      hint: 'The name in the certificate has to be a URI as Go reads it.',
      fulcioMessage: before + error.goMessage,
      cause: error,
    });
  }
}

// What Go's crypto/x509 asks of the host in a URI: printable ASCII, and no label is empty.
const isHost = (host: string): boolean =>
  host === '' ||
  (/^[\x21-\x7e]*$/.test(host) && !host.startsWith('.') && !host.endsWith('.') && !host.includes('..'));
