/** A new issuing CA, a new log, a new key for timestamps: what was signed before, while each was published, and after it was put in force verifies with
 * one trusted root in every stock verifier, also with the one that was handed out before the change was put in force. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { dataPaths } from '../../instance/data-paths.ts';
import { parseTrustedRoot } from '../../trust/format/trusted-root.ts';
import { runMayfly } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { stockVerifiers, type Question, type StockVerifier } from './support/verifiers.ts';

describe('judge: stock verifiers after each renewal', function () {
  this.timeout(600_000);
  let verifiers: readonly StockVerifier[];
  let scratch: string;
  let service: ExportedInstance;
  /** All that was signed so far, in its order. */
  const signed: Omit<Question, 'trustedRoot'>[] = [];

  before(async () => {
    verifiers = await stockVerifiers();
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-renewals-'));
    service = await startExported({ data: join(scratch, 'data') });
    await signOne();
  });

  after(async () => {
    await (service as ExportedInstance | undefined)?.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  async function signOne(): Promise<void> {
    const artifact = join(scratch, `artifact-${signed.length}`);
    await writeFile(artifact, `artifact ${signed.length}`);
    const bundle = await sign(await readFile(artifact), {
      fulcioURL: service.url,
      tsaServerURL: service.url,
      tlogUpload: false,
      identityToken: await service.token(SIGNER),
    });
    const file = join(scratch, `bundle-${signed.length}.json`);
    await writeFile(file, JSON.stringify(bundle));
    signed.push({ bundle: file, artifact, identity: SIGNER, issuer: service.issuerUrl });
  }

  async function mayfly(...words: string[]): Promise<void> {
    const { code, stderr } = await runMayfly(words, { byLauncher: 'built' });
    expect(code, `${words.join(' ')}: ${stderr}`).to.equal(0);
  }

  async function restart(): Promise<void> {
    await service.stop();
    service = await startExported({ data: join(scratch, 'data') });
  }

  const trustedRoot = async (name: string): Promise<string> => {
    await service.export();
    await copyFile(service.exported('trusted_root.json'), join(scratch, name));
    return join(scratch, name);
  };

  async function expectAllVerified(root: string): Promise<void> {
    await Promise.all(
      verifiers.map(async (verifier) => {
        for (const [index, question] of signed.entries()) {
          const outcome = await verifier.ask({ ...question, trustedRoot: root });
          expect(outcome, `${verifier.name}, ${index}`).to.equal('verified');
        }
      }),
    );
  }

  /** Stages a successor, publishes it, puts it in force: what was published verifies everything by then. */
  async function renew(stage: () => Promise<void>, putInForce: string[]): Promise<void> {
    await stage();
    const published = await trustedRoot('published.json');
    await signOne();
    await mayfly(...putInForce, '--data', join(scratch, 'data'), '--switch');
    await restart();
    await signOne();
    await expectAllVerified(published);
  }

  const root = async (): Promise<ReturnType<typeof parseTrustedRoot>> =>
    parseTrustedRoot(await readFile(service.exported('trusted_root.json'), 'utf8'));

  it('of the issuing CA', async () => {
    const { data } = service;
    const [request, chain] = [join(scratch, 'request.pem'), join(scratch, 'chain.pem')];
    await renew(async () => {
      await mayfly('ca', 'renew', '--data', data, '--csr', request);
      const key = ['--root', service.exported('root.pem'), '--root-key', dataPaths(data).rootKey];
      await mayfly('ca', 'sign', request, ...key, '--out', chain);
      await mayfly('ca', 'renew', '--data', data, '--stage', chain);
    }, ['ca', 'renew']);
    expect((await root()).certificateAuthorities).to.have.length(2);
  });

  it('of the log', async () => {
    await renew(() => mayfly('log', 'rotate', '--data', service.data, '--stage'), ['log', 'rotate']);
    expect((await root()).certificateLogs).to.have.length(2);
  });

  it('of the key for timestamps', async () => {
    const { data } = service;
    await renew(async () => {
      const key = ['--root', service.exported('root.pem'), '--root-key', dataPaths(data).rootKey];
      await mayfly('tsa', 'renew', '--data', data, '--stage', ...key);
    }, ['tsa', 'renew']);
    expect((await root()).timestampAuthorities).to.have.length(2);
    expect(signed).to.have.length(7);
    await expectAllVerified(await trustedRoot('after.json'));
  });
});
