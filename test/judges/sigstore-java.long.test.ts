/**
 * sigstore-java's own signer, which asks for certificates over gRPC and TLS and nowhere else: it gets one from the HTTPS port, checks its SCT and chain by the exported trusted root, and makes bundles with an entry of the service's own log,
 * which its own verifier accepts.
 */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { emailConfig } from '../support/data-directory.ts';
import { runMayfly, startDev, type DevMayfly } from '../support/mayfly.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';
const ARTIFACT = 'what clients sign';
const STATEMENT = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'artifact', digest: { sha256: hash('sha256', ARTIFACT) } }],
  predicateType: 'https://example.com/predicate',
  predicate: { made: 'here' },
};

/** What it prints of a file. It attests by the second API alone, as Rekor v2 took it once, and before version 2.2 it does not know an entry of today again; we verify that. */
const BUNDLE = 'verified bundle\nrefused another identity\n';

/** Where it signs, and as whom. */
interface Place {
  readonly scratch: string;
  readonly data: string;
  readonly url: string;
  readonly issuerUrl: string;
  readonly token: string;
}

describe('judge: sigstore-java', function () {
  this.timeout(900_000);
  let service: ServedInstance | undefined;
  let dev: DevMayfly | undefined;
  let made: string | undefined;

  afterEach(async () => {
    await service?.stop();
    await dev?.stop();
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    service = dev = made = undefined;
  });

  async function needJava(test: Mocha.Context): Promise<string> {
    const isThere = await run('java', ['-version']).then(
      () => true,
      () => false,
    );
    skipUnless(test, isThere, 'there is no java');
    return needClient(test, 'sigstore-java-2.0.0');
  }

  /** Signs by a signing config of each API with the exported files, and with `cert.pem` in `scratch` as the only certificate of TLS that Java trusts. Returns what it printed, and the kinds of the entries. */
  async function sign(
    jar: string,
    { scratch, data, url, issuerUrl, token }: Place,
    apis: readonly string[],
  ): Promise<readonly [printed: string, kinds: readonly string[]]> {
    const at = (name: string): string => join(scratch, name);
    for (const api of apis) {
      await writeFile(at(`${api}.yaml`), emailConfig(issuerUrl, `{artifact-log: {clients: [${api}]}}`));
      const words = ['--data', data, '--public-url', url, '--config', at(`${api}.yaml`), '--out', at(api)];
      const { code, stderr } = await runMayfly(['trust', 'export', ...words], { byLauncher: 'built' });
      expect(code, stderr).to.equal(0);
    }
    const store = ['-keystore', at('trust.p12'), '-storepass', 'changeit', '-storetype', 'PKCS12'];
    await run('keytool', ['-importcert', '-noprompt', '-file', at('cert.pem'), ...store]);
    await writeFile(at('token'), token);
    await writeFile(at('artifact'), ARTIFACT);
    await writeFile(at('statement.json'), JSON.stringify(STATEMENT));
    const configs = apis.map((api) => join(at(api), 'signing_config.v0.2.json'));
    const { stdout } = await run('java', [
      `-Djavax.net.ssl.trustStore=${at('trust.p12')}`,
      '-Djavax.net.ssl.trustStorePassword=changeit',
      ...['-cp', join(dirname(jar), '*'), join(projectRoot, 'test/judges/sigstore-java/Sign.java')],
      ...[join(at(apis[0] ?? ''), 'trusted_root.json'), at('token'), at('artifact'), at('statement.json')],
      ...[SIGNER, issuerUrl, ...configs],
    ]);
    const bundles = configs.flatMap((config) => [`${config}.bundle.json`, `${config}.statement.json`]);
    const words = ['--artifact', at('artifact'), '--identity', SIGNER, '--issuer', issuerUrl];
    const trust = ['--trusted-root', join(at(apis[0] ?? ''), 'trusted_root.json')];
    return [stdout, await Promise.all(bundles.map((bundle) => kindOf(bundle, [bundle, ...words, ...trust])))];
  }

  /** Of the entry of a bundle, which `mayfly verify bundle` accepts, too; `none` where it was not written. */
  async function kindOf(bundle: string, words: readonly string[]): Promise<string> {
    const text = await readFile(bundle, 'utf8').catch(() => undefined);
    if (text === undefined) return 'none';
    const { code, stdout } = await runMayfly(['verify', 'bundle', ...words], { byLauncher: 'built' });
    expect(code, stdout).to.equal(0);
    const { verificationMaterial } = JSON.parse(text) as {
      verificationMaterial: { tlogEntries: [{ kindVersion: { kind: string; version: string } }] };
    };
    const { kind, version } = verificationMaterial.tlogEntries[0].kindVersion;
    return `${kind} ${version}`;
  }

  it('signs and attests with a certificate that it got over gRPC from the HTTPS port and an entry of either log, and verifies', async function () {
    const jar = await needJava(this);
    service = await startServed({ tls: await selfSigned('localhost', '127.0.0.1') });
    const { scratch, data, issuer } = service;
    const url = service.url.replace('127.0.0.1', 'localhost');
    // With a token as text, it proves the subject, whatever the e-mail address is.
    const token = await issuer.sign({ email: SIGNER, email_verified: true, sub: SIGNER });
    const place = { scratch, data, url, issuerUrl: issuer.url, token };
    expect(await sign(jar, place, ['v1', 'v2'])).to.deep.equal([
      `${BUNDLE}statement: No rekor v2 client was configured.\n${BUNDLE}statement: Could not parse DSSE from log entry body\n`,
      ['hashedrekord 0.0.1', 'none', 'hashedrekord 0.0.2', 'hashedrekord 0.0.2'],
    ]);
    expect(service.stderr()).to.match(/"event":"issued"/);
  });

  it('signs and verifies with a certificate of `mayfly dev`, where that speaks TLS', async function () {
    const jar = await needJava(this);
    const scratch = (made = await mkdtemp(join(tmpdir(), 'mayfly-java-')));
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    const [certFile, keyFile] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')];
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const data = join(scratch, 'data');
    dev = await startDev({ byLauncher: 'built', data, args: ['--tls-cert', certFile, '--tls-key', keyFile] });
    const { url, issuerUrl } = dev;
    const place = { scratch, data, url, issuerUrl, token: await dev.token(SIGNER) };
    expect((await sign(jar, place, ['v1']))[1]).to.deep.equal(['hashedrekord 0.0.1', 'none']);
  });
});
