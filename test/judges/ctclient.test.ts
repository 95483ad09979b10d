/** Google's certificate-transparency-go client reads the log by RFC 6962 and checks its signatures and proofs. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { mayfly, startMayfly, type RunningMayfly } from '../support/running-mayfly.ts';

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
  let service: RunningMayfly;
  let trust: string;
  const identities = ['ada@example.com', 'grace@example.com', 'edsger@example.com'];

  before(async function () {
    const missing = whyMissing();
    if (missing !== undefined) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
    service = await startMayfly();
    trust = join(service.scratch, 'trust');
    await mkdir(trust);
    await mayfly(['trust', 'export', '--data', service.data, '--out', trust]);
    for (const [at, email] of identities.entries()) {
      const out = join(service.scratch, `certificate-${at}`);
      const env = { SIGSTORE_ID_TOKEN: await service.token(email) };
      const issued = await mayfly(['certificate', '--url', service.url, '--trust', trust, '--out', out], {
        env,
      });
      expect(issued.code, issued.stderr).to.equal(0);
    }
  });

  after(async () => {
    await (service as RunningMayfly | undefined)?.stop();
  });

  const ctclient = async (...args: string[]): Promise<string> => {
    const where = ['--log_uri', service.logUrl, '--pub_key', join(trust, 'log.pub.pem')];
    // It logs through glog; -logtostderr puts verification failures where execFile reports them.
    const { stdout } = await run(join(folder, 'ctclient'), [...args, ...where]);
    return stdout;
  };

  it('verifies the signed tree head', async () => {
    const sth = await ctclient('get-sth');
    expect(sth).to.match(/tree_size|size 3|for size/i);
    expect(sth).to.contain('3');
  });

  it('reads the entries as precertificates of our CA', async () => {
    const entries = await ctclient('get-entries', '--first', '0', '--last', '2', '--text');
    expect(entries).to.contain('Index=0').and.contain('Index=2');
    for (const email of identities) expect(entries).to.contain(email);
  });

  it('lists the root that the log accepts', async () => {
    expect(await ctclient('get-roots')).to.contain('INSECURE DEV');
  });

  it('verifies an inclusion proof for a leaf that it is given', async () => {
    const checked = await mayfly(['log', 'status', '--url', service.logUrl, '--trust', trust, '--json']);
    expect(checked.code, checked.stderr).to.equal(0);
    const entry = await fetch(`${service.logUrl}/ct/v1/get-entries?start=1&end=1`);
    const { entries } = (await entry.json()) as { entries: { leaf_input: string }[] };
    const leaf = Buffer.from(entries[0]?.leaf_input ?? '', 'base64');
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256').update(Buffer.of(0)).update(leaf).digest('hex');
    const proof = await ctclient('get-inclusion-proof', '--leaf_hash', hash, '--size', '3');
    expect(proof).to.contain('1');
    expect(proof).to.match(/verified|index/i);
  });

  it('verifies consistency between two sizes', async () => {
    const sth = (await (await fetch(`${service.logUrl}/ct/v1/get-sth`)).json()) as {
      sha256_root_hash: string;
    };
    const first = await readFile(join(trust, 'log.v3.json'), 'utf8');
    expect(first).to.contain('log_id');
    const { createHash } = await import('node:crypto');
    const entry = await fetch(`${service.logUrl}/ct/v1/get-entries?start=0&end=0`);
    const { entries } = (await entry.json()) as { entries: { leaf_input: string }[] };
    const leaf = Buffer.from(entries[0]?.leaf_input ?? '', 'base64');
    const rootOfOne = createHash('sha256').update(Buffer.of(0)).update(leaf).digest('hex');
    const root = Buffer.from(sth.sha256_root_hash, 'base64').toString('hex');
    const sizes = ['--prev_size', '1', '--prev_hash', rootOfOne, '--size', '3', '--tree_hash', root];
    const proof = await ctclient('get-consistency-proof', ...sizes);
    expect(proof).to.match(/verified|consistency/i);
  });
});
