import { expect } from 'chai';
import { createServer } from 'node:http';
import { getSystemErrorMap } from 'node:util';
import { listen } from '../../../server/http/http-listener.ts';
import {
  explainListenFailure,
  isEveryInterface,
  ListenError,
  parseListenAddress,
  requireProtectedTransport,
  urlHost,
} from '../../../server/http/listen-address.ts';

/** What is said of a failure with that code. */
function explained(code: string, option = '--listen'): { readonly message: string; readonly hint: string } {
  const fault = Object.assign(new Error('listen'), { code });
  const error = explainListenFailure(fault, { host: '::1', port: 5555 }, option);
  if (!(error instanceof ListenError)) throw new TypeError(`nothing is said of ${code}`);
  return { message: error.message, hint: error.hint ?? '' };
}

describe('server/http/listen-address', () => {
  it('has a sentence and a hint for every error that a system knows', () => {
    const codes = [...getSystemErrorMap().values()].map(([code]) => code);
    expect(codes).to.include.members(['EADDRINUSE', 'EAFNOSUPPORT', 'EINVAL', 'EPERM', 'EAI_AGAIN']);
    for (const code of codes) {
      const { message, hint } = explained(code, '--metrics-listen');
      expect(message, code).to.match(/^\[::1\]:5555 \(--metrics-listen\) [a-z]/);
      expect(hint, code).to.match(/^[A-Z].*\.$/);
    }
  });

  it('says what to do where IPv6 is missing, and names an error that it does not know', () => {
    expect(explained('EAFNOSUPPORT').hint).to.contain('127.0.0.1').and.to.contain('0.0.0.0');
    expect(explained('ENOBUFS').message).to.contain('(ENOBUFS)');
  });

  it('names the option and the host for a port that is free', () => {
    expect(explained('EADDRINUSE', '--metrics-listen').hint).to.include(
      '--metrics-listen [::1]:0 picks a free port',
    );
  });

  it('leaves other faults as they are', () => {
    const fault = new TypeError('a mistake');
    expect(explainListenFailure(fault, { host: 'x', port: 1 }, '--listen')).to.equal(fault);
  });

  it('says where it listens, and how clients of this machine reach that', async () => {
    for (const [host, client] of [
      ['127.0.0.1', '127.0.0.1'],
      ['0.0.0.0', '127.0.0.1'],
    ] as const) {
      const server = createServer();
      const { url, address } = await listen(server, { host, port: 0 }, '--listen');
      server.close();
      const { port } = new URL(url);
      expect(url).to.equal(`http://${client}:${port}`);
      expect(address).to.equal(`${host}:${port}`);
    }
  });

  it('knows every spelling of "every interface"', () => {
    for (const host of ['0.0.0.0', '::', '0::', '0:0:0:0:0:0:0::', '::0']) {
      expect(isEveryInterface(host), host).to.equal(true);
      expect(urlHost(host), host).to.match(/^(127\.0\.0\.1|\[::1\])$/);
    }
    for (const host of ['127.0.0.1', '::1', '0.0.0.1', 'localhost', '10.0.0.0', 'fe80::1', '1::'])
      expect(isEveryInterface(host), host).to.equal(false);
  });

  it('sends tokens in the clear to this machine alone', () => {
    const clear =
      (host: string): (() => void) =>
      () => {
        requireProtectedTransport({ host, port: 5555 }, { tls: false, behindTlsProxy: false });
      };
    for (const host of ['localhost', '127.0.0.1', '127.0.0.53', '127.255.255.254', '::1'])
      expect(clear(host), host).to.not.throw();
    for (const host of [
      ...[
        '0.0.0.0',
        '::',
        '0::',
        '::0',
        '0:0:0:0:0:0:0:0',
        '10.0.0.1',
        '192.168.1.1',
        '126.0.0.1',
        '128.0.0.1',
      ],
      ...['fe80::1', 'fd00::1', '::2', '::ffff:10.0.0.1', '1::', '::1:1'],
      ...['127.evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', 'xlocalhost', 'mayfly', ''],
    ])
      expect(clear(host), host).to.throw(ListenError).with.property('code', 'PLAIN_HTTP');
    for (const protection of [
      { tls: true, behindTlsProxy: false },
      { tls: false, behindTlsProxy: true },
    ])
      expect(() => {
        requireProtectedTransport({ host: '::', port: 5555 }, protection);
      }).to.not.throw();
  });

  it('says why an address with its interface is refused', () => {
    expect(() => parseListenAddress('[fe80::1%eth0]:5555'))
      .to.throw(ListenError)
      .with.property('hint')
      .that.contains('together with its interface');
  });
});
