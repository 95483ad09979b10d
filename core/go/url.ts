/**
 * Go's `url.Parse(text).String()`, by the rules of net/url in Go 1.26: what Fulcio writes into a certificate when a
 * name is a URI, and so what verifiers compare. The WHATWG rules of `new URL()` differ (slash at the end, dot segments,
 * case of the host).
 */
import { goQuote } from './quote.ts';
import { formatAuthority, parseAuthority } from './url-authority.ts';
import type { UrlAuthority } from './url-authority.ts';
import { escape, GoUrlFault, unescape, validEncoded } from './url-escape.ts';
import { MayflyError } from '../errors.ts';

/** A text that is no URL in Go's eyes; `goMessage` is what Go says. It repeats the text. */
export class GoUrlError extends MayflyError<'URL_INVALID'> {
  readonly goMessage: string;

  constructor(goMessage: string) {
    super('URL_INVALID', 'the text is not a URL');
    this.goMessage = goMessage;
  }
}

/** A URL as Go takes it apart. */
export interface GoUrl {
  /** Lower case; empty for a relative reference. */
  readonly scheme: string;
  /** Host and port, decoded; empty when there is none. */
  readonly host: string;
  /** The host without port and brackets. */
  readonly hostname: string;
  /** Go's `String()`. */
  readonly text: string;
}

/** The parts of a URL, as byte strings. */
interface Parts {
  readonly scheme: string;
  readonly opaque: string;
  /** Undefined when the text has no `//`. */
  readonly authority: UrlAuthority | undefined;
  /** As it stood in the text. */
  readonly path: string;
  /** With the question mark; undefined without one. */
  readonly query: string;
}

// What is its own `String()`: most names of CI jobs. Tried first, because it is on the path of every certificate.
const PLAIN = /^(https?):\/\/([A-Za-z0-9][A-Za-z0-9.-]*)(?:\/[A-Za-z0-9\-._~$&+,/:;=@]*)?$/;

// eslint-disable-next-line no-control-regex -- the range that Go refuses
const CONTROL = /[\x00-\x1f\x7f]/;

/** Reads `text` by Go's rules. Throws {@link GoUrlError}. */
export function parseGoUrl(text: string): GoUrl {
  const plain = PLAIN.exec(text);
  if (plain !== null) {
    const [, scheme = '', host = ''] = plain;
    return { scheme, host, hostname: host, text };
  }
  return parseSlowly(text);
}

/** {@link parseGoUrl} without its short cut. */
export function parseSlowly(text: string): GoUrl {
  const { parts, suffix } = takeApart(text);
  const host = parts.authority?.host ?? '';
  return {
    scheme: parts.scheme,
    host: fromBytes(host),
    hostname: fromBytes(withoutPort(host)),
    text: fromBytes(format(parts) + suffix),
  };
}

/** Go's `String()` of the URL `text` with another path. `change` gets the old path, escaped and as a byte string (see
 * `url-escape.ts`), and returns the new one in the same form. Throws {@link GoUrlError}. */
export function replacePath(text: string, change: (path: string) => string): string {
  const { parts, suffix } = takeApart(text);
  const path = change(escapedPath(parts.path));
  naming(toBytes(text), () => checkPath(path));
  return fromBytes(format({ ...parts, path }) + suffix);
}

/** Go's `String()` of the URL `text` after its `Scheme` was set. Throws {@link GoUrlError}. */
export function replaceScheme(text: string, scheme: string): string {
  const { parts, suffix } = takeApart(text);
  const authority = parts.authority ?? (parts.scheme === '' ? NO_AUTHORITY : undefined);
  return fromBytes(format({ ...parts, scheme, authority }) + suffix);
}

/** What Go writes as `//` in front of the path of a reference that had none. */
const NO_AUTHORITY: UrlAuthority = { user: undefined, host: '' };

function takeApart(text: string): { parts: Parts; suffix: string } {
  const bytes = toBytes(text);
  const hash = bytes.indexOf('#');
  const body = hash < 0 ? bytes : bytes.slice(0, hash);
  const fragment = hash < 0 ? '' : bytes.slice(hash + 1);
  const parts = naming(body, () => parseParts(body));
  return { parts, suffix: naming(bytes, () => formatFragment(fragment)) };
}

const toBytes = (text: string): string => Buffer.from(text).toString('latin1');
const fromBytes = (bytes: string): string => Buffer.from(bytes, 'latin1').toString();

function naming<T>(bytes: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GoUrlFault)) throw error;
    throw new GoUrlError(`parse ${goQuote(fromBytes(bytes))}: ${error.message}`);
  }
}

function parseParts(bytes: string): Parts {
  if (CONTROL.test(bytes)) throw new GoUrlFault('net/url: invalid control character in URL');
  const [scheme, afterScheme] = splitScheme(bytes);
  const mark = afterScheme.indexOf('?');
  const rest = mark < 0 ? afterScheme : afterScheme.slice(0, mark);
  const query = mark < 0 ? '' : afterScheme.slice(mark);
  if (!rest.startsWith('/')) {
    if (scheme !== '') return { scheme, opaque: rest, authority: undefined, path: '', query };
    refuseColon(rest);
  }
  const hasAuthority = rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'));
  if (!hasAuthority) return { scheme, opaque: '', authority: undefined, path: checkPath(rest), query };
  const slash = rest.indexOf('/', 2);
  const end = slash < 0 ? rest.length : slash;
  const authority = parseAuthority(scheme, rest.slice(2, end));
  return { scheme, opaque: '', authority, path: checkPath(rest.slice(end)), query };
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;

function splitScheme(bytes: string): [string, string] {
  if (bytes.startsWith(':')) throw new GoUrlFault('missing protocol scheme');
  const scheme = SCHEME.exec(bytes)?.[1];
  return scheme === undefined ? ['', bytes] : [scheme.toLowerCase(), bytes.slice(scheme.length + 1)];
}

const firstSegment = (path: string): string => path.split('/', 1)[0] ?? '';

function refuseColon(path: string): void {
  if (!firstSegment(path).includes(':')) return;
  throw new GoUrlFault('first path segment in URL cannot contain colon');
}

function checkPath(path: string): string {
  unescape(path, 'path');
  return path;
}

function format(parts: Parts): string {
  const { scheme, authority } = parts;
  const head = scheme === '' ? '' : `${scheme}:`;
  if (parts.opaque !== '') return head + parts.opaque + parts.query;
  const path = escapedPath(parts.path);
  const slashes =
    authority !== undefined && (path !== '' || authority.host !== '' || authority.user !== undefined);
  const front =
    slashes && (scheme !== '' || authority.host !== '' || authority.user !== undefined)
      ? head + '//' + formatAuthority(authority)
      : head;
  const slash = path !== '' && !path.startsWith('/') && (authority?.host ?? '') !== '' ? '/' : '';
  const dot = front === '' && firstSegment(path).includes(':') ? './' : '';
  return front + slash + dot + path + parts.query;
}

function escapedPath(path: string): string {
  // Go never escapes the path that is one star, however it was written in canonical form.
  if (path === '%2A') return '*';
  if (validEncoded(path, 'path')) return path;
  return escape(unescape(path, 'path'), 'path');
}

function formatFragment(fragment: string): string {
  if (fragment === '') return '';
  if (validEncoded(fragment, 'fragment')) {
    unescape(fragment, 'fragment');
    return `#${fragment}`;
  }
  return `#${escape(unescape(fragment, 'fragment'), 'fragment')}`;
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  const bare = colon >= 0 && /^:[0-9]*$/.test(host.slice(colon)) ? host.slice(0, colon) : host;
  return bare.startsWith('[') && bare.endsWith(']') ? bare.slice(1, -1) : bare;
}
