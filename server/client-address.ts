/** Who is calling, when proxies that the operator named stand in between. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Tells the client's address of a request; empty when the socket is already gone. */
export type ClientAddress = (request: IncomingMessage) => string;

/** Believes `X-Forwarded-For` only from peers inside `trustedProxies` (addresses or CIDR blocks), and then takes the
 * rightmost address that is not a trusted proxy itself: everything left of it was written by strangers. Throws
 * RangeError on a block that is none. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = blockListOf(trustedProxies);
  const isTrusted = (address: string): boolean =>
    trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (request) => {
    let address = plain(request.socket.remoteAddress ?? '');
    if (trustedProxies.length === 0 || isIP(address) === 0) return address;
    const forwarded = request.headers['x-forwarded-for'];
    const hops = (typeof forwarded === 'string' ? forwarded : '').split(',');
    while (isTrusted(address)) {
      const previous = plain((hops.pop() ?? '').trim());
      if (isIP(previous) === 0) return address;
      address = previous;
    }
    return address;
  };
}

/** IPv4 in its own spelling even where the socket listens on IPv6. */
const plain = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

function blockListOf(blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', prefix] = block.split('/');
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
    if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > (version === 6 ? 128 : 32)) {
      throw new RangeError(`"${block}" is neither an address nor a CIDR block`);
    }
    list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
