/** rekor-monitor reads both logs of artifacts: it holds each checkpoint to the one before, and finds the entries of an identity. It takes the URL of a log for its name, so that the service is called `ca.example.org`, without a port. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FulcioSigner, MessageSignatureBundleBuilder, RekorWitness } from '@sigstore/sign';
import { expect } from 'chai';
import { emailConfig } from '../support/data-directory.ts';
import { skipUnless } from '../support/skipped.ts';
import { startPublicName, type PublicName } from './support/public-name.ts';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';
const PUBLIC_URL = 'http://ca.example.org';

for (const [api, majorApiVersion, proof, where] of [
  ['v1', 1, '/api/v1/log/proof', 'middle'],
  ['v2', 2, '/tile/0/', 'end'],
] as const)
  describe(`judge: rekor-monitor reads the log for Rekor ${api}`, function () {
    this.timeout(300_000);
    let service: ServedInstance | undefined;
    let name: PublicName | undefined;
    let program: string;

    before(async function () {
      skipUnless(this, process.env['CLIENTS'] === 'all', 'rekor-monitor takes twenty seconds: CLIENTS=all');
      program = await needClient(this, 'rekor-monitor-564014c');
      const mayfly = `{public-url: '${PUBLIC_URL}', artifact-log: {clients: [${api}]}}`;
      const started = await startServed({
        publicUrl: PUBLIC_URL,
        configuration: (issuer) => emailConfig(issuer, mayfly),
      });
      service = started;
      name = await startPublicName(started.url);
      const config = { monitoredValues: { certIdentities: [{ certSubject: SIGNER }] } };
      await writeFile(at('monitor.yaml'), JSON.stringify({ ...config, outputIdentities: at('found.txt') }));
      await writeFile(at('root.json'), await (await fetch(`${started.url}/tuf/1.root.json`)).text());
    });
    after(async () => {
      await name?.stop();
      await service?.stop();
    });

    const running = (): ServedInstance => {
      if (service === undefined) throw new Error('the service does not run');
      return service;
    };
    const at = (file: string): string => join(running().scratch, file);

    /** Signs with an entry in the log. */
    async function sign(email: string): Promise<void> {
      const token = await running().issuer.sign({ email, email_verified: true, sub: email });
      const identityProvider = { getToken: () => Promise.resolve(token) };
      const signer = new FulcioSigner({ fulcioBaseURL: running().url, identityProvider });
      const log = new RekorWitness({ rekorBaseURL: running().url, majorApiVersion });
      await new MessageSignatureBundleBuilder({ signer, witnesses: [log] }).create({
        data: Buffer.from(email),
      });
    }

    /** One run, which goes on where the one before ended. */
    async function monitor(): Promise<string> {
      const words = ['--url', PUBLIC_URL, '--tuf-repository', `${PUBLIC_URL}/tuf`];
      const files = [
        '--tuf-root-path',
        at('root.json'),
        '--file',
        at('checkpoints'),
        '--config-file',
        at('monitor.yaml'),
      ];
      const env = { PATH: process.env['PATH'], HOME: running().scratch, ...name?.env };
      const { stdout, stderr } = await run(program, [...words, ...files], { env, cwd: running().scratch });
      return `${stdout}${stderr}`;
    }

    it('from one checkpoint to the next, and finds who signed between them', async () => {
      await sign('eve@example.com');
      expect(await monitor()).to.not.match(/error|failed/i);
      const before = await readFile(at('checkpoints'), 'utf8');
      await sign(SIGNER);
      await sign('eve@example.com');
      const outcome = await monitor();
      expect(outcome).to.not.match(/error|failed/i);
      const found = await readFile(at('found.txt'), 'utf8');
      expect(found).to.contain(SIGNER).and.to.not.contain('eve@example.com');
      expect(await readFile(at('checkpoints'), 'utf8')).to.not.equal(before);
    });

    it('and says where what it is shown does not lead from the one to the other', async () => {
      await sign('eve@example.com');
      name?.spoil(proof, where);
      expect(await monitor()).to.match(/error running consistency check/);
    });
  });
