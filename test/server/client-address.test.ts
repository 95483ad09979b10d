import { expect } from 'chai';
import type { IncomingMessage } from 'node:http';
import { createClientAddress } from '../../server/client-address.ts';

const request = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;

describe('server/client-address', () => {
  const address = createClientAddress(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

  it('believes X-Forwarded-For from trusted proxies alone', () => {
    expect(address(request('203.0.113.9', '1.2.3.4'))).to.equal('203.0.113.9');
    expect(address(request('10.1.2.3', '1.2.3.4'))).to.equal('1.2.3.4');
    expect(address(request('::ffff:10.1.2.3', '1.2.3.4'))).to.equal('1.2.3.4');
    expect(address(request('fd00::1', '2001:db8::7'))).to.equal('2001:db8::7');
    expect(createClientAddress([])(request('10.1.2.3', '1.2.3.4'))).to.equal('10.1.2.3');
  });

  it('takes the rightmost address that no trusted proxy has: the left ones are the client’s own words', () => {
    expect(address(request('10.1.2.3', '6.6.6.6, 1.2.3.4, 192.0.2.1'))).to.equal('1.2.3.4');
    expect(address(request('10.1.2.3', '10.9.9.9, 10.8.8.8'))).to.equal('10.9.9.9');
    expect(address(request('10.1.2.3', '1.2.3.4, nonsense'))).to.equal('10.1.2.3');
    expect(address(request('10.1.2.3', ''))).to.equal('10.1.2.3');
    expect(address(request('10.1.2.3'))).to.equal('10.1.2.3');
  });

  it('refuses blocks that are none', () => {
    for (const block of ['10.0.0.0/33', 'proxy', '', '10.0.0.0/x', '::1/129']) {
      expect(() => createClientAddress([block]), block).to.throw(RangeError);
    }
  });
});
