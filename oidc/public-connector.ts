/**
 * Connections that reach public addresses only. The decision falls where the connection is made: a name that was
 * looked up before, to be judged, could mean another address the next time.
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
    const literal = target.hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0 && isSpecialUse(literal)) callback(notPublic(literal), null);
    else connect(target, callback);
  };
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
  new IssuerFault('UNUSABLE', `the keys are at ${host}, which is another host and has no public address`, {
    hint: "Only the issuer's own host may have a private address: let its jwks_uri name the host of the issuer's URL.",
  });
