/**
 * Connections that reach public addresses only. The address is checked when the connection is made: a name that was
 * looked up for a check before could lead to another address the next time.
 */
import { lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { IssuerFault } from './issuer-fault.ts';
import { isSpecialUse } from './special-use-address.ts';

/** A connector of undici with these settings that fails with {@link IssuerFault} `UNUSABLE` for a host that is, or of
 * which every address is, loopback, private, link-local or otherwise special. */
export function publicConnector(
  options: buildConnector.BuildOptions,
  lookup: LookupFunction = resolve,
): buildConnector.connector {
  const connect = buildConnector({ ...options, allowH2: false, lookup: publicOnly(lookup) });
  return (target, callback) => {
    // No lookup is made for a literal address.
    if (isNearbyAddress(target.hostname)) callback(notPublic(target.hostname), null);
    else connect(target, callback);
  };
}

/** Throws {@link IssuerFault} `UNUSABLE` for a host that is plainly not public: a special-use address, or a name that only
 * a machine or a private network can have. All that can be checked where a proxy looks the address up. */
export function refuseNearby(hostname: string): void {
  if (isNearbyAddress(hostname) || isNearbyName(hostname)) throw notPublic(hostname);
}

function isNearbyAddress(hostname: string): boolean {
  const literal = bare(hostname);
  return isIP(literal) !== 0 && isSpecialUse(literal);
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/** RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and what Kubernetes calls services. */
const NEARBY = ['localhost', 'local', 'internal', 'home.arpa', 'svc'];

function isNearbyName(hostname: string): boolean {
  if (isIP(bare(hostname)) !== 0) return false;
  const name = hostname.replace(/\.$/, '');
  return !name.includes('.') || NEARBY.some((zone) => name.endsWith(`.${zone}`));
}

const publicOnly =
  (lookup: LookupFunction): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null || !Array.isArray(found)) {
        callback(error ?? notPublic(hostname), []);
        return;
      }
      const usable = found.filter(({ address }) => !isSpecialUse(address));
      const [first] = usable;
      if (first === undefined) callback(notPublic(hostname), []);
      else if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };

const notPublic = (host: string): IssuerFault =>
  new IssuerFault('UNUSABLE', `${host} has no public address, and the configuration does not name it`, {
    hint: `Only hosts that the operator named may be private: the host of an issuer block with an exact URL, and its jwks-hosts. If its keys are meant to be there, put "${host}" into jwks-hosts.`,
  });
