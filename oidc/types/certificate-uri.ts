import type { SubjectAltName } from '../../core/subject-alt-name.ts';
import { goQuote } from '../go/quote.ts';
import { GoUrlError, parseGoUrl } from '../go/url.ts';
import type { GoUrl } from '../go/url.ts';
import { TokenError } from '../token-error.ts';

/** The name of a certificate whose URI is `text`, in the form that Go gives it. Throws {@link TokenError} when Go would
 * not read the text, or not the certificate that carries it. */
export function certificateUri(text: string): SubjectAltName {
  const first = readUrl(text);
  return first.text === text ? named(first) : writtenUri(first.text);
}

/** The same for a URI that Go wrote itself, and reads for the first time in the certificate: it can write what it would
 * not read again. */
export const writtenUri = (text: string): SubjectAltName => named(readUrl(text, unreadable(text)));

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
