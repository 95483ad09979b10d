/** People log in by stock clients: with the browser, with a code on another device; and cosign takes a token of another algorithm from a file. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { decodeProtectedHeader } from 'jose';
import { approveDevice, logIn } from '../support/browser.ts';
import { runMayfly } from '../support/mayfly.ts';
import { browserProgram } from './support/browser-program.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { startServed } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** What a client prints while it runs, and how it ends. */
interface RunningClient {
  readonly child: ChildProcess;
  readonly printed: () => string;
  readonly ended: Promise<unknown>;
}

function start(program: string, words: readonly string[], env: NodeJS.ProcessEnv): RunningClient {
  const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return { child, printed: () => printed, ended: once(child, 'close') };
}

const nameIn = async (bundle: string): Promise<string | undefined> => {
  const { verificationMaterial } = JSON.parse(await readFile(bundle, 'utf8')) as {
    verificationMaterial: { certificate: { rawBytes: string } };
  };
  return new X509Certificate(Buffer.from(verificationMaterial.certificate.rawBytes, 'base64')).subjectAltName;
};

describe('judge: people log in by stock clients', function () {
  this.timeout(300_000);
  let service: ExportedInstance;

  before(async () => {
    service = await startExported();
  });
  after(() => (service as ExportedInstance | undefined)?.stop());

  const at = (name: string): string => join(service.scratch, name);
  const env = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: service.scratch });
  const signingFiles = (): string[] => [
    ...['--signing-config', service.exported('signing_config.v0.2.json')],
    ...['--trusted-root', service.exported('trusted_root.json')],
  ];

  it('@sigstore/cli opens the browser, and signs as who logged in there', async function () {
    const cli = await needClient(this, 'sigstore-cli-0.10.3');
    const browser = await browserProgram(service.scratch);
    const services = ['--fulcio-url', service.url, '--tsa-server-url', service.url, '--no-tlog-upload'];
    const login = ['--oidc-issuer', service.issuerUrl, '--oidc-client-id', 'sigstore'];
    const words = ['attest', service.artifact, ...services, ...login, '-o', at('cli.json')];
    const client = start(process.execPath, [cli, ...words], { ...env(), BROWSER: browser.path });
    const back = await logIn(await browser.address(client.child), 'grace@example.com');
    expect((await fetch(back)).status, client.printed()).to.equal(200);
    expect(await client.ended, client.printed()).to.deep.equal([0, null]);
    expect(await nameIn(at('cli.json'))).to.equal('email:grace@example.com');
  });

  it('cosign shows a code where there is no terminal, and signs as who entered it', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const words = ['sign-blob', '-y', ...signingFiles(), '--bundle', at('device.json'), service.artifact];
    const client = start(cosign, words, env());
    let shown: RegExpExecArray | null = null;
    while (shown === null && client.child.exitCode === null) {
      await setTimeout(50);
      shown = /verification code ([\w-]+) in your browser at: (\S+)/.exec(client.printed());
    }
    const [, code = '', address = ''] = shown ?? [];
    expect(address, client.printed()).to.match(/^http/);
    await approveDevice(address.replace(/\?.*$/, ''), code, 'grace@example.com');
    expect(await client.ended, client.printed()).to.deep.equal([0, null]);
    expect(await nameIn(at('device.json'))).to.equal('email:grace@example.com');
  });

  it('cosign takes a token that is signed with ES256 from a file', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const served = await startServed();
    try {
      const { data, scratch, url, issuer } = served;
      const out = join(scratch, 'trust');
      const exporting = ['trust', 'export', '--data', data, '--public-url', url, '--out', out];
      expect((await runMayfly(exporting, { byLauncher: 'built' })).code).to.equal(0);
      const token = await issuer.sign({ email: SIGNER, email_verified: true });
      expect(decodeProtectedHeader(token).alg).to.equal('ES256');
      await writeFile(join(scratch, 'token'), token);
      const files = ['--signing-config', join(out, 'signing_config.v0.2.json')];
      const trust = ['--trusted-root', join(out, 'trusted_root.json'), '--bundle', at('es256.json')];
      const from = ['--identity-token', join(scratch, 'token'), service.artifact];
      await run(cosign, ['sign-blob', '-y', ...files, ...trust, ...from], { env: env() });
      expect(await nameIn(at('es256.json'))).to.equal(`email:${SIGNER}`);
    } finally {
      await served.stop();
    }
  });
});
