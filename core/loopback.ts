/**
 * What is this very machine, to go by the text of a host alone. The questions differ in how the host is written and in how
 * much a wrong answer costs. Nothing is resolved, and only the usual spelling of an address counts: one that is spelled
 * otherwise is treated like an address of another machine.
 *
 * Another question is whether a host is public at all: see `oidc/keys/special-use-address.ts`.
 */

const IPV4 = /^127(?:\.(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}$/;

/** The three names by which programs call their own machine, as a URL has them. */
export const LOOPBACK_NAMES: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/** Whether an IP address (IPv6 without brackets) is loopback. For the address of a peer, which is never a name. */
export const isLoopbackAddress = (address: string): boolean => address === '::1' || IPV4.test(address);

/** Whether only this machine can reach what listens on `host`, a name or an address without brackets as it is handed to
 * the operating system. A name other than `localhost` counts as reachable from outside. */
export const isLoopbackListener = (host: string): boolean => host === 'localhost' || isLoopbackAddress(host);

/** Whether what is sent to `hostname` stays on this machine, so that it needs no TLS. `hostname` is as a URL has it: in small
 * letters, IPv6 in brackets. */
export const isLoopbackHostname = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || IPV4.test(hostname);

/** Whether `hostname`, as a URL has it, can be of use on this machine only, so that a proxy is not to be asked for it: also
 * names below `localhost` (RFC 6761 §6.3), which a resolver may send elsewhere all the same. */
export const isLocalToMachine = (hostname: string): boolean =>
  isLoopbackHostname(hostname) || /^.+\.localhost$/.test(hostname);
