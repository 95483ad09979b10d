/** The tester of Sigstore's policy-controller with what `mayfly trust export --for policy-controller` prints: it lets in the image that the named
 * identity signed, whose certificate is over, and neither an unsigned one nor one of somebody else. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { startRegistry, type ImageRegistry } from './support/image-registry.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

describe('judge: the tester of policy-controller', function () {
  this.timeout(1_800_000);
  let service: ExportedInstance | undefined;
  let registry: ImageRegistry | undefined;

  after(async () => {
    await registry?.stop();
    await service?.stop();
  });

  it('lets in what the identity signed, and nothing else', async function () {
    const tester = await needClient(this, 'policy-tester-0.13.1');
    const cosign = await needClient(this, 'cosign-2.6.3');
    const crane = await needClient(this, 'crane-0.20.6');
    service = await startExported({ minutesAgo: 20 });
    const { scratch, url, issuerUrl, data } = service;
    registry = await startRegistry(crane, scratch);
    const [trustRoot, policy] = [join(scratch, 'trust-root.yaml'), join(scratch, 'policy.yaml')];
    const who = ['--identity', SIGNER, '--issuer', issuerUrl];
    const words = [
      'trust',
      'export',
      '--data',
      data,
      '--public-url',
      url,
      '--for',
      'policy-controller',
      ...who,
    ];
    const { stdout } = await runMayfly(words, { byLauncher: 'built' });
    const [first = '', second = ''] = stdout.split(/^---$/m);
    await writeFile(trustRoot, first);
    await writeFile(policy, second);

    const env = {
      PATH: process.env['PATH'],
      HOME: scratch,
      SIGSTORE_ROOT_FILE: service.exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: service.exported('log.pub.pem'),
    };
    const [signed, unsigned, foreign] = [
      await registry.push('signed'),
      await registry.push('unsigned'),
      await registry.push('foreign'),
    ];
    for (const [image, email] of [
      [signed, SIGNER],
      [foreign, 'eve@example.com'],
    ] as const) {
      const services = ['--fulcio-url', url, '--timestamp-server-url', `${url}/api/v1/timestamp`];
      const token = ['--tlog-upload=false', '--identity-token', await service.tokenFile(email)];
      await run(cosign, ['sign', '-y', ...services, ...token, '--allow-http-registry', image], { env });
    }
    const judged = (image: string): Promise<string> =>
      run(tester, ['--policy', policy, '--trustroot', trustRoot, '--image', image], {
        env: { PATH: process.env['PATH'], HOME: scratch },
      }).then(
        () => 'let in',
        (error: unknown) => (error as { stderr: string }).stderr,
      );
    expect(await judged(signed)).to.equal('let in');
    expect(await judged(unsigned)).to.match(/no signatures found|no matching signatures/);
    expect(await judged(foreign)).to.match(/none of the expected identities matched|no matching signatures/);
  });
});
