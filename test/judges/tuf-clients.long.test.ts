/** Stock clients begin with the root of the TUF repository and its address, and take everything else from there. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { sign, verify } from 'sigstore';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { startRegistry } from './support/image-registry.ts';
import { findClient, needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** Beyond the day for which a timestamp of the repository counts. */
const TWO_DAYS = 2 * 24 * 60;

for (const [state, minutesAgo] of [
  ['of a running service', undefined],
  ['whose timestamp has expired', TWO_DAYS],
] as const)
  describe(`judge: a TUF repository ${state}`, function () {
    this.timeout(600_000);
    let service: ExportedInstance;
    let mirror: string;
    let root: string;
    const hasExpired = minutesAgo !== undefined;
    const does = hasExpired ? 'is refused by' : 'is taken by';

    before(async () => {
      service = await startExported(minutesAgo === undefined ? {} : { minutesAgo });
      mirror = `${service.url}/tuf`;
      root = join(service.scratch, 'root.json');
      await writeFile(root, await (await fetch(`${mirror}/1.root.json`)).text());
    });

    after(() => (service as ExportedInstance | undefined)?.stop());

    /** Runs a program with a home of its own. */
    const client = async (
      name: string,
      program: string,
      words: readonly string[],
      env = {},
    ): Promise<string> => {
      const home = join(service.scratch, `home-${name}`);
      await mkdir(home, { recursive: true });
      const all = { PATH: process.env['PATH'], HOME: home, ...env };
      return run(program, words, { env: all, cwd: service.scratch }).then(
        ({ stdout, stderr }) => `${stdout}${stderr}`,
        (error: unknown) => {
          const { stdout, stderr } = error as { stdout: string; stderr: string };
          return `refused: ${stdout}${stderr}`;
        },
      );
    };
    const expectStarted = (outcome: string): void => {
      if (hasExpired) expect(outcome).to.match(/^refused: .*(expired|refresh TUF)/is);
      else expect(outcome).to.not.match(/^refused/);
    };

    it(`${does} sigstore-js`, async () => {
      const artifact = await readFile(service.artifact);
      const bundle = await sign(artifact, {
        fulcioURL: service.url,
        tsaServerURL: service.url,
        tlogUpload: false,
        identityToken: await service.token(SIGNER),
      });
      const byDefault = {
        tufMirrorURL: mirror,
        tufRootPath: root,
        tufCachePath: join(service.scratch, 'js-cache'),
        certificateIssuer: service.issuerUrl,
        certificateIdentityEmail: SIGNER,
      };
      const options = { ...byDefault, tlogThreshold: 0 };
      const outcome = await verify(bundle, artifact, options).then(
        () => 'verified',
        (error: unknown) => `refused: ${String(error)} ${String((error as Error).cause)}`,
      );
      expectStarted(outcome);
      if (hasExpired) return;
      const eve = { ...options, certificateIdentityEmail: 'eve@example.com' };
      expect(await verify(bundle, artifact, eve).catch(String)).to.contain('identity');
      const logged = await sign(artifact, {
        fulcioURL: service.url,
        rekorURL: service.url,
        identityToken: await service.token(SIGNER),
      });
      await verify(logged, artifact, byDefault);
      expect(await verify(bundle, artifact, byDefault).catch(String)).to.match(/tlog|log entr/i);
    });

    it(`${does} @sigstore/cli, which initializes, attests and verifies`, async function () {
      const cli = await needClient(this, 'sigstore-cli-0.10.3');
      const node = (words: readonly string[], env = {}): Promise<string> =>
        client('cli', process.execPath, [cli, ...words], env);
      const cache = ['--cache-path', join(service.scratch, 'cli-cache')];
      expectStarted(await node(['initialize', '--mirror', mirror, '--root', root, ...cache, '--force']));
      if (hasExpired) return;
      const bundle = join(service.scratch, 'attested.json');
      const services = ['--fulcio-url', service.url, '--tsa-server-url', service.url, '--no-tlog-upload'];
      const words = ['attest', service.artifact, ...services, '--payload-type', 'text/plain', '-o', bundle];
      const env = { CI: '1', SIGSTORE_ID_TOKEN: await service.token(SIGNER) };
      expect(await node(words, env)).to.not.match(/^refused/);
      const tuf = ['--tuf-mirror-url', mirror, '--tuf-root-path', root, '--tlog-threshold', '0'];
      const who = (email: string): string[] => [
        ...['--certificate-issuer', service.issuerUrl, '--certificate-identity-email', email],
      ];
      expect(await node(['verify', bundle, ...tuf, ...who(SIGNER)])).to.not.match(/^refused/);
      expect(await node(['verify', bundle, ...tuf, ...who('eve@example.com')])).to.match(/^refused/);
      const logged = join(service.scratch, 'logged.json');
      const log = ['--fulcio-url', service.url, '--rekor-url', service.url, '-o', logged];
      expect(await node(['attest', service.artifact, ...log], env)).to.not.match(/^refused/);
      const byDefault = ['--tuf-mirror-url', mirror, '--tuf-root-path', root, ...who(SIGNER)];
      expect(await node(['verify', logged, ...byDefault])).to.not.match(/^refused/);
      expect(await node(['verify', bundle, ...byDefault])).to.match(/^refused/);
    });

    if (!hasExpired)
      it("is taken by npm's own library, which signs, verifies, and publishes a package with its provenance", async function () {
        const npm = await npmFolder();
        skipUnless(this, npm !== undefined, 'there is no npm with a library of its own');
        const words = [join(projectRoot, 'test/judges/npm/publish.mjs'), npm];
        // That of a pipeline, of which its library makes the statement.
        const env = {
          GITLAB_CI: 'true',
          CI_PROJECT_URL: 'https://gitlab.example/acme/app',
          CI_RUNNER_ID: '7',
          SIGSTORE_ID_TOKEN: await service.token(SIGNER),
          SERVICE: service.url,
          TUF_ROOT: root,
          TUF_CACHE: join(service.scratch, 'npm-cache'),
          SIGNER,
          ISSUER: service.issuerUrl,
        };
        expect(await client('npm', process.execPath, words, env)).to.equal(
          'signed and verified\npublished with provenance of entry kind dsse\nrefused another identity\n',
        );
      });

    it(`${does} cosign, which initializes, signs and verifies without a file`, async function () {
      const program = await needClient(this, 'cosign-3.1.2');
      const cosign = (words: readonly string[], env = {}): Promise<string> =>
        client('cosign', program, words, env);
      expectStarted(await cosign(['initialize', '--mirror', mirror, '--root', root]));
      if (hasExpired) return;
      const bundle = ['--bundle', join(service.scratch, 'cosign.json')];
      const token = ['--identity-token', await service.tokenFile()];
      const signed = await cosign(['sign-blob', '-y', ...bundle, ...token, service.artifact]);
      expect(signed).to.not.match(/^refused|sigstore\.dev/);
      const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', service.issuerUrl];
      const time = ['--insecure-ignore-tlog', '--use-signed-timestamps'];
      for (const flags of [[], time])
        expect(await cosign(['verify-blob', ...bundle, ...flags, ...who, service.artifact])).to.contain(
          'Verified OK',
        );
      await signAnImage(cosign, who);
    });

    /** No word of these lines names a file, or a service. */
    async function signAnImage(
      cosign: (words: readonly string[], env?: object) => Promise<string>,
      who: readonly string[],
    ): Promise<void> {
      const crane = await findClient('crane-0.20.6');
      if ('lacking' in crane) {
        console.warn(`      NOT TESTED: images: ${crane.lacking}`);
        return;
      }
      const registry = await startRegistry(crane.program, service.scratch);
      try {
        const image = await registry.push('plain');
        const token = { SIGSTORE_ID_TOKEN: await service.token(SIGNER) };
        expect(await cosign(['sign', '-y', image], token)).to.not.match(/^refused|sigstore\.dev/);
        expect(await cosign(['verify', ...who, image])).to.match(
          /claims in the transparency log was verified/,
        );
      } finally {
        await registry.stop();
      }
    }

    it(`${does} sigstore-python, which signs and verifies without a file`, async function () {
      const python = await needClient(this, 'sigstore-python-4.5.1');
      const sigstore = (...words: readonly string[]): Promise<string> =>
        client('python', python, ['-m', 'sigstore', '--instance', mirror, ...words]);
      expectStarted(await sigstore('trust-instance', root));
      if (hasExpired) return;
      const bundle = ['--bundle', join(service.scratch, 'python.json')];
      const token = ['--identity-token', await service.token(SIGNER)];
      expect(await sigstore('sign', ...bundle, ...token, service.artifact)).to.not.match(/^refused/);
      const verify = (email: string): Promise<string> => {
        const who = ['--cert-identity', email, '--cert-oidc-issuer', service.issuerUrl];
        return sigstore('verify', 'identity', ...bundle, ...who, service.artifact);
      };
      expect(await verify(SIGNER)).to.match(/^OK: /);
      expect(await verify('eve@example.com')).to.match(/^refused: .*SANs do not match/s);
    });
  });

/** Where npm keeps the library that it publishes with; undefined where there is no npm, or one without it. */
async function npmFolder(): Promise<string | undefined> {
  const { stdout } = await run('sh', ['-c', 'command -v npm']).catch(() => ({ stdout: '' }));
  // Behind the link lies npm/bin/npm-cli.js.
  const program = await realpath(stdout.trim()).catch(() => '');
  const folder = join(dirname(program), '../node_modules');
  return existsSync(join(folder, 'libnpmpublish')) ? folder : undefined;
}
