/**
 * Images signed and verified with the flags that clients have by default, which is to say with an entry in a log: after `cosign initialize`, no line names a file of ours. Once for each API of Rekor that clients can be given, by a login and by
 * a key that the operator lists.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { emailConfig } from '../support/data-directory.ts';
import { skipUnless } from '../support/skipped.ts';
import { freePort } from '../../bench/free-port.ts';
import { startRegistry, type ImageRegistry } from './support/image-registry.ts';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';

/** How cosign 2.6 signs and verifies with each API: by flags with the first, and by bundles of the new format with the second, which its signing config names. */
const WORDS_2 = {
  v1: {
    sign: (url: string) => ['--rekor-url', url],
    ca: (url: string) => ['--fulcio-url', url],
    verify: [],
  },
  v2: {
    sign: () => ['--new-bundle-format', '--use-signing-config'],
    ca: () => [],
    verify: ['--new-bundle-format', '--use-signed-timestamps'],
  },
} as const;

for (const api of ['v1', 'v2'] as const)
  describe(`judge: images and clients that are given the log for Rekor ${api}`, function () {
    this.timeout(600_000);
    let folder: string;
    let service: ServedInstance | undefined;
    let registry: ImageRegistry | undefined;

    before(async function () {
      const crane = await needClient(this, 'crane-0.20.6');
      folder = await mkdtemp(join(tmpdir(), 'mayfly-images-'));
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      await writeFile(at('own.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
      await writeFile(at('own.pub.pem'), publicKey.export({ format: 'pem', type: 'spki' }));
      await writeFile(at('predicate.json'), '{"made":"here"}');
      const publicUrl = `http://127.0.0.1:${await freePort()}`;
      const log = `{clients: [${api}], keys: ['${at('own.pub.pem')}']}`;
      service = await startServed({
        publicUrl,
        configuration: (issuer) => emailConfig(issuer, `{public-url: '${publicUrl}', artifact-log: ${log}}`),
      });
      await writeFile(at('root.json'), await (await fetch(`${publicUrl}/tuf/1.root.json`)).text());
      registry = await startRegistry(crane, folder);
    });
    after(async () => {
      await registry?.stop();
      await service?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const at = (name: string): string => join(folder, name);
    const running = (): ServedInstance & { push(name: string): Promise<string> } => {
      const images = registry;
      if (service === undefined || images === undefined) throw new Error('the service does not run');
      return { ...service, push: (name) => images.push(name) };
    };

    /** A client that has initialized itself by the root and the address of the repository, with a home of its own. */
    async function initialized(program: string, name: string): Promise<Client> {
      const env = { PATH: process.env['PATH'], HOME: at(name), COSIGN_PASSWORD: '' };
      await mkdir(at(name));
      const client: Client = (words, more = {}) =>
        run(program, words, { env: { ...env, ...more } }).then(
          ({ stdout, stderr }) => `${stdout}${stderr}`,
          (error: unknown) => {
            const { stdout, stderr } = error as { stdout: string; stderr: string };
            return `refused: ${stdout}${stderr}`;
          },
        );
      const mirror = `${running().url}/tuf`;
      const outcome = await client(['initialize', '--mirror', mirror, '--root', at('root.json')]);
      expect(outcome).to.not.match(/^refused/);
      return client;
    }

    const token = async (): Promise<Record<string, string>> => ({
      SIGSTORE_ID_TOKEN: await running().issuer.sign({ email: SIGNER, email_verified: true, sub: SIGNER }),
    });
    const who = (identity = SIGNER): readonly string[] => [
      ...['--certificate-identity', identity, '--certificate-oidc-issuer', running().issuer.url],
    ];
    /** What the work printed, in which as many entries came into the log of this API, and none into the other. */
    async function logged(work: () => Promise<string>, entries = 1): Promise<string> {
      const before = await sizes();
      const outcome = await work();
      const [first, second] = await sizes();
      const grown = { v1: first - before[0], v2: second - before[1] };
      expect(grown, outcome).to.deep.equal({ v1: 0, v2: 0, [api]: entries });
      return outcome;
    }

    async function sizes(): Promise<readonly [number, number]> {
      const { url } = running();
      const first = (await (await fetch(`${url}/api/v1/log`)).json()) as { readonly treeSize: number };
      const [, size] = (await (await fetch(`${url}/api/v2/checkpoint`)).text()).split('\n');
      return [first.treeSize, Number(size)];
    }

    const LOGGED =
      /The claims were present in the transparency log|existence of the claims in the transparency log was verified/i;

    it('cosign 3.1.2 signs and attests images, and verifies them, by a login', async function () {
      const cosign = await initialized(await needClient(this, 'cosign-3.1.2'), 'home-3');
      const image = await running().push('by-login');
      const signed = await logged(async () => cosign(['sign', '-y', image], await token()));
      expect(signed).to.not.match(/^refused|sigstore\.dev/);
      expect(await cosign(['verify', ...who(), image])).to.match(LOGGED);
      expect(await cosign(['verify', ...who('eve@example.com'), image])).to.match(/^refused/);
      const predicate = ['--predicate', at('predicate.json'), '--type', 'custom'];
      const attest = ['attest', '-y', ...predicate, image];
      expect(await logged(async () => cosign(attest, await token()))).to.not.match(/^refused/);
      const verify = ['verify-attestation', '--type', 'custom'];
      expect(await cosign([...verify, ...who(), image])).to.match(LOGGED);
      expect(await cosign([...verify, ...who('eve@example.com'), image])).to.match(/^refused/);
    });

    it('cosign 3.1.2 signs and verifies images and a file by a key that the operator lists, and by no other', async function () {
      const cosign = await initialized(await needClient(this, 'cosign-3.1.2'), 'home-3-key');
      const image = await running().push('by-key');
      await cosign(['import-key-pair', '--key', at('own.pem'), '--output-key-prefix', at('own')]);
      await cosign(['generate-key-pair', '--output-key-prefix', at('other')]);
      const sign = (key: string): Promise<string> => cosign(['sign', '-y', '--key', at(`${key}.key`), image]);
      expect(await logged(() => sign('own'))).to.not.match(/^refused|sigstore\.dev/);
      expect(await sign('other')).to.match(/^refused: .*not among those that the operator lists/s);
      expect(await cosign(['verify', '--key', at('own.pub'), image])).to.match(LOGGED);
      expect(await cosign(['verify', '--key', at('other.pub'), image])).to.match(/^refused/);
      const bundle = ['--bundle', at('blob-by-key.json'), at('own.pub.pem')];
      const blob = ['sign-blob', '-y', '--key', at('own.key'), ...bundle];
      expect(await logged(() => cosign(blob))).to.not.match(/^refused|sigstore\.dev/);
      expect(await cosign(['verify-blob', '--key', at('own.pub'), ...bundle])).to.contain('Verified OK');
      expect(await cosign(['verify-blob', '--key', at('other.pub'), ...bundle])).to.match(/^refused/);
    });

    it('sigstore-python signs and verifies after trust-instance', async function () {
      skipUnless(this, process.env['CLIENTS'] === 'all', 'sigstore-python takes ten seconds: CLIENTS=all');
      const python = await needClient(this, 'sigstore-python-4.5.1');
      const env = { PATH: process.env['PATH'], HOME: folder };
      const sigstore = (...words: readonly string[]): Promise<string> =>
        run(python, ['-m', 'sigstore', '--instance', `${running().url}/tuf`, ...words], { env }).then(
          ({ stdout, stderr }) => `${stdout}${stderr}`,
          (error: unknown) => `refused: ${(error as { stderr: string }).stderr}`,
        );
      await sigstore('trust-instance', at('root.json'));
      await writeFile(at('artifact.txt'), 'what clients sign');
      const bundle = ['--bundle', at('python.json'), at('artifact.txt')];
      const { SIGSTORE_ID_TOKEN = '' } = await token();
      const sign = ['sign', '--identity-token', SIGSTORE_ID_TOKEN, ...bundle];
      expect(await logged(() => sigstore(...sign))).to.not.match(/^refused/);
      const verify = (identity: string): Promise<string> =>
        sigstore(
          ...['verify', 'identity', '--cert-identity', identity],
          ...['--cert-oidc-issuer', running().issuer.url, ...bundle],
        );
      expect(await verify(SIGNER)).to.match(/^OK: /);
      expect(await verify('eve@example.com')).to.match(/^refused: .*SANs do not match/s);
    });

    it('cosign 2.6.3 signs, attests and verifies images, by a login, and images and a file by a key', async function () {
      const cosign = await initialized(await needClient(this, 'cosign-2.6.3'), 'home-2');
      const { url } = running();
      const { sign, ca, verify } = WORDS_2[api];
      const image = await running().push('by-version-2');
      const signed = ['sign', '-y', ...sign(url), ...ca(url), image];
      expect(await logged(async () => cosign(signed, await token()))).to.not.match(/^refused|sigstore\.dev/);
      expect(await cosign(['verify', ...verify, ...who(), image])).to.match(LOGGED);
      expect(await cosign(['verify', ...verify, ...who('eve@example.com'), image])).to.match(/^refused/);
      const keyed = await running().push('by-key-of-version-2');
      await cosign(['import-key-pair', '--key', at('own.pem'), '--output-key-prefix', at('two')]);
      const byKey = ['sign', '-y', '--key', at('two.key'), ...sign(url), keyed];
      expect(await logged(() => cosign(byKey))).to.not.match(/^refused|sigstore\.dev/);
      expect(await cosign(['verify', ...verify, '--key', at('two.pub'), keyed])).to.match(LOGGED);
      const predicate = ['--predicate', at('predicate.json'), '--type', 'custom'];
      const attest = ['attest', '-y', ...sign(url), ...ca(url), ...predicate, image];
      expect(await logged(async () => cosign(attest, await token()))).to.not.match(/^refused/);
      const statement = ['verify-attestation', '--type', 'custom', ...verify];
      expect(await cosign([...statement, ...who(), image])).to.match(LOGGED);
      expect(await cosign([...statement, ...who('eve@example.com'), image])).to.match(/^refused/);
      const bundle = ['--bundle', at('blob-by-key-of-version-2.json'), at('own.pub.pem')];
      const blob = ['sign-blob', '-y', '--key', at('two.key'), ...sign(url), ...bundle];
      expect(await logged(() => cosign(blob))).to.not.match(/^refused|sigstore\.dev/);
      const verifyBlob = ['verify-blob', ...verify, '--key', at('two.pub'), ...bundle];
      expect(await cosign(verifyBlob)).to.contain('Verified OK');
    });
  });

type Client = (words: readonly string[], env?: Readonly<Record<string, string>>) => Promise<string>;
