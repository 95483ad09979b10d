/** `mayfly sign` and `mayfly attest` with a stock Rekor of the second version beside Mayfly: what they write verifies with the default flags of others, who demand an entry. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { findClient, needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

describe('judge: mayfly sign with a stock Rekor', function () {
  this.timeout(600_000);
  let service: ExportedInstance | undefined;
  let rekor: ChildProcess | undefined;

  after(async () => {
    rekor?.kill();
    await service?.stop();
  });

  it('is verified by cosign and sigstore-python with their default flags', async function () {
    const program = await needClient(this, 'rekor-tiles-2.3.0');
    service = await startExported();
    const { scratch, data, url, artifact, issuerUrl } = service;
    const at = (name: string): string => join(scratch, name);
    const keys = generateKeyPairSync('ed25519');
    await writeFile(at('rekor.key'), keys.privateKey.export({ format: 'pem', type: 'pkcs8' }));
    await writeFile(at('rekor.pub'), keys.publicKey.export({ format: 'pem', type: 'spki' }));
    await mkdir(at('tiles'));
    const [http, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
    rekor = spawn(
      program,
      [
        ...['serve', '--http-port', String(http), '--grpc-port', String(grpc)],
        ...['--http-metrics-port', String(metrics), '--hostname', 'localhost'],
        ...[
          '--signer-filepath',
          at('rekor.key'),
          '--storage-dir',
          at('tiles'),
          '--checkpoint-interval',
          '1s',
        ],
      ],
      { stdio: 'ignore' },
    );
    await reachable(http, rekor);
    const log = ['--rekor', `http://localhost:${http}`, '--rekor-key', at('rekor.pub')];
    const words = ['trust', 'export', '--data', data, '--public-url', url, '--out', at('logged'), ...log];
    expect((await runMayfly(words, { byLauncher: 'built' })).code).to.equal(0);
    await writeFile(at('predicate.json'), '{"made":"here"}');
    // The first entry has the index 0, which not every client reads when it is left out.
    await made('sign', 'first.json');
    await made('sign', 'second.json');
    await made('attest', 'statement.json', '--predicate', at('predicate.json'), '--type', 'custom');
    const cosign = await findClient('cosign-3.1.2');
    const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', issuerUrl];
    const trust = ['--trusted-root', at('logged/trusted_root.json')];
    const env = { PATH: process.env['PATH'], HOME: scratch };
    if ('program' in cosign) {
      for (const bundle of ['first.json', 'second.json'])
        await run(cosign.program, ['verify-blob', '--bundle', at(bundle), ...trust, ...who, artifact], {
          env,
        });
      const statement = ['--bundle', at('statement.json'), '--type', 'custom'];
      await run(cosign.program, ['verify-blob-attestation', ...statement, ...trust, ...who, artifact], {
        env,
      });
    } else console.warn(`      NOT TESTED: ${cosign.lacking}`);
    const python = await findClient('sigstore-python-4.5.1');
    if ('program' in python)
      for (const bundle of ['first.json', 'second.json', 'statement.json']) {
        const config = ['--trust-config', at('logged/client_trust_config.json')];
        const identity = ['--cert-identity', SIGNER, '--cert-oidc-issuer', issuerUrl];
        const verify = ['verify', 'identity', '--bundle', at(bundle), ...identity, artifact];
        await run(python.program, ['-m', 'sigstore', ...config, ...verify], { env });
      }
    else console.warn(`      NOT TESTED: ${python.lacking}`);

    async function made(command: string, bundle: string, ...more: string[]): Promise<void> {
      const token = { SIGSTORE_ID_TOKEN: (await service?.token(SIGNER)) ?? '' };
      const config = ['--trust-config', at('logged/client_trust_config.json'), '--bundle', at(bundle)];
      const result = await runMayfly([command, artifact, ...config, ...more], {
        byLauncher: 'built',
        env: token,
      });
      expect(result.code, result.stderr).to.equal(0);
    }
  });

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  /** Resolves when something answers at the port; rejects when the process ends before. */
  async function reachable(port: number, child: ChildProcess): Promise<void> {
    while (child.exitCode === null) {
      const answer = await fetch(`http://localhost:${port}/healthz`).catch(() => undefined);
      if (answer !== undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`it ended with ${child.exitCode}`);
  }
});
