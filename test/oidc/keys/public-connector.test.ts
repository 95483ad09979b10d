import type { LookupFunction } from 'node:net';
import { expect } from 'chai';
import { IssuerFault } from '../../../oidc/keys/issuer-fault.ts';
import { publicConnector } from '../../../oidc/keys/public-connector.ts';
import { isSpecialUse } from '../../../oidc/keys/special-use-address.ts';

const NEAR = (
  '127.0.0.1 127.255.255.255 0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 169.254.169.254 172.16.0.1 172.31.255.255 ' +
  '192.0.0.1 192.168.1.1 198.19.0.1 224.0.0.1 239.1.1.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:10.0.0.1 ' +
  '::ffff:7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808 2002:7f00:1:: fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ' +
  '168.63.129.16 192.88.99.1 ::ffff:168.63.129.16 2001:0:7f00:1::1 2001:1ff::1 3fff:fff::1 5f00::1'
).split(' ');
const FAR = (
  '8.8.8.8 1.1.1.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.1.1 11.0.0.1 128.0.0.1 223.255.255.255 ' +
  '168.63.129.17 192.88.98.1 2001:200::1 4000::1 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808'
).split(' ');

describe('A special-use address', () => {
  for (const address of NEAR)
    it(`is ${address}`, () => {
      expect(isSpecialUse(address)).to.equal(true);
    });
  for (const address of FAR)
    it(`is not ${address}`, () => {
      expect(isSpecialUse(address)).to.equal(false);
    });
  it('is whatever cannot be read', () => {
    for (const text of ['', 'localhost', '1.2.3', '::g']) expect(isSpecialUse(text), text).to.equal(true);
  });
});

describe('A connection to public addresses only', () => {
  const failure = (lookup: LookupFunction, hostname = 'keys.example'): Promise<Error | null> =>
    new Promise((resolve) => {
      const target = { hostname, host: hostname, protocol: 'http:', port: '9' };
      publicConnector({}, lookup)(target, (...[error]) => {
        resolve(error);
      });
    });

  it('is not made to a private address that stands in the URL, which nobody looks up', async () => {
    for (const hostname of ['127.0.0.1', '10.0.0.1', '[::1]', '[::ffff:127.0.0.1]']) {
      const error = await failure(() => expect.fail('it was looked up'), hostname);
      expect(error, hostname).to.be.instanceOf(IssuerFault).with.property('code', 'UNUSABLE');
    }
  });

  it('is not made to a name that leads to private addresses, however many', async () => {
    const found = ['10.0.0.1', 'fd00::1', '::ffff:127.0.0.1'].map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    const error = await failure((_name, _options, callback) => {
      callback(null, found);
    });
    expect(error).to.be.instanceOf(IssuerFault).with.property('code', 'UNUSABLE');
  });

  it('fails as its lookup does', async () => {
    const cause = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const error = await failure((_name, _options, callback) => {
      callback(cause, []);
    });
    expect(error).to.have.property('code', 'ENOTFOUND');
  });
});
