/**
 * The client's address of a request, also where proxies that the operator named stand in between.
 *
 * `proxy-addr` decides which addresses are trusted. The header is read here, for two reasons. `proxy-addr` returns
 * `1.2.3.4:443` or `unknown` as the address of a client, and trusts no proxy that is written with its port or in quotes. It
 * also divides the whole header first, of which a client may write all but the end: 60 KB of letters and commas take it
 * 2.4 ms, several times what a certificate takes, and here less than a microsecond.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import proxyAddr from 'proxy-addr';

/** What is read of a request. */
interface AddressedRequest {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: IncomingHttpHeaders;
}

/** Returns the client's address of a request, without a port or a zone; empty when the socket is already gone. */
export type ClientAddress = (request: AddressedRequest) => string;

/** Believes `X-Forwarded-For` only from peers inside `trustedProxies` (addresses or CIDR blocks), and then takes the
 * rightmost address that is not a trusted proxy itself: everything left of it was written by untrusted clients. Throws
 * RangeError on a block that is none. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const isTrusted = trustOf(trustedProxies);
  return (request) => {
    let address = plain(request.socket.remoteAddress ?? '');
    if (trustedProxies.length === 0) return address;
    const hops = hopsOf(request.headers['x-forwarded-for']);
    while (isTrusted(address)) {
      const { value, done } = hops.next();
      if (done === true || value === undefined) return address;
      address = value;
    }
    return address;
  };
}

/** Whether a socket is of a proxy inside `trustedProxies`, on whose connection the requests of many clients may come. Throws RangeError on a
 * block that is none. */
export function createProxyCheck(
  trustedProxies: readonly string[],
): (socket: AddressedRequest['socket']) => boolean {
  const isTrusted = trustOf(trustedProxies);
  return ({ remoteAddress }) => trustedProxies.length > 0 && isTrusted(plain(remoteAddress ?? ''));
}

/** What counts as one client where capacity is shared between clients: an IPv4 address, or the /64 network of an IPv6
 * address, since a client that has one address of it has all. */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const prefix = [...left, ...zeros, ...right].slice(0, 4);
  return `${prefix.map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** Groups of a part of an IPv6 address; IPv4 at its end stands for two, whose values no /64 network needs. */
const groupsOf = (part: string): string[] =>
  part === '' ? [] : part.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));

/** The elements of the header from the right, each as an address, or undefined when it is none. Node joins several
 * header lines with commas. Empty elements mean nothing (RFC 9110 §5.6.1). The list is not split as a whole: all but its
 * end may be a client's own words, and long. */
function* hopsOf(header: string | string[] | undefined): Generator<string | undefined, undefined> {
  if (typeof header !== 'string') return undefined;
  for (let end = header.length; end >= 0;) {
    const comma = end === 0 ? -1 : header.lastIndexOf(',', end - 1);
    const element = header.slice(comma + 1, end).trim();
    if (element !== '') yield addressIn(element);
    end = comma;
  }
  return undefined;
}

/** IPv4 in its own spelling even where it travels as IPv6, and no zone. */
const plain = (address: string): string => address.replace(/%[^%]*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '');

/** The address in an element: alone, with a port, in brackets, in quotes; undefined when there is none. */
function addressIn(element: string): string | undefined {
  const bare = element.replace(/^"([^"]*)"$/, '$1');
  const [, bracketed, withPort] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(bare) ?? [];
  const address = plain(bracketed ?? withPort ?? bare);
  return isIP(address) === 0 ? undefined : address;
}

/** Addresses whose trust is cached. */
const CACHED_ADDRESSES = 4_096;

/** The library parses an address each time, which costs more than the rest of a request's bookkeeping, so that its answers
 * are cached. */
function trustOf(blocks: readonly string[]): (address: string) => boolean {
  const compiled = proxyAddr.compile(blocks.flatMap(asLibraryBlocks));
  const cache = new LRUCache<string, boolean>({ max: CACHED_ADDRESSES });
  return (address) => {
    let isTrusted = cache.get(address);
    if (isTrusted === undefined) cache.set(address, (isTrusted = compiled(address, 0)));
    return isTrusted;
  };
}

/** The library also takes names of its own, netmasks, and numbers as addresses, all of which no configuration means. It
 * refuses a prefix of no bits as a mistake, which a configuration may say: both halves of all addresses mean the same. */
function asLibraryBlocks(block: string): string[] {
  const [address = '', prefix, ...rest] = block.split('/');
  const version = isIP(address);
  const bits = version === 6 ? 128 : 32;
  const isBlock =
    version !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix ?? '0') && Number(prefix ?? 0) <= bits;
  if (!isBlock) throw new RangeError(`"${block}" is neither an address nor a CIDR block`);
  if (prefix === undefined || Number(prefix) > 0) return [block];
  return version === 6 ? ['::/1', '8000::/1'] : ['0.0.0.0/1', '128.0.0.0/1'];
}
