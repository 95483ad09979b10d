/** The authority of a URL as Go's net/url reads it (Go 1.26). Texts are byte strings, see `url-escape.ts`. */
import { isIPv4, isIPv6 } from 'node:net';
import { escape, GoUrlFault, quoteBytes, unescape } from './url-escape.ts';

/** User information and host, both decoded. */
export interface UrlAuthority {
  /** Undefined when there is no `@`. */
  readonly user: { readonly name: string; readonly password: string | undefined } | undefined;
  /** With port and with the brackets of an IPv6 address. */
  readonly host: string;
}

const USERINFO = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/;
const OPTIONAL_PORT = /^(?::[0-9]*)?$/;

/** Reads what stands between `//` and the next slash. Throws {@link GoUrlFault}. */
export function parseAuthority(scheme: string, text: string): UrlAuthority {
  const at = text.lastIndexOf('@');
  const host = parseHost(scheme, text.slice(at + 1));
  return { user: at < 0 ? undefined : parseUser(text.slice(0, at)), host };
}

/** The authority as Go writes it. */
export function formatAuthority({ user, host }: UrlAuthority): string {
  const name = user === undefined ? '' : escape(user.name, 'userinfo');
  const password = user?.password === undefined ? '' : `:${escape(user.password, 'userinfo')}`;
  return `${name}${password}${user === undefined ? '' : '@'}${escape(host, 'host')}`;
}

function parseUser(text: string): UrlAuthority['user'] {
  if (!USERINFO.test(text)) throw new GoUrlFault('net/url: invalid userinfo');
  const colon = text.indexOf(':');
  if (colon < 0) return { name: unescape(text, 'userinfo'), password: undefined };
  const name = unescape(text.slice(0, colon), 'userinfo');
  return { name, password: unescape(text.slice(colon + 1), 'userinfo') };
}

function checkPort(text: string): void {
  if (!OPTIONAL_PORT.test(text)) throw new GoUrlFault(`invalid port ${quoteBytes(text)} after host`);
}

function parseHost(scheme: string, text: string): string {
  const bracket = text.lastIndexOf('[');
  if (bracket > 0) throw new GoUrlFault('invalid IP-literal');
  if (bracket === 0) return parseIpLiteral(text);
  const first = text.indexOf(':');
  // Several colons are taken only outside http and https, for lists of hosts.
  const strict = scheme === 'http' || scheme === 'https';
  if (first >= 0) checkPort(text.slice(strict ? first : text.lastIndexOf(':')));
  return unescape(text, 'host');
}

function parseIpLiteral(text: string): string {
  const end = text.lastIndexOf(']');
  if (end < 0) throw new GoUrlFault("missing ']' in host");
  const port = text.slice(end + 1);
  checkPort(port);
  const inside = text.slice(1, end);
  const zone = inside.indexOf('%25');
  const address = zone < 0 ? unescape(inside, 'host') : unescape(inside.slice(0, zone), 'host');
  const whole = zone < 0 ? address : address + unescape(inside.slice(zone), 'zone');
  checkIpv6(whole);
  return `[${whole}]${port}`;
}

function checkIpv6(text: string): void {
  if (isIPv4(text)) throw new GoUrlFault('invalid IP-literal');
  const percent = text.indexOf('%');
  const address = percent < 0 ? text : text.slice(0, percent);
  if (percent === text.length - 1 || !isIPv6(address)) {
    throw new GoUrlFault(`invalid host: ParseAddr(${quoteBytes(text)}): unable to parse IP`);
  }
}
