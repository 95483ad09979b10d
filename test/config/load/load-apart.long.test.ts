import { expect } from 'chai';
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { loadConfigApart, LoadProcessError } from '../../../config/load/load-apart.ts';
import { loadConfig } from '../../../config/load/load.ts';
import { startLoader } from '../../../config/load/start-loader.ts';
import { gone, loaderOf } from '../../support/loader-process.ts';
import { skipUnless } from '../../support/skipped.ts';
import { failureOf } from '../../support/failure.ts';

/** More issuers and findings than go into one pack. */
const many = (): string =>
  `oidc-issuers:\n${Array.from(
    { length: 120 },
    (_, n) => `  http://issuer-${n}.example.com:
    client-id: [team-${n}, people-${n}]
    type: email
    mayfly:
      jwks: {keys: [{kty: OKP, crv: Ed25519, kid: one, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
      rules: [{name: team, allow: 'claims.email.endsWith("@team-${n}.example.com")', message: Ask us.}]
`,
  ).join('')}mayfly: { require-rules: true, audit: { file: { path: audit.jsonl } } }\n`;

const HOG = 'const { ppid } = process; while (process.ppid === ppid);';

describe('config/load/load-apart', () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-load-'));
    file = join(directory, 'config.yaml');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('hands over the whole configuration, as it is loaded here', async () => {
    await writeFile(file, many());
    const apart = await loadConfigApart(file);
    expect(apart.issuers).to.have.length(120);
    expect(apart.findings.length).to.be.greaterThan(100);
    expect(isDeepStrictEqual(apart, await loadConfig(file))).to.equal(true);
  });

  it('hands over a configuration without issuers', async () => {
    await writeFile(file, 'oidc-issuers: {}\n');
    expect(await loadConfigApart(file)).to.deep.equal(await loadConfig(file));
  });

  it('reports everything that is wrong, with its places', async () => {
    await writeFile(file, `${many()}meta-issuers: 5\n`.replaceAll('client-id', 'client-name'));
    const errorOf = (load: Promise<unknown>): Promise<unknown> =>
      load.then(
        () => undefined,
        (error: unknown) => error,
      );
    const apart = await errorOf(loadConfigApart(file));
    const here = (await errorOf(loadConfig(file))) as ConfigError;
    expect(apart).to.be.instanceOf(ConfigError);
    expect((apart as ConfigError).problems).to.deep.equal(here.problems);
    expect((apart as ConfigError).message).to.equal(here.message);
    expect((apart as ConfigError).code).to.equal('CONFIG_INVALID');
    expect(here.problems.length).to.be.greaterThan(100);
  });

  it('is what Linux ends first when memory runs out, before its first line', async function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    await writeFile(file, 'oidc-issuers: {}\n');
    const child = startLoader(file, true);
    const score = readFileSync(`/proc/${child.pid ?? 0}/oom_score_adj`, 'utf8');
    child.kill('SIGKILL');
    expect(score.trim()).to.equal('1000');
  });

  it('has a lower priority than the service, where it was asked to', async () => {
    await writeFile(file, 'oidc-issuers: {}\n');
    for (const [politely, nicer] of [
      [true, 10],
      [false, 0],
    ] as const) {
      const child = startLoader(file, politely);
      expect(getPriority(child.pid) - getPriority()).to.equal(nicer);
      child.kill('SIGKILL');
    }
  });

  it('starts anew, with the priority of the service, where others leave the process no core', async function () {
    this.timeout(60_000);
    const cores = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
    skipUnless(this, cores.status === 0, 'there is no taskset');
    // A core that this test may use, with four that want it for themselves until this process is gone.
    const core = /: (\d+)/.exec(cores.stdout)?.[1] ?? '0';
    const hogs = Array.from({ length: 4 }, () =>
      spawn('taskset', ['-c', core, process.execPath, '-e', HOG], { stdio: 'ignore' }),
    );
    try {
      await writeFile(file, many());
      const load = loadConfigApart(file);
      const polite = await loaderOf(process.pid);
      execFileSync('taskset', ['-cp', core, String(polite)], { stdio: 'ignore' });
      await gone(polite, 30_000);
      const second = await loaderOf(process.pid);
      expect(second).to.not.equal(polite);
      expect(getPriority(second)).to.equal(getPriority());
      expect((await load).issuers).to.have.length(120);
    } finally {
      for (const hog of hogs) hog.kill('SIGKILL');
    }
  });

  it('says when it cannot be started', async () => {
    await writeFile(file, 'oidc-issuers: {}\n');
    const { execPath } = process;
    process.execPath = join(directory, 'no-program');
    try {
      const load = loadConfigApart(file);
      const error = await failureOf(load);
      expect(error).to.be.instanceOf(LoadProcessError);
      expect((error as LoadProcessError).code).to.equal('LOAD_NOT_STARTED');
    } finally {
      process.execPath = execPath;
    }
  });

  describe('with a process that sends nothing', () => {
    // Opening a pipe waits until somebody writes into it.
    beforeEach(() => promisify(execFile)('mkfifo', [file]));

    const failed = async (load: Promise<unknown>): Promise<LoadProcessError> => {
      const error: unknown = await failureOf(load);
      expect(error).to.be.instanceOf(LoadProcessError);
      return error as LoadProcessError;
    };

    it('says how it ended', async () => {
      const load = failed(loadConfigApart(file));
      process.kill(await loaderOf(process.pid), 'SIGKILL');
      const { code, message } = await load;
      expect([code, message]).to.deep.equal(['LOAD_ENDED', 'the process that loads it ended with SIGKILL']);
    });

    it('waits no longer than it should, and leaves no process behind', async () => {
      const load = failed(loadConfigApart(file, { longest: 500 }));
      const pid = await loaderOf(process.pid);
      expect((await load).code).to.equal('LOAD_STUCK');
      await gone(pid);
    });

    it('ends it when no waiter is left', async () => {
      const stop = new AbortController();
      const load = failureOf(loadConfigApart(file, { signal: stop.signal }));
      const pid = await loaderOf(process.pid);
      stop.abort(new Error('closing'));
      expect(String(await load)).to.contain('closing');
      await gone(pid);
    });
  });
});
