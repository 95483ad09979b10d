/** Each signing client signs with the exported files alone, and each verifier, ours among both, accepts what it made. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { projectRoot } from '../support/project-root.ts';
import { runMayfly } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient, type StockClientName } from './support/stock-clients.ts';
import { stockVerifiers, type StockVerifier, type VerifierName } from './support/verifiers.ts';

const run = promisify(execFile);

/** Which signers there are. */
const SIGNERS = ['mayfly', 'sigstore-js', 'sigstore-python', 'sigstore-go', 'cosign'] as const;
const VERIFIERS: readonly VerifierName[] = SIGNERS;

describe('judge: cross-verification', function () {
  this.timeout(600_000);
  let service: ExportedInstance;
  let verifiers: readonly StockVerifier[];
  const signed = new Set<string>();

  before(async () => {
    verifiers = await stockVerifiers();
    service = await startExported();
  });

  after(() => (service as ExportedInstance | undefined)?.stop());

  const bundleOf = (signer: string): string => join(service.scratch, `${signer}.json`);
  const env = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: service.scratch });

  /** Runs a stock program that is needed for it. */
  async function byProgram(
    test: Mocha.Context,
    name: StockClientName,
    words: (token: string) => readonly string[],
  ): Promise<void> {
    await run(await needClient(test, name), words(await service.tokenFile()), { env: env() });
  }

  const SIGN: Readonly<Record<(typeof SIGNERS)[number], (test: Mocha.Context) => Promise<void>>> = {
    mayfly: async () => {
      const config = ['--trust-config', service.exported('client_trust_config.json')];
      const words = ['sign', service.artifact, ...config, '--bundle', bundleOf('mayfly')];
      const token = { SIGSTORE_ID_TOKEN: await service.token(SIGNER) };
      const { code, stderr } = await runMayfly(words, { byLauncher: 'built', env: token });
      expect(code, stderr).to.equal(0);
    },
    'sigstore-js': async () => {
      const services = { fulcioURL: service.url, tsaServerURL: service.url, tlogUpload: false };
      const identityToken = await service.token(SIGNER);
      const bundle = await sign(await readFile(service.artifact), { ...services, identityToken });
      await writeFile(bundleOf('sigstore-js'), JSON.stringify(bundle));
    },
    'sigstore-python': (test) =>
      byProgram(test, 'sigstore-python-4.5.1', (token) => [
        ...[join(projectRoot, 'test/judges/sigstore-python/judge.py'), 'sign'],
        ...[service.exported('client_trust_config.json'), token, service.artifact],
        bundleOf('sigstore-python'),
      ]),
    'sigstore-go': (test) =>
      byProgram(test, 'sigstore-go-1.2.2', (token) => [
        ...['sign', service.exported('trusted_root.json'), service.exported('signing_config.v0.2.json')],
        ...[token, service.artifact, bundleOf('sigstore-go')],
      ]),
    cosign: (test) =>
      byProgram(test, 'cosign-3.1.2', (token) => [
        ...['sign-blob', '-y', '--signing-config', service.exported('signing_config.v0.2.json')],
        ...['--trusted-root', service.exported('trusted_root.json'), '--identity-token', token],
        ...['--bundle', bundleOf('cosign'), service.artifact],
      ]),
  };

  for (const signer of SIGNERS) {
    it(`${signer} signs`, async function () {
      await SIGN[signer](this);
      signed.add(signer);
    });

    for (const name of VERIFIERS)
      it(`${signer}, verified by ${name}`, async function () {
        const verifier = verifiers.find((one) => one.name === name);
        skipUnless(this, verifier !== undefined, `${name} is not here`);
        skipUnless(this, signed.has(signer), `${signer} has not signed`);
        const question = { trustedRoot: service.exported('trusted_root.json'), bundle: bundleOf(signer) };
        const { artifact, issuerUrl: issuer } = service;
        const outcome = await verifier.ask({ ...question, artifact, identity: SIGNER, issuer });
        expect(outcome).to.equal('verified');
      });
  }
});
