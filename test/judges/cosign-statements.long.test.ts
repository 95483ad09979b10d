/** cosign attests with the exported files alone, our verifier and its own accept it; and it verifies what `mayfly attest` makes. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

describe('judge: statements by cosign', function () {
  this.timeout(600_000);
  let service: ExportedInstance;
  let cosign: string;

  before(async function () {
    cosign = await needClient(this, 'cosign-3.1.2');
    service = await startExported();
    await writeFile(join(service.scratch, 'predicate.json'), '{"made":"here"}');
  });
  after(() => (service as ExportedInstance | undefined)?.stop());

  const at = (name: string): string => join(service.scratch, name);
  const trust = (): string[] => ['--trusted-root', service.exported('trusted_root.json')];

  const byCosign = (...words: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(cosign, words, { env: { PATH: process.env['PATH'], HOME: service.scratch } });

  async function expectVerified(bundle: string): Promise<void> {
    const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', service.issuerUrl];
    const flags = ['--insecure-ignore-tlog', '--use-signed-timestamps', '--type', 'custom', ...who];
    const verified = await byCosign(
      'verify-blob-attestation',
      '--bundle',
      bundle,
      ...trust(),
      ...flags,
      service.artifact,
    );
    expect(verified.stderr).to.contain('Verified OK');
    const type = ['--predicate-type', 'https://cosign.sigstore.dev/attestation/v1'];
    const ours = ['--identity', SIGNER, '--issuer', service.issuerUrl, '--artifact', service.artifact];
    const result = await runMayfly(['verify', 'bundle', bundle, ...trust(), ...ours, ...type], {
      byLauncher: 'built',
    });
    expect(result.code, result.stdout + result.stderr).to.equal(0);
  }

  it('cosign attests', async () => {
    const config = ['--signing-config', service.exported('signing_config.v0.2.json'), ...trust()];
    const token = ['--identity-token', await service.tokenFile(), '--bundle', at('cosign.json')];
    const predicate = ['--predicate', at('predicate.json'), '--type', 'custom'];
    await byCosign('attest-blob', '-y', ...config, ...token, ...predicate, service.artifact);
    await expectVerified(at('cosign.json'));
  });

  it('mayfly attests', async () => {
    const words = ['attest', service.artifact, '--predicate', at('predicate.json'), '--type', 'custom'];
    const config = ['--trust-config', service.exported('client_trust_config.json')];
    const env = { SIGSTORE_ID_TOKEN: await service.token(SIGNER) };
    const result = await runMayfly([...words, ...config, '--bundle', at('ours.json')], {
      byLauncher: 'built',
      env,
    });
    expect(result.code, result.stderr).to.equal(0);
    await expectVerified(at('ours.json'));
  });
});
