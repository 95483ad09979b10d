import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { exchange, exchangeRaw, requireSafeTransport } from '../../../cli/certificate/http.ts';
import { identityToken } from '../../../cli/certificate/identity-token.ts';
import {
  hasGithubIdentity,
  issuersOfJob,
  requestGithubToken,
} from '../../../cli/certificate/github-token.ts';
import { ServiceClient, ServiceRefusal } from '../../../cli/certificate/service.ts';
import { CommandError } from '../../../cli/program/command.ts';
import type { MayflyError } from '../../../core/errors.ts';
import { USER_AGENT, VERSION } from '../../../core/version.ts';
import { projectRoot } from '../../support/project-root.ts';
import { selfSigned } from '../../support/tls-identity.ts';

describe('cli/certificate: talking to a service', () => {
  let server: Server;
  let base: URL;
  let answer: RequestListener;

  before(async () => {
    server = createServer((req, res) => {
      answer(req, res);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  async function failure(run: Promise<unknown>): Promise<MayflyError> {
    try {
      await run;
    } catch (error) {
      expect(error).to.satisfy(
        (one: unknown) => one instanceof CommandError || one instanceof ServiceRefusal,
      );
      return error as MayflyError;
    }
    throw new Error('it did not fail');
  }

  const json =
    (status: number, body: unknown): RequestListener =>
    (_req, res) => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };

  const request = { token: 'the.secret.token', publicKey: 'PEM', proof: new Uint8Array([1]) };

  it('says which program asks, with its version, for a library that brings its own requests too', async () => {
    const seen: unknown[] = [];
    answer = (req, res) => {
      seen.push(req.headers['user-agent']);
      json(200, {})(req, res);
    };
    await exchange(base, 'it');
    await exchangeRaw(base, 'it', { headers: { 'User-Agent': 'openid-client/v6' } });
    expect(seen).to.deep.equal([USER_AGENT, USER_AGENT]);
    expect(USER_AGENT).to.equal(`mayfly/${VERSION}`);
    const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(VERSION).to.equal(version);
  });

  it('reads when to try again, in seconds or as a date, and nothing else', async () => {
    const inMinute = new Date(Date.now() + 60_000).toUTCString();
    const cases = [
      ['7', 7],
      ['0', 0],
      [new Date(0).toUTCString(), 0],
      ['soon', undefined],
      ['-1', undefined],
      ['1.5', undefined],
    ] as const;
    const read = async (header: string): Promise<number | undefined> => {
      answer = (_req, res) => res.writeHead(503, { 'retry-after': header }).end();
      return (await exchange(base, 'it')).retryAfter;
    };
    for (const [header, seconds] of cases) expect(await read(header), header).to.equal(seconds);
    expect(await read(inMinute)).to.be.within(50, 60);
    answer = json(503, {});
    expect((await exchange(base, 'it')).retryAfter).to.equal(undefined);
  });

  it('asks again when it is asked to come back, as often as is reasonable', async () => {
    let asked = 0;
    const busyUntil = (times: number, header: string, good: RequestListener): RequestListener => {
      asked = 0;
      return (req, res) => {
        if (++asked > times) good(req, res);
        else res.writeHead(503, { 'retry-after': header }).end('too many reads at once');
      };
    };
    answer = busyUntil(3, '0', json(200, { chains: [{ certificates: ['PEM'] }] }));
    expect(await new ServiceClient(base).trustBundle()).to.deep.equal(['PEM']);
    expect(asked).to.equal(4);
    answer = busyUntil(Infinity, '0', json(200, {}));
    expect((await failure(new ServiceClient(base).trustBundle())).metadata).to.include({ retryAfter: '0' });
    expect(asked, 'tries').to.equal(10);
    answer = busyUntil(Infinity, '3600', json(200, {}));
    expect((await failure(new ServiceClient(base).trustBundle())).metadata).to.include({
      retryAfter: '3600',
    });
    expect(asked, 'an hour is not waited for').to.equal(1);
  });

  it('sends a token again only when nobody had looked at it', async () => {
    const refused: string[] = [];
    const refusing = (reason: string): RequestListener => {
      refused.length = 0;
      return (_req, res) => {
        refused.push(reason);
        res.writeHead(503, { 'retry-after': '0', 'content-type': 'application/json' });
        res.end(JSON.stringify({ code: 14, message: 'busy', details: [{ reason }] }));
      };
    };
    for (const [reason, times] of [
      ['TOO_BUSY', 10],
      ['LOG_BUSY', 1],
      ['AUDIT_UNAVAILABLE', 1],
    ] as const) {
      answer = refusing(reason);
      const error = await failure(new ServiceClient(base).requestCertificate(request));
      expect([error.code, refused.length]).to.deep.equal([reason, times]);
    }
  });

  it('sends a token over TLS or to this machine, and nowhere else', () => {
    for (const good of [
      'https://ca.example.com',
      'http://127.0.0.1:1',
      'http://127.9.9.9',
      'http://localhost',
      'http://[::1]:2',
    ]) {
      requireSafeTransport(new URL(good), 'it');
    }
    for (const bad of [
      'http://ca.example.com',
      'http://10.0.0.1',
      'http://localhost.example.com',
      'ftp://localhost',
    ]) {
      expect(() => {
        requireSafeTransport(new URL(bad), 'it');
      }, bad).to.throw(CommandError);
    }
    expect(() => new ServiceClient(new URL('http://ca.example.com'))).to.throw(CommandError, 'plain HTTP');
  });

  for (const [service, message] of [
    ['Mayfly', 'There was an error processing the identity token: it expired 4 min ago'],
    ['an older Mayfly', 'There was an error processing the identity token'],
  ])
    it(`shows message, reason, sentence and hint of a refusal of ${service}, each once`, async () => {
      answer = json(400, {
        code: 3,
        message,
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            reason: 'TOKEN_EXPIRED',
            domain: 'mayfly',
            metadata: { sentence: 'it expired 4 min ago', hint: 'Get a new one.', requestId: 'r1' },
          },
        ],
      });
      const error = await failure(new ServiceClient(base).requestCertificate(request));
      expect(error.code).to.equal('TOKEN_EXPIRED');
      expect(error.message).to.equal(
        'the service says no: There was an error processing the identity token: it expired 4 min ago',
      );
      expect(error.hint).to.equal('Get a new one. (request r1)');
    });

  it('shows once what message and sentence both say', async () => {
    const sentence = 'Runs for pull requests cannot sign; merge first.';
    const details = [{ reason: 'RULE_DENIED', domain: 'mayfly', metadata: { sentence } }];
    answer = json(403, { code: 7, message: sentence, details });
    const error = await failure(new ServiceClient(base).requestCertificate(request));
    expect(error.message).to.equal(`the service says no: ${sentence}`);
  });

  it('shows the refusal of a service without details, and of no service at all', async () => {
    answer = json(400, { code: 3, message: 'no', details: [] });
    expect((await failure(new ServiceClient(base).requestCertificate(request))).code).to.equal(
      'SERVICE_REFUSED',
    );
    answer = (_req, res) => res.writeHead(502).end('<html>');
    expect((await failure(new ServiceClient(base).requestCertificate(request))).message).to.contain(
      'status 502',
    );
  });

  it('lets no escape sequence of a service reach the terminal', async () => {
    answer = json(400, {
      message: '\u001b[2Jgone\u202e',
      details: [{ reason: 'a b', metadata: { hint: '\u0007' } }],
    });
    const error = await failure(new ServiceClient(base).requestCertificate(request));
    expect(error.message + String(error.hint)).to.match(/^[\x20-\x7e]*$/);
    expect(error.code).to.equal('SERVICE_REFUSED');
    answer = json(400, { message: 'x'.repeat(100_000) });
    expect(
      (await failure(new ServiceClient(base).requestCertificate(request))).message,
    ).to.have.lengthOf.below(600);
  });

  for (const [what, body] of [
    ['nothing', ''],
    ['no object', 'null'],
    ['a list', '[]'],
    ['another object', '{"a":1}'],
    ['a detached proof', '{"signedCertificateDetachedSct":{"chain":{"certificates":["x"]}}}'],
    ['an empty chain', '{"signedCertificateEmbeddedSct":{"chain":{"certificates":[]}}}'],
    ['numbers for certificates', '{"signedCertificateEmbeddedSct":{"chain":{"certificates":[1]}}}'],
    [
      'a chain without end',
      JSON.stringify({ signedCertificateEmbeddedSct: { chain: { certificates: Array(99).fill('x') } } }),
    ],
  ]) {
    it(`takes no certificate from an answer that holds ${what}`, async () => {
      answer = (_req, res) => res.writeHead(200).end(body);
      const error = await failure(new ServiceClient(base).requestCertificate(request));
      expect(error.code).to.equal('FAILED');
      expect(error.message + String(error.hint)).to.not.contain('secret');
    });
  }

  it('keeps a path prefix of the service', async () => {
    let path: string | undefined;
    answer = (req, res) => {
      path = req.url;
      res.end('{"chains":[{"certificates":["x"]}]}');
    };
    expect(await new ServiceClient(new URL('/fulcio', base)).trustBundle()).to.deep.equal(['x']);
    expect(path).to.equal('/fulcio/api/v2/trustBundle');
  });

  it('ends an answer that trickles in time, whatever is collected as garbage meanwhile', async () => {
    answer = (_req, res) => {
      res.writeHead(200);
      const trickle = setInterval(() => res.write('x'), 10);
      res.on('close', () => {
        clearInterval(trickle);
      });
    };
    setFlagsFromString('--expose-gc');
    const collecting = setInterval(runInNewContext('gc') as () => void, 20);
    try {
      const { message } = await failure(exchangeRaw(base, 'it', {}, { timeoutMs: 200 }));
      expect(message).to.contain('did not answer within');
    } finally {
      clearInterval(collecting);
    }
  });

  it('gives up on a service that does not answer, answers too much, or sends elsewhere', async () => {
    answer = () => undefined;
    expect((await failure(exchange(base, 'it', { timeoutMs: 20 }))).message).to.contain(
      'did not answer within',
    );
    answer = (_req, res) => res.end('x'.repeat(101));
    expect((await failure(exchange(base, 'it', { maxBytes: 100 }))).message).to.contain(
      'longer than 100 bytes',
    );
    let closed: Promise<unknown> | undefined;
    answer = (req, res) => {
      closed = new Promise((resolve) => req.socket.on('error', () => undefined).once('close', resolve));
      res.writeHead(307, { location: 'https://example.com' }).end('x'.repeat(100_000));
    };
    expect((await failure(exchange(base, 'it'))).message).to.contain('redirect');
    // Else the program would go on for as long as the server keeps the connection.
    await closed;
    answer = (req) => req.destroy();
    expect((await failure(exchange(base, 'it'))).message).to.contain('closed the connection');
    answer = (req) =>
      req.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    expect((await failure(exchange(base, 'it'))).message).to.contain('answers with another protocol');
  });

  describe('and the address is not quite right', () => {
    let tls: TlsServer;
    let port: number;

    before(async () => {
      tls = createTlsServer(await selfSigned());
      await new Promise<void>((resolve) => {
        tls.listen(0, '127.0.0.1', resolve);
      });
      ({ port } = tls.address() as AddressInfo);
    });

    after(() => {
      tls.close();
    });

    it('says how to trust the TLS certificate of a CA of your own', async () => {
      const error = await failure(exchange(new URL(`https://127.0.0.1:${port}`), 'it'));
      expect(error.message).to.contain('its TLS certificate is not trusted here');
      expect(error.hint).to.contain('NODE_EXTRA_CA_CERTS=ca.pem');
    });

    it('asks whether it speaks TLS when plain HTTP is no use, and the other way round', async () => {
      const plain = await failure(exchange(new URL(`http://127.0.0.1:${port}`), 'it'));
      expect(plain.hint).to.equal('Does it speak TLS? Try https://.');
      answer = (_req, res) => res.end();
      const secure = await failure(exchange(new URL(`https://127.0.0.1:${base.port}`), 'it'));
      expect(secure.hint).to.contain('Does it speak plain HTTP? Try http://');
    });

    it('says that something else answers when a 404 is not of a Fulcio', async () => {
      answer = (_req, res) => res.writeHead(404).end('<html>Not Found</html>');
      for (const run of [
        new ServiceClient(base).trustBundle(),
        new ServiceClient(base).requestCertificate(request),
      ]) {
        const error = await failure(run);
        expect(error.message).to.contain('no Mayfly or Fulcio');
        expect(error.hint).to.contain('Check --url');
      }
      answer = json(404, { code: 5, message: 'Not Found', details: [] });
      expect((await failure(new ServiceClient(base).trustBundle())).message).to.contain(
        'the service says no: Not Found',
      );
    });
  });

  describe('in a GitHub Actions job', () => {
    const env = () => ({
      ACTIONS_ID_TOKEN_REQUEST_URL: new URL('/token?api-version=2.0', base).href,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job-secret',
    });

    it('asks for a token for the audience, with the token of the job', async () => {
      let seen: [string | undefined, string | undefined] | undefined;
      answer = (req, res) => {
        seen = [req.url, req.headers.authorization];
        res.end('{"value":"a.b.c"}');
      };
      expect(await requestGithubToken(env(), 'sigstore')).to.equal('a.b.c');
      expect(seen).to.deep.equal(['/token?api-version=2.0&audience=sigstore', 'Bearer job-secret']);
    });

    it('says what the job lacks when there is none', async () => {
      for (const listener of [json(403, {}), json(200, {}), json(200, { value: '' })]) {
        answer = listener;
        const error = await failure(requestGithubToken(env(), 'sigstore'));
        expect(error.hint).to.contain('id-token: write');
        expect(error.message).to.not.contain('job-secret');
      }
    });

    it('names the permission when the job may not ask, unless a login is wanted', async () => {
      const source = {
        env: { GITHUB_ACTIONS: 'true', CI: 'true' },
        interactive: false,
        notify: () => undefined,
      };
      const client = new ServiceClient(base);
      const error = await failure(identityToken(source, client));
      expect(error.hint).to.contain('permissions: id-token: write');
      const login = await failure(identityToken({ ...source, issuer: 'https://issuer.example' }, client));
      expect(login.message).to.contain('nobody here to log in');
    });

    it('knows the issuers of its server', () => {
      const urls = [
        ...[
          'https://token.actions.githubusercontent.com',
          'https://token.actions.githubusercontent.com/acme',
        ],
        ...['https://token.actions.acme.ghe.com', 'https://ghes.example/_services/token'],
        ...[
          'https://forgejo.example/api/actions',
          'https://token.actions.githubusercontent.com.evil.example',
        ],
      ];
      const offered = urls.map((url) => ({ url }));
      const of = (server?: string): number[] =>
        issuersOfJob(server === undefined ? {} : { GITHUB_SERVER_URL: server }, offered).map((issuer) =>
          offered.indexOf(issuer),
        );
      expect(of()).to.deep.equal([0, 1]);
      expect(of('https://github.com')).to.deep.equal([0, 1]);
      expect(of('https://acme.ghe.com')).to.deep.equal([2]);
      expect(of('https://ghes.example/')).to.deep.equal([3]);
      expect(of('https://forgejo.example')).to.deep.equal([4]);
      expect(of('https://other.example')).to.deep.equal([]);
    });

    it('knows when it is in none', () => {
      expect(hasGithubIdentity({})).to.equal(false);
      expect(hasGithubIdentity({ ACTIONS_ID_TOKEN_REQUEST_URL: 'x' })).to.equal(false);
      expect(hasGithubIdentity(env())).to.equal(true);
    });
  });
});
