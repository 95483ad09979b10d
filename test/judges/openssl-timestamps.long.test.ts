/** OpenSSL asks a running service for timestamps, and verifies them; and what it must refuse, it refuses. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodePem, encodePem } from '../../core/pem.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import {
  openedTimestamps,
  testTimestampAuthority,
  timestampChain,
  type TestTimestampChain,
} from '../tsa/support/test-authority.ts';

describe('judged by openssl ts', () => {
  let directory: string;
  const file = (name: string): string => join(directory, name);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-ts-'));
    await writeFile(file('data'), 'a release');
    await writeFile(file('other'), 'another release');
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const query = (...args: readonly string[]): void => {
    execFileSync('openssl', ['ts', '-query', '-data', file('data'), '-out', file('query'), ...args], {
      stdio: 'pipe',
    });
  };
  const verify = (...args: readonly string[]): { status: number | null; text: string } => {
    const trust = ['-CAfile', file('root.pem'), '-untrusted', file('signer.pem')];
    const { status, stderr, stdout } = spawnSync(
      'openssl',
      ['ts', '-verify', '-in', file('reply'), ...trust, ...args],
      { encoding: 'utf8' },
    );
    return { status, text: `${stdout}${stderr}` };
  };

  for (const keyType of ['p256', 'p384', 'rsa3072'] as const)
    describe(`with a key of ${keyType}`, () => {
      let service: TestService;
      let made: TestTimestampChain;

      before(async () => {
        made = await timestampChain(keyType);
        const authority = await testTimestampAuthority(Date.now, made);
        service = await startTestService(() => ({ timestamps: openedTimestamps(authority) }));
        const chain = await fetch(`${service.url}/api/v1/timestamp/certchain`);
        const [signer, root] = decodePem(await chain.text());
        await writeFile(file('signer.pem'), encodePem('CERTIFICATE', signer?.bytes ?? new Uint8Array()));
        await writeFile(file('root.pem'), encodePem('CERTIFICATE', root?.bytes ?? new Uint8Array()));
      });
      after(() => service.close());

      const ask = async (): Promise<number> => {
        const response = await fetch(`${service.url}/api/v1/timestamp`, {
          method: 'POST',
          headers: { 'content-type': 'application/timestamp-query' },
          body: await readFile(file('query')),
        });
        await writeFile(file('reply'), Buffer.from(await response.arrayBuffer()));
        return response.status;
      };

      for (const hash of ['sha256', 'sha384', 'sha512'])
        for (const more of [['-cert'], [], ['-cert', '-no_nonce'], ['-tspolicy', '1.3.6.1.4.1.57264.2']])
          it(`passes for ${hash} ${more.join(' ')}`, async () => {
            query(`-${hash}`, ...more);
            expect(await ask()).to.equal(201);
            for (const against of [
              ['-queryfile', file('query')],
              ['-data', file('data')],
            ])
              expect(verify(...against)).to.deep.include({ status: 0 });
          });

      it('refuses the token for other data, another nonce, another root and another signer', async () => {
        query('-sha256', '-cert');
        await ask();
        expect(verify('-data', file('other')).text).to.match(/message imprint mismatch/i);
        query('-sha256', '-cert');
        expect(verify('-queryfile', file('query')).text).to.match(/nonce mismatch/i);
        const other = await timestampChain();
        await writeFile(file('other.pem'), encodePem('CERTIFICATE', other.chain[1]));
        const trust = ['-CAfile', file('other.pem'), '-untrusted', file('signer.pem')];
        const judged = spawnSync('openssl', [
          'ts',
          '-verify',
          '-in',
          file('reply'),
          '-data',
          file('data'),
          ...trust,
        ]);
        expect(judged.status).to.not.equal(0);
      });

      it('reads why a request is refused', async () => {
        query('-sha1');
        expect(await ask()).to.equal(400);
        const text = execFileSync('openssl', ['ts', '-reply', '-in', file('reply'), '-text'], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        expect(text).to.match(/Status: Rejected\.[^]*SHA-256[^]*unrecognized or unsupported algorithm/);
        query('-sha256', '-tspolicy', '1.2.3.4');
        expect(await ask()).to.equal(400);
        expect(verify('-queryfile', file('query')).text).to.match(/unacceptedPolicy/);
      });
    });
});
