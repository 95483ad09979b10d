import { expect } from 'chai';
import fc from 'fast-check';
import { BlockList } from 'node:net';
import { requireSafeTransport } from '../../cli/certificate/http.ts';
import { requireLocal } from '../../cli/instance/local-only.ts';
import { ownHosts } from '../../server/http/own-hosts.ts';
import { originWarnings } from '../../cli/instance/log-origin.ts';
import {
  isLocalToMachine,
  isLoopbackAddress,
  isLoopbackHostname,
  isLoopbackListener,
  LOOPBACK_NAMES,
} from '../../core/loopback.ts';
import { isRedirectAllowed } from '../../dev/client-compatibility.ts';
import { hostCheck } from '../../dev/host-check.ts';
import { proxiesOf } from '../../oidc/keys/proxy-environment.ts';
import { isSpecialUse } from '../../oidc/keys/special-use-address.ts';
import { requireProtectedTransport } from '../../server/http/listen-address.ts';

const passes = (check: () => unknown): boolean => {
  try {
    check();
    return true;
  } catch {
    return false;
  }
};

/** Host → whether it is loopback as: peer's address, listener's host, URL's host name, host that no proxy serves. */
const TABLE: Readonly<
  Record<string, readonly [peer: boolean, listener: boolean, url: boolean, local: boolean]>
> = {
  localhost: [false, true, true, true],
  '127.0.0.1': [true, true, true, true],
  '127.0.0.53': [true, true, true, true],
  '127.255.255.254': [true, true, true, true],
  '::1': [true, true, false, false],
  '[::1]': [false, false, true, true],
  'app.localhost': [false, false, false, true],
  'a.b.localhost': [false, false, false, true],
  '127.256.0.1': [false, false, false, false],
  '127.0.0.01': [false, false, false, false],
  '127.0.1': [false, false, false, false],
  '0:0:0:0:0:0:0:1': [false, false, false, false],
  '::ffff:127.0.0.1': [false, false, false, false],
  '[::ffff:7f00:1]': [false, false, false, false],
  '::1%lo': [false, false, false, false],
  LOCALHOST: [false, false, false, false],
  'localhost.': [false, false, false, false],
  '.localhost': [false, false, false, false],
  xlocalhost: [false, false, false, false],
  'localhost.evil.example': [false, false, false, false],
  '127.0.0.1.evil.example': [false, false, false, false],
  '127.evil.example': [false, false, false, false],
  'evil.example?127.0.0.1': [false, false, false, false],
  '127.0.0.1\nevil.example': [false, false, false, false],
  '0.0.0.0': [false, false, false, false],
  '::': [false, false, false, false],
  '10.0.0.1': [false, false, false, false],
  'fe80::1': [false, false, false, false],
  '::1:1': [false, false, false, false],
  '': [false, false, false, false],
};

describe('core/loopback', () => {
  it('knows this machine by the text of a host, as each place writes it', () => {
    for (const [host, expected] of Object.entries(TABLE)) {
      const checks = [isLoopbackAddress, isLoopbackListener, isLoopbackHostname, isLocalToMachine];
      expect(
        checks.map((check) => check(host)),
        host,
      ).to.deep.equal(expected);
    }
  });

  it('holds every IPv4 address against its network', () => {
    const loopback = new BlockList();
    loopback.addSubnet('127.0.0.0', 8);
    const addresses = fc.oneof(
      fc.ipV4(),
      fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255)).map((rest) => `127.${rest.join('.')}`),
    );
    fc.assert(
      fc.property(addresses, (address) => {
        expect(isLoopbackAddress(address), address).to.equal(loopback.check(address));
      }),
    );
  });

  it('lets no address pass for this machine that could be a public one', () => {
    for (const host of Object.keys(TABLE)) {
      if (isLoopbackAddress(host)) expect(isSpecialUse(host), host).to.equal(true);
    }
  });

  describe('is asked', () => {
    const port = 5555;
    const hostnames = Object.keys(TABLE).flatMap((host) => URL.parse(`http://${host}`)?.hostname ?? []);
    const proxies = proxiesOf({ HTTP_PROXY: 'http://proxy.example:3128' });
    const acceptHost = ownHosts({
      listen: { host: '127.0.0.1', port },
      metricsListen: { host: '127.0.0.1', port: 0 },
    });

    it('where something listens: plain HTTP, and `mayfly dev`, for a loopback listener only', () => {
      for (const host of Object.keys(TABLE)) {
        const expected = isLoopbackListener(host);
        const protection = { tls: false, behindTlsProxy: false };
        const isPlainAllowed = passes(() => {
          requireProtectedTransport({ host, port }, protection);
        });
        const isDevAllowed = passes(() => {
          requireLocal({ listen: { host, port } }, undefined);
        });
        expect({ host, isPlainAllowed, isDevAllowed }).to.deep.equal({
          host,
          isPlainAllowed: expected,
          isDevAllowed: expected,
        });
      }
    });

    it('where something is sent: tokens, redirects, names of logs and proxies, by the host name of the URL', () => {
      for (const hostname of hostnames) {
        const url = new URL(`http://${hostname}:${port}/`);
        const isTokenSent = passes(() => {
          requireSafeTransport(url, 'the service');
        });
        const isSafe = isLoopbackHostname(hostname);
        expect({
          hostname,
          isTokenSent,
          isRedirect: isRedirectAllowed(url.href),
          isTrial: originWarnings('localhost/log/2026', url.origin).length === 0,
          isDirect: proxies.for(url) === undefined,
          isOwnHost: acceptHost(url.host),
        }).to.deep.equal({
          hostname,
          isTokenSent: isSafe,
          isRedirect: isSafe,
          isTrial: isSafe,
          isDirect: isLocalToMachine(hostname),
          isOwnHost: isSafe,
        });
      }
    });

    it('where a page may make its own name point here: the development issuer answers to three names', () => {
      const accepts = hostCheck(port);
      for (const host of Object.keys(TABLE))
        expect(accepts(`${host}:${port}`), host).to.equal(LOOPBACK_NAMES.includes(host.toLowerCase()));
    });
  });
});
