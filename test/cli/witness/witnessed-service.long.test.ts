import { expect } from 'chai';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { emailConfig, makeDataDirectory } from '../../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyProcess } from '../../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { parseWitnessPolicy } from '../../../tlog/format/witness-policy.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { bodyV2, clientKey, emailToken, EMAIL, post } from '../../support/test-service.ts';
import { freePort } from '../../../bench/free-port.ts';

describe('a service with witnesses', function () {
  this.timeout(240_000);
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  const running = new Map<string, MayflyProcess>();
  const ports = new Map<string, number>();
  const at = (name: string): string => join(root, name);

  const end = async (name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const program = running.get(name);
    program?.child.kill(signal);
    await program?.ended;
    running.delete(name);
  };
  const startWitness = async (name: string): Promise<void> => {
    const listen = `127.0.0.1:${ports.get(name) ?? 0}`;
    const program = startMayfly(['witness', 'serve', '--directory', at(name), '--listen', listen, '--json']);
    running.set(name, program);
    await program.firstLine;
  };
  const serve = async (): Promise<{ url: string; logUrl: string; metricsUrl: string }> => {
    const program = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
    running.set('serve', program);
    return JSON.parse(await program.firstLine) as { url: string; logUrl: string; metricsUrl: string };
  };
  const sign = async (url: string): Promise<number> => {
    const answer = await post(`${url}/api/v2/signingCert`, bodyV2(await emailToken({ issuer }), clientKey()));
    if (answer.status !== 200) return answer.status;
    const { signedCertificateEmbeddedSct: embedded } = (await answer.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
    };
    await writeFile(at('cert.pem'), embedded.chain.certificates[0] ?? '');
    return 200;
  };
  const configure = (required: boolean): Promise<void> =>
    writeFile(
      join(data, 'config.yaml'),
      emailConfig(
        issuer.url,
        `{rate-limit: off, log: {witness: {policy: ${at('witnesses.policy')}, required: ${required}, timeout: 1}}}`,
      ),
    );

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-witnessed-'));
    data = at('data');
    issuer = await startIssuer();
    await makeDataDirectory(data, { config: 'oidc-issuers: {}\n' });
    const trusted = await runMayfly(['trust', 'export', '--data', data, '--out', at('trust')]);
    expect(trusted.code, trusted.stderr).to.equal(0);
    const [, logKey = ''] = (await readFile(at('trust/log.vkey'), 'utf8')).trimEnd().split('\n');
    const lines: string[] = [];
    for (const name of ['w1', 'w2']) {
      ports.set(name, await freePort());
      const { stdout } = await runMayfly([
        'witness',
        'init',
        '--directory',
        at(name),
        '--name',
        `${name}.example.org`,
      ]);
      await writeFile(join(at(name), 'logs'), `log ${logKey}\n`);
      lines.push(`witness ${name} ${stdout.trimEnd()} http://127.0.0.1:${ports.get(name)}`);
      await startWitness(name);
    }
    await writeFile(at('witnesses.policy'), [...lines, 'group both all w1 w2', 'quorum both', ''].join('\n'));
  });
  after(async () => {
    for (const name of [...running.keys()]) await end(name, 'SIGKILL');
    await issuer.close();
    await rm(root, { recursive: true, force: true });
  });

  it('issues with a quorum, refuses without, and shows who cosigned, by docs/witness.md', async () => {
    await configure(true);
    const { url, logUrl, metricsUrl } = await serve();
    expect(await sign(url)).to.equal(200);
    const [policy = ''] = await documentedBlocks('witness.md', 'Have heads cosigned');
    expect(parseWitnessPolicy(sha256, policy).witnesses).to.have.lengthOf(3);
    const [commands = '', shown = ''] = await documentedBlocks('witness.md', 'Demand cosignatures');
    const said = await runBlock(commands, root, {
      'https://ca.example.com/log/2026': logUrl,
      'https://login.example.com': issuer.url,
      'you@example.com': EMAIL,
    });
    const form = (text: string): string =>
      text.replaceAll(/\b\d+ (entries|tiles|issuers)/g, 'N $1').replaceAll('localhost/', 'ca.example.com/');
    for (const line of form(shown).trimEnd().split('\n')) expect(form(said).split('\n')).to.include(line);
    const readiness = (await (await fetch(`${metricsUrl}/readyz`)).json()) as {
      checks: { name: string; ok: boolean; detail: string }[];
    };
    const check = readiness.checks.find(({ name }) => name === 'witnesses');
    expect(check).to.deep.include({ ok: true, detail: 'certificates: 1 entries are cosigned' });
    await end('w2', 'SIGKILL');
    const refused = await sign(url);
    expect(refused).to.equal(503);
    const metrics = await (await fetch(`${metricsUrl}/metrics`)).text();
    expect(metrics).to.match(/^mayfly_log_witness_trouble\{witness="w2"\} 1$/m);
    expect(metrics).to.match(/^mayfly_log_witnessed_size 1$/m);
    await startWitness('w2');
    while ((await sign(url)) !== 200) await delay(200);
    const status = await runMayfly([
      ...['log', 'status', '--url', logUrl, '--trust', at('trust')],
      ...['--witness-policy', at('witnesses.policy'), '--json'],
    ]);
    expect(JSON.parse(status.stdout)).to.deep.include({ cosignedBy: ['w1', 'w2'] });
    await end('serve');
    // In the directory, and in a copy of it.
    const local = await runMayfly([
      'log',
      'check',
      '--data',
      data,
      '--witness-policy',
      at('witnesses.policy'),
    ]);
    expect([local.code, local.stdout]).to.deep.equal([0, local.stdout]);
    expect(local.stdout).to.match(/; cosigned by w1, w2$/m);
  });

  it('demands the cosignatures of a policy, and says which are missing', async () => {
    const other = await runMayfly(['witness', 'init', '--directory', at('w3'), '--name', 'w3.example.org']);
    await writeFile(at('other.policy'), `witness w3 ${other.stdout.trimEnd()}\nquorum w3\n`);
    const { code, stdout } = await runMayfly([
      'log',
      'check',
      '--data',
      data,
      '--witness-policy',
      at('other.policy'),
    ]);
    expect([code, stdout]).to.deep.equal([1, stdout]);
    expect(stdout).to.match(
      /^WRONG: checkpoint: the checkpoint lacks the quorum w3 of the policy: no cosignature of w3/,
    );
    const verified = await runMayfly([
      ...['verify', 'certificate', at('cert.pem'), '--trust', at('trust'), '--any-identity'],
      ...['--proof', at('cert.tlog-proof'), '--witness-policy', at('other.policy')],
    ]);
    expect([verified.code, verified.stdout]).to.deep.equal([1, verified.stdout]);
    const wrong = await runMayfly([
      ...['verify', 'certificate', at('cert.pem'), '--trust', at('trust'), '--any-identity'],
      ...['--witness-policy', at('other.policy')],
    ]);
    expect([wrong.code, wrong.stderr]).to.deep.equal([2, wrong.stderr]);
  });

  it('does not start from an older copy of its directory', async () => {
    const before = at('before');
    await cp(data, before, { recursive: true });
    const { url } = await serve();
    expect(await sign(url)).to.equal(200);
    await end('serve');
    await rm(data, { recursive: true });
    await cp(before, data, { recursive: true });
    for (const required of [true, false]) {
      await configure(required);
      const { code, stderr } = await runMayfly(['serve', ...ANYWHERE, '--data', data]);
      expect([code, stderr]).to.deep.equal([1, stderr]);
      expect(stderr).to.match(/the witness w\d has cosigned a head with \d entries, and the log has \d/);
    }
  });

  it('says what is wrong with a policy, and does not start', async () => {
    await writeFile(at('witnesses.policy'), 'quorum everybody\n');
    const { code, stderr } = await runMayfly(['serve', ...ANYWHERE, '--data', data]);
    expect([code, stderr]).to.deep.equal([1, stderr]);
    expect(stderr).to.match(/the policy of mayfly\.log\.witness, cannot be used: line 1 of the policy/);
  });
});
