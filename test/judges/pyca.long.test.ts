/** pyca's `cryptography` alone verifies certificate and chain: none of Sigstore's code, and the strictest reader of X.509 among those that clients stand on. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import { projectRoot } from '../support/project-root.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const script = join(projectRoot, 'test/judges/sigstore-python/pyca.py');

describe('judge: pyca cryptography', function () {
  this.timeout(300_000);
  let service: ExportedInstance;
  let python: string;

  before(async function () {
    python = await needClient(this, 'sigstore-python-4.5.1');
    service = await startExported();
    const token = ['--token-file', await service.tokenFile()];
    const words = ['certificate', '--url', service.url, ...token, '--out', service.scratch];
    const { code, stderr } = await runMayfly(words, { byLauncher: 'built' });
    expect(code, stderr).to.equal(0);
  });
  after(() => (service as ExportedInstance | undefined)?.stop());

  const verify = async (minutes: number, root = service.exported('root.pem')): Promise<string> => {
    const [chain, leaf] = [join(service.scratch, 'chain.pem'), join(service.scratch, 'cert.pem')];
    const seconds = String(Math.floor(Date.now() / 1000) + 60 * minutes);
    return run(python, [script, root, chain, leaf, seconds]).then(
      ({ stdout }) => stdout,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `${stdout}${stderr}`;
      },
    );
  };

  it('verifies the chain to the root, for code signing', async () => {
    expect(await verify(0)).to.equal(`verified ['${SIGNER}']\n`);
  });

  it("refuses it after the certificate's end, before its begin, and with another root", async () => {
    expect(await verify(20)).to.match(/^refused: .*not valid at validation time/);
    expect(await verify(-20)).to.match(/^refused: .*not valid at validation time/);
    const other = join(service.scratch, 'other.pem');
    await writeFile(other, (await selfSigned('localhost')).cert);
    expect(await verify(0, other)).to.match(/^refused: .*candidates exhausted/);
  });
});
