/** Google's certificate-transparency-go client reads the log by RFC 6962 and checks its signatures and proofs. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const VERSION = 'v1.4.0';
const folder = join(projectRoot, `node_modules/.cache/judges/ctclient-${VERSION}`);
const run = promisify(execFile);

/** Builds the client once where Go is there; says why not otherwise. */
function whyMissing(): string | undefined {
  if (existsSync(join(folder, 'ctclient'))) return undefined;
  if (spawnSync('go', ['version']).status !== 0) return 'there is no Go here to build ctclient with';
  const source = `github.com/google/certificate-transparency-go/client/ctclient@${VERSION}`;
  const built = spawnSync('go', ['install', source], { env: { ...process.env, GOBIN: folder } });
  return built.status === 0 ? undefined : 'Go could not build ctclient here';
}

describe('judge: ctclient', function () {
  this.timeout(300_000);
  let service: DevMayfly;
  let scratch: string;
  let trust: string;
  let logUrl: string;
  const identities = ['ada@example.com', 'grace@example.com', 'edsger@example.com'];

  before(async function () {
    const missing = whyMissing();
    skipUnless(this, missing === undefined, missing ?? '');
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-ctclient-'));
    service = await startDev({ byLauncher: 'built', data: join(scratch, 'data') });
    trust = join(scratch, 'trust');
    await mkdir(trust);
    await runMayfly(['trust', 'export', '--data', service.data, '--out', trust]);
    ({ logUrl } = service);
    for (const [at, email] of identities.entries()) {
      const out = join(scratch, `certificate-${at}`);
      const env = { SIGSTORE_ID_TOKEN: await service.token(email) };
      const issued = await runMayfly(['certificate', '--url', service.url, '--trust', trust, '--out', out], {
        env,
      });
      expect(issued.code, issued.stderr).to.equal(0);
    }
  });

  after(async () => {
    await (service as DevMayfly | undefined)?.stop();
    if (typeof scratch === 'string') await rm(scratch, { recursive: true, force: true });
  });

  const ctclient = async (...args: string[]): Promise<string> => {
    const where = ['--log_uri', logUrl, '--pub_key', join(trust, 'log.pub.pem')];
    const { stdout } = await run(join(folder, 'ctclient'), [...args, ...where]);
    return stdout;
  };

  it('verifies the signed tree head, and not with another key', async () => {
    const sth = await ctclient('get-sth');
    expect(sth).to.contain('Got STH for V1 log (size=3)');
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = join(scratch, 'other.pem');
    await writeFile(other, publicKey.export({ format: 'pem', type: 'spki' }));
    const args = ['get-sth', '--log_uri', logUrl, '--pub_key', other];
    const refused = await run(join(folder, 'ctclient'), args).catch((error: unknown) => String(error));
    expect(refused).to.match(/signature|verif/i);
  });

  it('reads the entries as precertificates of our CA', async () => {
    const entries = await ctclient('get-entries', '--first', '0', '--last', '2', '--text');
    expect(entries.match(/pre-certificate from issuer/g)).to.have.length(3);
    for (const email of identities) expect(entries).to.contain(`email:${email}`);
  });

  it('lists the root that the log accepts', async () => {
    expect(await ctclient('get-roots')).to.contain('INSECURE DEV');
  });

  it('verifies an inclusion proof', async () => {
    const hash = hex(leafHash(await leaf(1)));
    const proof = await ctclient('get-inclusion-proof', '--leaf_hash', hash);
    expect(proof).to.contain('Verified that hash');
  });

  it('verifies consistency between two sizes', async () => {
    const sth = (await (await fetch(`${logUrl}/ct/v1/get-sth`)).json()) as {
      sha256_root_hash: string;
    };
    const rootOfOne = hex(leafHash(await leaf(0)));
    const root = hex(Buffer.from(sth.sha256_root_hash, 'base64'));
    const sizes = ['--prev_size', '1', '--prev_hash', rootOfOne, '--size', '3', '--tree_hash', root];
    expect(await ctclient('get-consistency-proof', ...sizes)).to.contain('Verified that hash');
  });

  it('reads the log as before once another one has followed it', async () => {
    const { data } = service;
    const before = await ctclient('get-entries', '--first', '0', '--last', '2', '--text');
    for (const step of ['--stage', '--switch']) {
      const { code, stderr } = await runMayfly(['log', 'rotate', '--data', data, step]);
      expect(code, stderr).to.equal(0);
    }
    await service.stop();
    const former = new URL(logUrl).pathname;
    service = await startDev({ byLauncher: 'built', data });
    expect(new URL(service.logUrl).pathname).not.to.equal(former);
    logUrl = `${service.url}${former}`;
    expect(await ctclient('get-sth')).to.contain('Got STH for V1 log (size=3)');
    expect(await ctclient('get-entries', '--first', '0', '--last', '2', '--text')).to.equal(before);
    const proof = await ctclient('get-inclusion-proof', '--leaf_hash', hex(leafHash(await leaf(2))));
    expect(proof).to.contain('Verified that hash');
  });

  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const leafHash = (bytes: Uint8Array): Buffer =>
    createHash('sha256').update(Buffer.of(0)).update(bytes).digest();

  async function leaf(index: number): Promise<Buffer> {
    const answer = await fetch(`${logUrl}/ct/v1/get-entries?start=${index}&end=${index}`);
    const { entries } = (await answer.json()) as { entries: { leaf_input: string }[] };
    return Buffer.from(entries[0]?.leaf_input ?? '', 'base64');
  }
});
