import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { clientNetwork, createClientAddress } from '../../../server/http/client-address.ts';

const request = (remoteAddress: string, forwarded?: string): IncomingMessage =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;

describe('server/http/client-address', () => {
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

  it('reads an address in every shape that proxies write', () => {
    for (const [element, expected] of [
      ['203.0.113.7:51234', '203.0.113.7'],
      ['[2001:db8::7]:51234', '2001:db8::7'],
      ['[2001:db8::7]', '2001:db8::7'],
      ['"[2001:db8::7]:51234"', '2001:db8::7'],
      ['"203.0.113.7"', '203.0.113.7'],
      ['  203.0.113.7\t', '203.0.113.7'],
      ['::ffff:203.0.113.7', '203.0.113.7'],
      ['[::ffff:203.0.113.7]:1', '203.0.113.7'],
      ['fe80::1%eth0', 'fe80::1'],
      ['203.0.113.7,', '203.0.113.7'],
      ['203.0.113.7, ,', '203.0.113.7'],
      [',,203.0.113.7:80 , 10.9.9.9:80, [fd00::2]:443', '203.0.113.7'],
    ] as const) {
      expect(address(request('10.1.2.3', element)), element).to.equal(expected);
    }
  });

  it('believes nothing left of what is no address', () => {
    for (const element of [
      'unknown',
      '_hidden',
      '1.2.3',
      '1.2.3.4.5',
      '010.1.1.1',
      '1.2.3.4:',
      '1.2.3.4:x',
    ]) {
      expect(address(request('10.1.2.3', `6.6.6.6, ${element}, 10.9.9.9`)), element).to.equal('10.9.9.9');
    }
    for (const element of ['[1.2.3.4', '"1.2.3.4', '[]:80', '[::1]80', 'for=1.2.3.4', '1.2.3.4 5.6.7.8']) {
      expect(address(request('10.1.2.3', element)), element).to.equal('10.1.2.3');
    }
  });

  it('reads several header lines as one list', async () => {
    const seen: string[] = [];
    const local = createClientAddress(['127.0.0.0/8']);
    const server = createServer((incoming, response) => {
      seen.push(local(incoming));
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n');
    socket.write('X-Forwarded-For: 203.0.113.7:1\r\nx-forwarded-for: 127.0.0.9\r\n\r\n');
    await once(socket.resume(), 'close');
    server.close();
    expect(seen).to.deep.equal(['203.0.113.7']);
  });

  it('trusts every address where the configuration says so', () => {
    for (const everything of ['0.0.0.0/0', '10.0.0.0/0']) {
      expect(createClientAddress([everything])(request('203.0.113.9', '1.2.3.4'))).to.equal('1.2.3.4');
    }
    expect(createClientAddress(['::/0'])(request('2001:db8::1', 'fd00::9'))).to.equal('fd00::9');
    expect(createClientAddress(['::/0'])(request('203.0.113.9', '1.2.3.4'))).to.equal('203.0.113.9');
  });

  it('counts a /64 network of IPv6 as one client', () => {
    for (const [one, expected] of [
      ['203.0.113.7', '203.0.113.7'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
      ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
      ['2001:db8::9', '2001:db8:0:0::/64'],
      ['::1', '0:0:0:0::/64'],
      ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
      ['', ''],
    ] as const) {
      expect(clientNetwork(one), one).to.equal(expected);
    }
  });

  it('refuses blocks that are none', () => {
    for (const block of [
      '10.0.0.0/33',
      'proxy',
      '',
      '10.0.0.0/x',
      '::1/129',
      'loopback',
      '10.0.0.0/255.0.0.0',
      '1',
      '10.0.0.0/8/8',
    ]) {
      expect(() => createClientAddress([block]), block).to.throw(RangeError);
    }
  });
});
