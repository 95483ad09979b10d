import { execFileSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkAnswer } from '../../../cli/certificate/check-answer.ts';
import { makeClientKey } from '../../../cli/certificate/key-pair.ts';
import { ServiceClient } from '../../../cli/certificate/service.ts';
import { readTokenClaims } from '../../../cli/certificate/token-claims.ts';
import { loadTrust } from '../../../cli/certificate/trust.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../../ca/signing-algorithms.ts';
import type { IssuerDefinition } from '../../../oidc/core/issuer-definition.ts';
import { compilePolicy } from '../../../policy/snapshot.ts';
import { startIssuer } from '../../support/oidc-issuer.ts';
import { OPEN_POLICY, startTestService } from '../../support/test-service.ts';
import {
  type DevMayfly,
  type RunOptions,
  type MayflyResult,
  mayflyWords,
  runMayfly,
  startDev,
} from '../../support/mayfly.ts';

describe('mayfly certificate', function () {
  this.timeout(60_000);
  let directory: string;
  let service: DevMayfly;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-certificate-'));
    service = await startDev({ data: join(directory, 'data') });
  });

  after(async () => {
    await service.stop();
    await rm(directory, { recursive: true });
  });

  async function token(...args: string[]): Promise<string> {
    const words = args.length === 0 ? ['--email', 'ada@example.com'] : args;
    return (await runMayfly(['token', '--data', service.data, ...words])).stdout;
  }

  /** Runs the command with a token in the environment and its own output directory. */
  async function certificate(
    out: string,
    args: string[] = [],
    options: RunOptions = {},
  ): Promise<MayflyResult> {
    const env = options.env ?? { SIGSTORE_ID_TOKEN: await token() };
    const words = ['certificate', '--url', service.url, '--out', out, ...args];
    return await runMayfly(words, { cwd: directory, ...options, env });
  }

  const file = (...parts: string[]): Promise<string> => readFile(join(directory, ...parts), 'utf8');

  it('gets one from the token in the environment, and writes what openssl and Node understand', async () => {
    const result = await certificate('first', ['--key-out', 'first/key.pem']);
    expect(result, result.stderr).to.include({ code: 0, stderr: '' });
    expect(result.stdout)
      .to.contain('Certificate for ada@example.com')
      .and.contain('Next: mayfly verify certificate');
    expect(result.stdout).to.contain("the service's own word only");
    expect((await stat(join(directory, 'first', 'key.pem'))).mode & 0o777).to.equal(0o600);
    const leaf = new X509Certificate(await file('first', 'cert.pem'));
    expect(leaf.subjectAltName).to.equal('email:ada@example.com');
    const own = createPublicKey(await file('first', 'key.pem')).export({ format: 'der', type: 'spki' });
    expect(leaf.publicKey.export({ format: 'der', type: 'spki' })).to.deep.equal(own);
    const paths = ['chain.pem', 'cert.pem'].map((name) => join(directory, 'first', name));
    const words = ['verify', '-purpose', 'any', '-CAfile', ...paths];
    expect(execFileSync('openssl', words, { encoding: 'utf8' })).to.contain('OK');
  });

  it('answers one JSON object with --json', async () => {
    const { stdout } = await certificate('json', ['--json']);
    const answer = JSON.parse(stdout) as Record<string, unknown>;
    expect(answer).to.include({
      certificate: 'json/cert.pem',
      identity: 'ada@example.com',
      issuer: service.issuerUrl,
      trust: 'service',
    });
    const life = Date.parse(String(answer['notAfter'])) - Date.parse(String(answer['notBefore']));
    expect(life).to.equal(600_000);
  });

  it('takes the token from stdin and from a file, with white space around it', async () => {
    const text = `${await token()}\n`;
    await writeFile(join(directory, 'token.txt'), text);
    expect((await certificate('stdin', ['--token-file', '-'], { env: {}, stdin: text })).code).to.equal(0);
    expect((await certificate('file', ['--token-file', 'token.txt'], { env: {} })).code).to.equal(0);
  });

  it('makes keys of every type', async () => {
    for (const [type, wanted] of [
      ['p384', /secp384r1/],
      ['rsa2048', /2048 bit/],
      ['ed25519', /ED25519/],
    ] as const) {
      const result = await certificate(type, ['--key-type', type]);
      expect(result.code, result.stderr).to.equal(0);
      const shown = execFileSync(
        'openssl',
        ['x509', '-in', join(directory, type, 'cert.pem'), '-noout', '-text'],
        {
          encoding: 'utf8',
        },
      );
      expect(shown).to.match(wanted);
    }
  });

  it('replaces what it wrote before', async () => {
    await certificate('renewed');
    const before = await file('renewed', 'cert.pem');
    expect((await certificate('renewed')).code).to.equal(0);
    expect(await file('renewed', 'cert.pem')).to.not.equal(before);
    expect((await readdir(join(directory, 'renewed'))).sort()).to.deep.equal(['cert.pem', 'chain.pem']);
  });

  it('keeps no private key unless it is asked to, and says so', async () => {
    const result = await certificate('forgotten');
    expect(result.stdout).to.contain('The private key was not kept').and.contain('--key-out');
    expect((await readdir(join(directory, 'forgotten'))).sort()).to.deep.equal(['cert.pem', 'chain.pem']);
    const { stdout } = await certificate('forgotten', ['--json']);
    expect((JSON.parse(stdout) as { key: string | null }).key).to.equal(null);
  });

  it('says that the key of an earlier version lies there, and leaves it alone', async () => {
    await certificate('old', ['--key-out', 'old/key.pem']);
    const key = await file('old', 'key.pem');
    const { code, stdout } = await certificate('old');
    expect(code).to.equal(0);
    expect(stdout).to.contain('old/key.pem is the key of the certificate that was replaced: delete it');
    expect(await file('old', 'key.pem')).to.equal(key);
  });

  const publicDer = (pem: string): Buffer => createPublicKey(pem).export({ format: 'der', type: 'spki' });
  const certified = async (out: string): Promise<Buffer> =>
    new X509Certificate(await file(out, 'cert.pem')).publicKey.export({ format: 'der', type: 'spki' });

  it('hands the key to a pipe, so that it is in no file, and signs with it', async () => {
    const { code, stdout, stderr } = await certificate('piped', ['--key-out', '-']);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/);
    expect(stderr).to.contain('Certificate for ada@example.com').and.contain('without a timestamp');
    expect(publicDer(stdout)).to.deep.equal(await certified('piped'));
    expect((await readdir(join(directory, 'piped'))).sort()).to.deep.equal(['cert.pem', 'chain.pem']);
    const paste = '"$@" | openssl dgst -sha256 -sign /dev/stdin -out app.sig piped/chain.pem';
    const words = ['certificate', '--url', service.url, '--out', 'piped', '--key-out', '-'];
    execFileSync('sh', ['-c', paste, 'sh', process.execPath, ...mayflyWords(words)], {
      cwd: directory,
      stdio: 'pipe',
      env: { PATH: process.env['PATH'], SIGSTORE_ID_TOKEN: await token() },
    });
    await writeFile(
      join(directory, 'public.pem'),
      new X509Certificate(await file('piped', 'cert.pem')).publicKey.export({ format: 'pem', type: 'spki' }),
    );
    const check = ['dgst', '-sha256', '-verify', 'public.pem', '-signature', 'app.sig', 'piped/chain.pem'];
    expect(execFileSync('openssl', check, { cwd: directory, encoding: 'utf8' })).to.contain('Verified OK');
  });

  it('says JSON that stdout cannot hold both it and a key', async () => {
    const { code, stdout } = await certificate('wrong', ['--key-out', '-', '--json'], { env: {} });
    expect(code).to.equal(2);
    expect((JSON.parse(stdout) as { error: { message: string } }).error.message).to.contain('stdout');
  });

  it('opens no encrypted key, and says how to hand it over', async () => {
    const words = ['genpkey', '-algorithm', 'ED25519', '-aes256', '-pass', 'pass:correct-horse'];
    const stdin = execFileSync('openssl', words, { encoding: 'utf8', stdio: 'pipe' });
    const { code, stderr } = await certificate('wrong', ['--key', '-'], { stdin });
    expect([code, stderr]).to.satisfy(
      ([status, text]: [number, string]) => status === 2 && /is encrypted[^]*openssl pkey/.test(text),
    );
  });

  it('certifies a key that is there already, of every kind and form, and copies it nowhere', async () => {
    const kinds: readonly (readonly [string, string[]])[] = [
      ['sec1', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout']],
      ['p384', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
      ['rsa', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
      ['ed25519', ['genpkey', '-algorithm', 'ED25519']],
    ];
    for (const [name, words] of kinds) {
      const pem = execFileSync('openssl', words, { encoding: 'utf8', stdio: 'pipe' });
      await writeFile(join(directory, `${name}.key`), pem);
      const result = await certificate(`own-${name}`, ['--key', `${name}.key`]);
      expect(result.code, result.stderr).to.equal(0);
      expect(publicDer(pem)).to.deep.equal(await certified(`own-${name}`));
      expect((await readdir(join(directory, `own-${name}`))).sort()).to.deep.equal(['cert.pem', 'chain.pem']);
      const piped = await certificate(`own-${name}`, ['--key', '-'], { stdin: pem });
      expect(piped.code, piped.stderr).to.equal(0);
    }
  });

  it("asks for nothing when somebody else's key lies there, unless forced", async () => {
    await mkdir(join(directory, 'foreign'));
    await writeFile(join(directory, 'foreign', 'key.pem'), 'precious');
    const size = await logSize();
    const key = ['--key-out', 'foreign/key.pem'];
    const result = await certificate('foreign', key);
    expect(result.code).to.equal(1);
    expect(result.stderr).to.contain('--force');
    expect(await file('foreign', 'key.pem')).to.equal('precious');
    expect(await logSize()).to.equal(size);
    expect((await certificate('foreign', [...key, '--force'])).code).to.equal(0);
  });

  async function logSize(): Promise<number> {
    const checkpoint = await (await fetch(`${service.logUrl}/checkpoint`)).text();
    return Number(checkpoint.split('\n')[1]);
  }

  it('asks GitHub for the token of a job', async () => {
    let audience: string | null = null;
    const value = await token();
    const server = createServer((req, res) => {
      audience = new URL(req.url ?? '', 'http://x').searchParams.get('audience');
      res.end(JSON.stringify({ value }));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/?a=b`;
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job' };
    const result = await certificate('github', [], { env });
    server.close();
    expect(result.code, result.stderr).to.equal(0);
    expect(audience).to.equal('sigstore');
  });

  it('asks GitHub for the audience that the service wants of its jobs, if that is its own or was named', async () => {
    const issuer = await startIssuer({ path: '/_services/token' });
    const ours = await startTestService();
    const wanting = async (...audiences: string[]): Promise<void> => {
      const definition: IssuerDefinition = {
        url: issuer.url,
        name: 'jobs',
        audiences,
        isMeta: false,
        type: 'email',
        skipEmailVerification: false,
      };
      const context = { clock: Date.now, permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS };
      ours.policy.replace(await compilePolicy([{ definition, policy: OPEN_POLICY }], context));
    };
    await wanting('sts.amazonaws.com', 'other');
    const asked: (string | null)[] = [];
    const server = createServer((req, res) => {
      const audience = new URL(req.url ?? '', 'http://x').searchParams.get('audience');
      asked.push(audience);
      const claims = { aud: audience, email: 'job@example.com', email_verified: true };
      void issuer.sign(claims).then((value) => res.end(JSON.stringify({ value })));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    try {
      const env = {
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/?a=b`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job',
        GITHUB_SERVER_URL: new URL(issuer.url).origin,
      };
      const run = (...args: string[]): Promise<MayflyResult> =>
        runMayfly(['certificate', '--url', ours.url, '--out', 'job', ...args], { cwd: directory, env });
      const foreign = await run();
      expect(foreign.code).to.equal(2);
      expect(foreign.stderr).to.match(/"sts\.amazonaws\.com", which is not its own name[^]*--client-id sts/);
      expect(asked).to.deep.equal([]);
      expect((await run('--client-id', 'other')).code).to.equal(0);
      await wanting(ours.url, 'other');
      const result = await run();
      expect(result.code, result.stderr).to.equal(0);
      expect(asked).to.deep.equal(['other', ours.url]);
    } finally {
      server.close();
      await ours.close();
      await issuer.close();
    }
  });

  const refusals: readonly (readonly [string, string[], RegExp])[] = [
    ['an expired token', ['--email', 'a@example.com', '--ttl', '-240'], /expired[\s\S]*new token/],
    ['a token for somebody else', ['--email', 'a@example.com', '--audience', 'x'], /the token is for "x"/],
    [
      'a token of an unknown issuer',
      ['--email', 'a@example.com', '--issuer', 'https://other.example.com'],
      /issuer/,
    ],
  ];
  for (const [what, words, says] of refusals) {
    it(`shows the service's reason and advice for ${what}, and writes nothing`, async () => {
      const value = await token(...words);
      const result = await certificate('refused', [], { env: { SIGSTORE_ID_TOKEN: value } });
      expect(result).to.include({ code: 1, stdout: '' });
      expect(result.stderr).to.match(says).and.not.contain(value.split('.')[2]);
      expect(await readdir(directory)).to.not.include('refused');
    });
  }

  it('says the reason in JSON too', async () => {
    const env = { SIGSTORE_ID_TOKEN: await token('--email', 'a@example.com', '--ttl', '-240') };
    const { code, stdout } = await certificate('refused', ['--json'], { env });
    expect(code).to.equal(1);
    expect((JSON.parse(stdout) as { error: { code: string } }).error.code).to.equal('TOKEN_EXPIRED');
  });

  it('says in JSON when to try again after a rate limit', async () => {
    const data = join(directory, 'limited');
    await (await startDev({ data })).stop();
    await appendFile(join(data, 'config.yaml'), '  rate-limit: {principal: {per-minute: 2, burst: 1}}\n');
    const limited = await startDev({ data });
    const words = ['token', '--data', data, '--email', 'ada@example.com'];
    const run = async (...args: string[]): Promise<MayflyResult> => {
      const env = { SIGSTORE_ID_TOKEN: (await runMayfly(words)).stdout };
      return await runMayfly(['certificate', '--url', limited.url, ...args], { cwd: data, env });
    };
    expect((await run('--json')).code).to.equal(0);
    const { code, stdout } = await run('--json');
    await limited.stop();
    expect(code, 'another try may end otherwise').to.equal(3);
    const { error } = JSON.parse(stdout) as { error: { code: string; retryAfterSeconds: number } };
    expect(error.code).to.equal('PRINCIPAL_RATE_LIMITED');
    expect(error.retryAfterSeconds).to.be.within(1, 30);
    expect(Number.isInteger(error.retryAfterSeconds)).to.equal(true);
  });

  const wrong: readonly (readonly [string, string[], number, RegExp])[] = [
    ['no token and nobody to log in', [], 1, /SIGSTORE_ID_TOKEN/],
    ['what is no token', ['--token-file', '-'], 1, /not an identity token/],
    ['a key type that is none', ['--key-type', 'dsa'], 2, /--key-type must be one of/],
    ['a key that is none', ['--key', '-'], 2, /--key: the key file holds no PEM block[^]*Use PEM/],
    ['a fresh key and an own one', ['--key', 'k', '--key-out', 'x'], 2, /--key names your own/],
    ['a type for an own key', ['--key', 'k', '--key-type', 'p256'], 2, /--key names your own/],
    ['a key and a token on stdin', ['--key', '-', '--token-file', '-'], 2, /stdin can be only one/],
    ['a key in the place of the certificate', ['--key-out', 'wrong/./cert.pem'], 2, /certificates go to/],
    ['a flow that is none', ['--flow', 'telepathy'], 2, /--flow must be one of/],
    ['an address that is none', ['--url', 'localhost'], 2, /--url/],
    ['plain HTTP to another machine', ['--url', 'http://ca.example.com'], 1, /plain HTTP/],
    ['a trust directory that is not there', ['--trust', 'nowhere'], 2, /nowhere/],
  ];
  for (const [what, args, code, says] of wrong) {
    it(`says what is wrong with ${what}`, async () => {
      const result = await certificate('wrong', args, { env: {}, stdin: 'nonsense' });
      expect(result.stderr).to.match(says);
      expect(result).to.include({ code, stdout: '' });
    });
  }

  it('refuses what a service sends when it is not what was asked for', async () => {
    const client = new ServiceClient(new URL(service.url));
    const value = await token();
    const [key, other] = [makeClientKey('p256'), makeClientKey('p256')];
    const proof = key.prove('ada@example.com');
    const chain = await client.requestCertificate({ token: value, publicKey: key.publicPem, proof });
    const trust = await loadTrust(undefined, client);
    const good = { chain, key, claims: readTokenClaims(value), trust, clock: Date.now };
    expect(await checkAnswer(good)).to.include({ identity: 'ada@example.com', trustedBy: 'service' });
    const [leaf = '', ...issuers] = chain;
    const otherTrusted = { ...trust, trust: (await otherTrust()).trust };
    const bad: readonly (readonly [Partial<typeof good>, RegExp])[] = [
      [{ key: other }, /another key/],
      [
        { claims: readTokenClaims(await token('--email', 'bob@example.com')) },
        /which the token does not name/,
      ],
      [
        { claims: readTokenClaims(await token('--email', 'ada@example.com', '--issuer', 'https://x')) },
        /issuer/,
      ],
      [{ trust: otherTrusted }, /chain|sct/],
      [{ chain: [leaf] }, /none of the CA certificates/],
      [{ chain: [...issuers, leaf] }, /another key/],
      [{ chain: ['garbage'] }, /something else where a certificate should be/],
      [{ chain: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'] }, /cannot be read/],
    ];
    for (const [change, says] of bad) {
      let thrown: unknown;
      try {
        await checkAnswer({ ...good, ...change });
      } catch (error) {
        thrown = error;
      }
      expect(thrown, String(says)).to.be.instanceOf(CommandError);
      expect((thrown as CommandError).message).to.match(says);
    }
  });

  /** The trust of an instance that is not the one that issues. */
  async function otherTrust() {
    const other = await startDev({ data: join(directory, 'other') });
    try {
      return await loadTrust(undefined, new ServiceClient(new URL(other.url)));
    } finally {
      await other.stop();
    }
  }

  /** A door to the service: the list of its logs is `logs`, the log is called `2026-b`, and reading it needs `token`. */
  async function door(logs: unknown, token?: string): Promise<{ url: string; close: () => void }> {
    const server = createServer((request, response) => {
      const { url = '', method = 'GET', headers } = request;
      const isLog = url.startsWith('/log/');
      if (isLog && token !== undefined && headers.authorization !== `Bearer ${token}`)
        response.writeHead(401).end('no\n');
      else if (url === '/log/') response.end(JSON.stringify(logs));
      else if (isLog && !url.startsWith('/log/2026-b/')) response.writeHead(404).end();
      else {
        const target = isLog ? service.logUrl + url.slice('/log/2026-b'.length) : service.url + url;
        const body = method === 'POST' ? { body: request, duplex: 'half' } : {};
        const { authorization = '' } = headers;
        void fetch(target, { method, headers: { authorization }, ...body } as RequestInit).then(
          async (answer) => {
            response.writeHead(answer.status).end(await answer.text());
          },
        );
      }
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => {
        server.close();
        server.closeAllConnections();
      },
    };
  }

  it('finds the log by the list of the service, whatever it is called', async () => {
    const own = await door({
      logs: [{ origin: 'x', name: '2026-b', url: 'https://elsewhere.example/log/2026-b' }],
    });
    const result = await certificate('listed', ['--url', own.url]);
    own.close();
    expect(result.code, result.stderr).to.equal(0);
    expect(result.stdout).to.contain('proof of logging,').and.not.contain('was not checked');
  });

  it('reads a log that wants its access token with it, and says what to do without', async () => {
    const own = await door({ logs: [{ origin: 'x', name: '2026-b', url: 'x' }] }, 'log-secret');
    const without = await certificate('closed', ['--url', own.url]);
    await writeFile(join(directory, 'log-token'), 'log-secret\n');
    const result = await certificate('closed', ['--url', own.url, '--access-token-file', 'log-token']);
    own.close();
    expect(without).to.include({ code: 1, stdout: '' });
    expect(without.stderr).to.contain('--trust DIR').and.contain('--access-token-file');
    expect(result.code, result.stderr).to.equal(0);
    expect(result.stdout).to.contain('proof of logging,').and.not.contain('was not checked');
  });

  it('says it when the proof of logging could not be checked', async () => {
    const client = new ServiceClient(new URL(service.url));
    const value = await token();
    const key = makeClientKey('p256');
    const proof = key.prove('ada@example.com');
    const chain = await client.requestCertificate({ token: value, publicKey: key.publicPem, proof });
    const { trust } = await loadTrust(undefined, client);
    const blind = { trust: { ...trust, logs: [] }, trustedBy: 'service' } as const;
    const answer = await checkAnswer({
      chain,
      key,
      claims: readTokenClaims(value),
      trust: blind,
      clock: Date.now,
    });
    expect(answer.loggedAt).to.equal(undefined);
    expect(answer.notes.join()).to.contain('the proof of logging was not checked');
  });
});
