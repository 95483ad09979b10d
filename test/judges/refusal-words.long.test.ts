/** What the user of each stock client reads when a request is refused: Fulcio's words, and behind them what was wrong here. docs/compatibility.md has the table. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import type { ExportedFile } from './support/exported-instance.ts';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { startSpoilingProxy, type SpoilingProxy } from './support/spoiling-proxy.ts';
import { needClient } from './support/stock-clients.ts';
import { exportWith } from './support/stock-rekor.ts';

const run = promisify(execFile);

const configuration = (issuer: string): string => `oidc-issuers:
  ${issuer}:
    issuer-url: ${issuer}
    client-id: sigstore
    type: email
    mayfly:
      rate-limit: { principal: { per-minute: 1, burst: 1 } }
      rules:
        - name: nobody-from-outside
          deny: claims.email == "eve@example.com"
          message: Eve does not sign here.
`;

/** Who asks whom for a certificate. */
interface Request {
  readonly url: string;
  readonly token: string;
}

const TOKEN = 'There was an error processing the identity token';

describe('judge: the words of a refusal', function () {
  this.timeout(600_000);
  let service: ServedInstance;
  let foreign: TestIssuer;
  let proxy: SpoilingProxy;
  const exports = new Map<string, (name: ExportedFile) => string>();

  before(async () => {
    service = await startServed({ configuration });
    foreign = await startIssuer();
    proxy = await startSpoilingProxy(service.url);
    await writeFile(at('artifact'), 'what clients sign');
    // sigstore-python wants a log in its files. Nobody comes to log anything.
    const { publicKey } = generateKeyPairSync('ed25519');
    await writeFile(at('rekor.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    const rekor = { url: 'http://localhost:1', publicKey: at('rekor.pub') };
    for (const { url } of [service, proxy]) {
      const scratch = at(`files-${exports.size}`);
      await mkdir(scratch);
      exports.set(url, await exportWith({ scratch, data: service.data, url }, rekor));
    }
  });
  after(async () => {
    await proxy.stop();
    await foreign.close();
    await service.stop();
  });

  const at = (name: string): string => join(service.scratch, name);
  const file = (url: string, name: ExportedFile): string => exports.get(url)?.(name) ?? '';

  const tokenOf = (email: string, issuer = service.issuer, now = Date.now()): Promise<string> =>
    issuer.sign({ email, email_verified: true, sub: email }, { now });

  const toService = async (token: Promise<string>): Promise<Request> => ({
    url: service.url,
    token: await token,
  });

  /** What is refused, and what stands in the answer's message. */
  const REFUSED = {
    expired: {
      request: () => toService(tokenOf('ada@example.com', service.issuer, Date.now() - 3_600_000)),
      message: `${TOKEN}: the token expired 55 min ago by the server's clock`,
    },
    'of an unknown issuer': {
      request: () => toService(tokenOf('ada@example.com', foreign)),
      message: `${TOKEN}: the token comes from an issuer that is not configured here`,
    },
    'by a rule': {
      request: () => toService(tokenOf('eve@example.com')),
      message: 'Eve does not sign here.',
    },
    'of a wrong proof': {
      request: async () => ({ url: proxy.url, token: await tokenOf('ada@example.com') }),
      message:
        'The signature supplied in the request could not be verified: the proof of possession is not a signature by this key',
    },
    'too often': {
      request: () => toService(tokenOf('bob@example.com')),
      message: 'this identity asked for more certificates than it may have at a time',
    },
  } as const;

  /** What the client says, once it is refused: who has not asked too often yet gets a certificate before. */
  async function wordsOf(
    ask: (request: Request) => Promise<string | undefined>,
    refused: keyof typeof REFUSED,
  ): Promise<string> {
    for (let i = 0; i < 5; i++) {
      const words = await ask(await REFUSED[refused].request());
      if (words !== undefined) return words;
    }
    throw new Error('it is not refused');
  }

  /** What a program prints when it fails; undefined when it does not. */
  const client = (program: string, words: readonly string[], env = {}): Promise<string | undefined> =>
    run(program, words, { env: { PATH: process.env['PATH'], HOME: service.scratch, ...env } }).then(
      () => undefined,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `${stdout}${stderr}`;
      },
    );

  const tokenFile = async (token: string): Promise<string> => {
    await writeFile(at('token'), token);
    return at('token');
  };

  const byJs = async ({ url, token }: Request): Promise<string | undefined> =>
    sign(await readFile(at('artifact')), {
      fulcioURL: url,
      tlogUpload: false,
      identityToken: token,
      retry: 0,
    }).then(
      () => undefined,
      (error: unknown) => (error as Error).message,
    );

  for (const [refused, status] of [
    ['expired', 400],
    ['of an unknown issuer', 400],
    ['by a rule', 403],
    ['of a wrong proof', 400],
    ['too often', 429],
  ] as const)
    it(`sigstore-js says what is wrong with a request ${refused}`, async () => {
      const words = await wordsOf(byJs, refused);
      expect(words).to.contain(`(${status}) ${REFUSED[refused].message}`);
    });

  it('@sigstore/cli says it', async function () {
    const cli = await needClient(this, 'sigstore-cli-0.10.3');
    const words = await wordsOf(({ url, token }) => {
      const attest = [
        'attest',
        at('artifact'),
        '--fulcio-url',
        url,
        '--no-tlog-upload',
        '-o',
        at('cli.json'),
      ];
      return client(process.execPath, [cli, ...attest], { CI: '1', SIGSTORE_ID_TOKEN: token });
    }, 'expired');
    expect(words).to.contain(`(400) ${REFUSED.expired.message}`);
  });

  it('cosign prints the whole answer, and nothing of one that it asked for twice', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const ask = async ({ url, token }: Request): Promise<string | undefined> =>
      client(cosign, [
        ...['sign-blob', '-y', '--identity-token', await tokenFile(token), '--bundle', at('cosign.json')],
        ...['--signing-config', file(url, 'signing_config.v0.2.json')],
        ...['--trusted-root', file(url, 'trusted_root.json'), at('artifact')],
      ]);
    for (const refused of ['expired', 'of an unknown issuer', 'by a rule', 'of a wrong proof'] as const)
      expect(await wordsOf(ask, refused), refused).to.contain(`"message":"${REFUSED[refused].message}`);
    expect(await wordsOf(ask, 'too often')).to.contain('http: read on closed response body');
  });

  it('sigstore-python prints the status alone', async function () {
    const python = await needClient(this, 'sigstore-python-4.5.1');
    const words = await wordsOf(
      ({ url, token }) =>
        client(python, [
          ...['-m', 'sigstore', '--trust-config', file(url, 'client_trust_config.json'), 'sign'],
          ...['--identity-token', token, '--bundle', at('python.json'), at('artifact')],
        ]),
      'by a rule',
    );
    expect(words).to.contain('HTTPError: 403 Client Error: Forbidden').and.not.contain('Eve');
  });
});
