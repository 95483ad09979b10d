import type { SubjectAltName } from '../core/subject-alt-name.ts';
import { goQuote } from './go-quote.ts';
import { GoUrlError, parseGoUrl } from './go-url.ts';
import type { GoUrl } from './go-url.ts';
import { TokenError } from './token-error.ts';

/** The name of a certificate whose URI is `text`, in the form that Go gives it. Throws {@link TokenError} when Go would
 * not read the text, or not the certificate that carries it. */
export function certificateUri(text: string): SubjectAltName {
  const first = readUrl(text);
  // Go can write what it would not read again.
  const { host } = first.text === text ? first : readUrl(first.text);
  if (!isHost(host)) {
    throw new TokenError('IDENTITY_REFUSED', `the URI ${goQuote(text)} has a host that is no host name`, {
      hint: 'Programs written in Go could not read a certificate with this name.',
      fulcioMessage: `x509: cannot parse URI ${goQuote(first.text)}: invalid domain`,
    });
  }
  return { type: 'uri', value: first.text };
}

function readUrl(text: string): GoUrl {
  try {
    return parseGoUrl(text);
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error;
    throw new TokenError('IDENTITY_REFUSED', `${goQuote(text)} is not a URI`, {
      hint: 'The name in the certificate has to be a URI as Go reads it.',
      fulcioMessage: error.goMessage,
      cause: error,
    });
  }
}

// What Go's crypto/x509 asks of the host in a URI: printable ASCII, and no label is empty.
const isHost = (host: string): boolean =>
  host === '' ||
  (/^[\x21-\x7e]*$/.test(host) && !host.startsWith('.') && !host.endsWith('.') && !host.includes('..'));
