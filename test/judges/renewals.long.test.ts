/** A new issuing CA, a new log, a new key for timestamps, another root after a theft: what was signed before, while each was published, and after it was put in force verifies with
 * one trusted root in every stock verifier, also with the one that was handed out before the change was put in force. */
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { rfc3339 } from '../../core/clock.ts';
import { decodePem } from '../../core/pem.ts';
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

  it('of all below a root whose key was stolen', async () => {
    const { data } = service;
    const old = await trustedRoot('old.json');
    const fingerprint = async (chain: string, place: number): Promise<string> => {
      const [der] = decodePem(await readFile(chain, 'latin1')).slice(place);
      return createHash('sha256')
        .update(der?.bytes ?? '')
        .digest('hex');
    };
    const { chain, timestampChain } = dataPaths(data);
    const file = (name: string): string => join(scratch, `stolen-${name}`);
    await service.stop();
    // The end belongs to the window: what was signed in this second counts.
    const end = [
      '--at',
      rfc3339(Math.ceil(Date.now() / 1000) * 1000),
      '--reason',
      'compromise',
      '--in-force',
    ];
    await mayfly('trust', 'end', '--data', data, '--ca', await fingerprint(chain, -1), ...end);
    const root = ['--out', file('root.pem'), '--root-key-out', file('root.key.pem')];
    await mayfly('ca', 'root', '--common-name', 'Another root', ...root);
    await mayfly('ca', 'renew', '--data', data, '--csr', file('request.pem'));
    const by = ['--root', file('root.pem'), '--root-key', file('root.key.pem')];
    await mayfly('ca', 'sign', file('request.pem'), ...by, '--out', file('chain.pem'));
    await mayfly('ca', 'renew', '--data', data, '--install', file('chain.pem'), '--new-root');
    await mayfly('tsa', 'renew', '--data', data, '--stage', '--root-key', file('root.key.pem'));
    const former = await fingerprint(timestampChain, 0);
    await mayfly('tsa', 'renew', '--data', data, '--switch');
    await mayfly('trust', 'end', '--data', data, '--tsa', former, '--at', 'now', '--reason', 'superseded');
    service = await startExported({ data });
    await signOne();
    await expectAllVerified(await trustedRoot('after-theft.json'));
    const [young] = signed.slice(-1);
    if (young === undefined) throw new Error('nothing was signed');
    for (const verifier of verifiers)
      expect(
        await verifier.ask({ ...young, trustedRoot: old }),
        `${verifier.name}, by the old files`,
      ).not.to.equal('verified');
  });
});
