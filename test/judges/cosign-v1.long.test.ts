/** cosign 2 and 3.0 sign by Fulcio's first endpoint, with classic outputs, and verify the SCT when they sign: from the exported files alone. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient, type StockClientName } from './support/stock-clients.ts';

const run = promisify(execFile);

/** Program → what it wants to hear to do as cosign 2 did. */
const FLAGS: Readonly<Partial<Record<StockClientName, readonly string[]>>> = {
  'cosign-2.6.3': [],
  'cosign-3.0.6': ['--use-signing-config=false', '--new-bundle-format=false'],
};

describe('judge: cosign by the first endpoint', function () {
  this.timeout(1_200_000);
  let service: ExportedInstance;

  before(async () => {
    service = await startExported();
  });
  after(() => (service as ExportedInstance | undefined)?.stop());

  for (const [name, flags] of Object.entries(FLAGS))
    it(`${name} signs and verifies, and not with the log of others`, async function () {
      const cosign = await needClient(this, name as StockClientName);
      const trust = {
        SIGSTORE_ROOT_FILE: service.exported('chain.pem'),
        SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: service.exported('log.pub.pem'),
      };
      const env = { PATH: process.env['PATH'], HOME: service.scratch, ...trust };
      const certificate = join(service.scratch, `${name}.pem`);
      const signature = join(service.scratch, `${name}.sig`);
      const out = ['--output-certificate', certificate, '--output-signature', signature];
      const ca = [
        '--fulcio-url',
        service.url,
        '--tlog-upload=false',
        '--identity-token',
        await service.tokenFile(),
      ];
      const sign = ['sign-blob', '-y', ...flags, ...ca, ...out, service.artifact];
      await run(cosign, sign, { env });
      const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', service.issuerUrl];
      const files = ['--certificate', certificate, '--signature', signature, '--insecure-ignore-tlog'];
      const bundleFormat = flags.filter((flag) => flag.startsWith('--new-bundle-format'));
      const verify = ['verify-blob', ...bundleFormat, ...files, ...who, service.artifact];
      expect((await run(cosign, verify, { env })).stderr).to.contain('Verified OK');
      const other = { ...env, SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: join(service.scratch, 'other.pem') };
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      await writeFile(
        other.SIGSTORE_CT_LOG_PUBLIC_KEY_FILE,
        publicKey.export({ format: 'pem', type: 'spki' }),
      );
      const refused = await run(cosign, sign, { env: other }).then(
        () => 'signed',
        (error: unknown) => (error as { stderr: string }).stderr,
      );
      expect(refused).to.match(/SCT|ctlog|ctfe/i);
    });
});
