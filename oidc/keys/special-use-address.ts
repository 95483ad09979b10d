/** Addresses that no public service has (the special-purpose registries of RFC 6890). */
import { BlockList, isIP } from 'node:net';

/** This network, private, shared (CGNAT), loopback, link-local, protocol assignments, documentation, benchmarks, relays of
 * 6to4, multicast, reserved and broadcast; and the one address outside the registries at which a cloud (Azure) serves its
 * machines. */
const IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['168.63.129.16', 32],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Unspecified, loopback and IPv4-compatible; local NAT64; discard; protocol assignments, Teredo among them, which carries
 * IPv4 addresses; documentation; 6to4, which does too; segment routing; unique local; link-local and site-local;
 * multicast. */
const IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

/** Prefixes that carry an IPv4 address in their last 32 bits: IPv4-mapped, and NAT64 (RFC 6052). */
const CARRIERS = ['::ffff:', '64:ff9b::'];

const BLOCKED = new BlockList();
for (const [network, prefix] of IPV4) {
  BLOCKED.addSubnet(network, prefix, 'ipv4');
  for (const carrier of CARRIERS) BLOCKED.addSubnet(`${carrier}${network}`, 96 + prefix, 'ipv6');
}
for (const [network, prefix] of IPV6) BLOCKED.addSubnet(network, prefix, 'ipv6');

/** Whether the IP address belongs to this machine or a private network rather than to the Internet. Also true for text that
 * is no IP address. */
export function isSpecialUse(address: string): boolean {
  const [bare = ''] = address.split('%'); // without the zone of a link-local address
  const family = isIP(bare);
  return family === 0 || BLOCKED.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}
