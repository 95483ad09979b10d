/** sigstore-python gets certificates and timestamps, and verifies what it and others signed, from the exported files alone. Its commands
 * demand a Rekor, so `sigstore-python/judge.py` calls the steps around it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const script = join(projectRoot, 'test/judges/sigstore-python/judge.py');

describe('judge: sigstore-python', function () {
  this.timeout(300_000);
  let service: ExportedInstance;
  let python: string;

  before(async function () {
    python = await needClient(this, 'sigstore-python-4.5.1');
    service = await startExported();
  });

  after(() => (service as ExportedInstance | undefined)?.stop());

  const judge = async (...words: string[]): Promise<string> => {
    const failed = (error: unknown) => error as { stdout: string; stderr: string };
    const { stdout, stderr } = await run(python, [script, ...words]).catch(failed);
    return `${stdout}${stderr}`.trim();
  };

  it('gets a certificate whose SCT it verifies, and a timestamp, and verifies both', async () => {
    const bundle = join(service.scratch, 'python.json');
    const config = service.exported('client_trust_config.json');
    expect(await judge('sign', config, await service.tokenFile(), service.artifact, bundle)).to.equal(
      'signed',
    );
    const root = service.exported('trusted_root.json');
    const question = ['verify', root, bundle, service.artifact, SIGNER, service.issuerUrl];
    expect(await judge(...question)).to.equal('verified');
  });
});
