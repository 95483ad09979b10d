/** The action for GitHub and the component for GitLab CI, run as their systems run them: with the claims and the token endpoint of such a job, a real issuer
 * behind them, and a service that takes its tokens. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { githubClaims } from '../support/github-claims.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { gitlabCases } from '../support/provider-claims/gitlab.ts';
import { projectRoot } from '../support/project-root.ts';

const run = promisify(execFile);

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string; readonly required?: boolean }>>;
  readonly runs: {
    readonly using: string;
    readonly steps: readonly {
      readonly run: string;
      readonly shell: string;
      readonly env: Record<string, string>;
    }[];
  };
}

interface GitlabJob {
  readonly script: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly id_tokens: Readonly<Record<string, { readonly aud: string }>>;
}

describe('signing in CI', function () {
  this.timeout(120_000);
  let scratch: string;
  let service: DevMayfly;
  let github: TestIssuer;
  let gitlab: TestIssuer;
  let tokens: Server;
  const audiences: (string | null)[] = [];

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-ci-'));
    [github, gitlab] = [await startIssuer({ path: '/_services/token' }), await startIssuer()];
    const data = join(scratch, 'data');
    await (await startDev({ data })).stop();
    const entry = ({ url }: TestIssuer, type: string, audience: string): string =>
      `  "${url}":\n    issuer-url: "${url}"\n    client-id: ${audience}\n    type: ${type}\n`;
    const config = await readFile(join(data, 'config.yaml'), 'utf8');
    // A job asks for the audience that the service names where that is the service's own host.
    const ofJobs = `${entry(github, 'github-workflow', '127.0.0.1')}${entry(gitlab, 'gitlab-pipeline', 'of-this-service')}`;
    const issuers = `oidc-issuers:\n${ofJobs}`;
    await writeFile(join(data, 'config.yaml'), config.replace('oidc-issuers:\n', issuers));
    service = await startDev({ data });
    tokens = createServer((request, response) => {
      const audience = new URL(request.url ?? '', 'http://x').searchParams.get('audience');
      audiences.push(audience);
      const isOfJob = request.headers.authorization === 'Bearer of-the-job';
      if (!isOfJob) response.writeHead(401).end();
      else
        void github
          .sign({ ...githubClaims(), aud: audience })
          .then((value) => response.end(JSON.stringify({ value })));
    });
    await new Promise<void>((resolve) => {
      tokens.listen(0, '127.0.0.1', resolve);
    });
  });

  after(async () => {
    await service.stop();
    tokens.close();
    await Promise.all([github.close(), gitlab.close()]);
    await rm(scratch, { recursive: true });
  });

  /** A workspace with files, and the trust of the service. */
  async function workspace(...files: readonly string[]): Promise<string> {
    const folder = await mkdtemp(join(scratch, 'workspace-'));
    await mkdir(join(folder, 'dist'));
    for (const file of files) await writeFile(join(folder, file), `what ${file} holds`);
    const words = ['trust', 'export', '--data', service.data, '--public-url', service.url, '--out', 'trust'];
    expect((await runMayfly(words, { cwd: folder })).code).to.equal(0);
    return folder;
  }

  /** The identity in the certificate is that of the job, and the signature that of the file. */
  async function expectSigned(folder: string, file: string, identity: string, issuer: string): Promise<void> {
    const json = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, name), 'utf8'));
    const root = TrustedRoot.fromJSON(await json('trust/trusted_root.json'));
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 0, timestampThreshold: 1 };
    const bundle = bundleFromJSON(await json(`${file}.sigstore.json`));
    new Verifier(toTrustMaterial(root), thresholds).verify(
      toSignedEntity(bundle, await readFile(join(folder, file))),
      { subjectAlternativeName: identity, extensions: { issuer } },
    );
  }

  describe('the action for GitHub', () => {
    const identity = `https://github.com/${String(githubClaims()['job_workflow_ref'])}`;
    let action: Action;
    before(async () => {
      action = parse(await readFile(join(projectRoot, 'action.yml'), 'utf8')) as Action;
    });

    /** Runs the steps in `folder`, with these inputs; returns what they wrote as outputs. */
    async function runAction(
      folder: string,
      inputs: Record<string, string>,
      env = jobEnv(),
    ): Promise<string> {
      const known = Object.entries(action.inputs).map(([name, input]) => [
        name,
        inputs[name] ?? input.default ?? '',
      ]);
      const values = new Map([
        ...known.map(([name = '', value = '']) => [`inputs.${name}`, value] as const),
        ['github.action_path', projectRoot],
      ]);
      const outputs = join(folder, '..', 'outputs');
      await writeFile(outputs, '');
      for (const step of action.runs.steps) {
        expect(step.shell).to.equal('bash');
        // Inputs are in the environment alone: in a script they would be part of the program.
        expect(step.run).to.not.contain('${{');
        const ofStep = Object.entries(step.env).map(([name, text]) => [
          name,
          text.replaceAll(/\$\{\{ ([\w.-]+) \}\}/g, (_, name: string) => values.get(name) ?? ''),
        ]);
        const script = join(folder, '..', 'step.sh');
        await writeFile(script, step.run);
        const all = {
          PATH: process.env['PATH'],
          ...env,
          GITHUB_OUTPUT: outputs,
          ...(Object.fromEntries(ofStep) as Record<string, string>),
        };
        await run('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], { cwd: folder, env: all });
      }
      return readFile(outputs, 'utf8');
    }

    const jobEnv = (): Record<string, string> => ({
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_SERVER_URL: new URL(github.url).origin,
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
    });

    it('signs what patterns find, as the job, for the audience that the service names', async () => {
      const folder = await workspace('dist/a.tgz', 'dist/b b.tgz', 'notes.txt');
      const files = 'dist/*.tgz\n\nnotes.txt\n';
      const outputs = await runAction(folder, {
        files,
        url: service.url,
        'trusted-root': 'trust/trusted_root.json',
      });
      for (const file of ['dist/a.tgz', 'dist/b b.tgz', 'notes.txt'])
        await expectSigned(folder, file, identity, github.url);
      const [first = '', ...lines] = outputs.trimEnd().split('\n');
      expect(first).to.match(/^bundles<<end-of-bundles-\d+$/);
      expect(lines.slice(0, -1)).to.deep.equal(
        ['dist/a.tgz', 'dist/b b.tgz', 'notes.txt'].map((file) => `${file}.sigstore.json`),
      );
      expect(audiences.at(-1)).to.equal('127.0.0.1');
    });

    it('attests, by a client trust config, to where the inputs say, and replaces when they say so', async () => {
      const folder = await workspace('app', 'p.json');
      await writeFile(join(folder, 'p.json'), '{"made":"here"}');
      const inputs = {
        files: 'app',
        'trust-config': 'trust/client_trust_config.json',
        predicate: 'p.json',
        'predicate-type': 'custom',
        bundle: 'dist/app.json',
        force: 'true',
      };
      await writeFile(join(folder, 'dist/app.json'), 'of before');
      expect(await runAction(folder, inputs)).to.contain('\ndist/app.json\n');
      const bundle = JSON.parse(await readFile(join(folder, 'dist/app.json'), 'utf8')) as {
        dsseEnvelope: { payload: string };
      };
      expect(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()).to.contain('"made":"here"');
    });

    it('runs nothing that stands in an input', async () => {
      const folder = await workspace('$(touch ran)', 'x; touch ran');
      const files = '$(touch ran)\nx; touch ran';
      await runAction(folder, { files, url: service.url, output: 'dist' });
      expect((await readdir(join(folder, 'dist'))).sort()).to.deep.equal([
        '$(touch ran).sigstore.json',
        'x; touch ran.sigstore.json',
      ]);
      expect(await readdir(folder)).to.not.include('ran');
    });

    it('fails with the permission that the job lacks', async () => {
      const folder = await workspace('app');
      const { CI, GITHUB_ACTIONS } = jobEnv();
      const env = { CI: CI ?? '', GITHUB_ACTIONS: GITHUB_ACTIONS ?? '' };
      const failed = await runAction(folder, { files: 'app', url: service.url }, env).then(
        () => '',
        (error: unknown) => (error as { stderr: string }).stderr,
      );
      expect(failed).to.contain('permissions: id-token: write');
    });
  });

  describe('the component for GitLab CI', () => {
    const claims = gitlabCases[0]?.claims ?? {};

    for (const shell of ['sh', 'bash'])
      it(`signs as the job, in ${shell}`, async () => {
        const folder = await workspace('dist/a.tgz', 'dist/b b.tgz', 'notes.txt');
        const [spec, jobs] = await component({
          files: 'dist/*.tgz\nnotes.txt',
          url: service.url,
          audience: 'of-this-service',
          'trusted-root': 'trust/trusted_root.json',
        });
        expect(spec).to.have.property('spec');
        const job = jobs['sign'];
        if (job === undefined) throw new Error('no job');
        const token = await gitlab.sign({ ...claims, aud: job.id_tokens['SIGSTORE_ID_TOKEN']?.aud });
        const env = { ...job.variables, PATH: await pathWithMayfly(), CI: 'true', SIGSTORE_ID_TOKEN: token };
        await run(shell, ['-ec', job.script.join('\n')], { cwd: folder, env });
        for (const file of ['dist/a.tgz', 'dist/b b.tgz', 'notes.txt'])
          await expectSigned(folder, file, `https://${String(claims['ci_config_ref_uri'])}`, gitlab.url);
      });

    /** Header and jobs, with the inputs in their places. */
    async function component(
      inputs: Record<string, string>,
    ): Promise<[unknown, Readonly<Record<string, GitlabJob>>]> {
      const text = await readFile(join(projectRoot, 'templates/sign.yml'), 'utf8');
      const header = parseAllDocuments(text)[0]?.toJS() as {
        spec: { inputs: Record<string, { default?: string }> };
      };
      const body = parseAllDocuments(text)[1]?.toJS() as unknown;
      const filled = JSON.stringify(body).replaceAll(/\$\[\[ inputs\.([\w-]+) \]\]/g, (_, name: string) => {
        const input = header.spec.inputs[name];
        const value = inputs[name] ?? input?.default;
        if (value === undefined) throw new Error(`no input ${name}`);
        return JSON.stringify(value).slice(1, -1);
      });
      return [header, JSON.parse(filled) as Record<string, GitlabJob>];
    }

    /** The path with a `mayfly` on it, as after `npm install --global`. */
    async function pathWithMayfly(): Promise<string> {
      const folder = join(scratch, 'bin');
      await mkdir(folder, { recursive: true });
      const program = join(folder, 'mayfly');
      await writeFile(
        program,
        `#!/bin/sh\nexec '${process.execPath}' '${join(projectRoot, 'bin/mayfly.js')}' "$@"\n`,
      );
      await chmod(program, 0o755);
      return [folder, process.env['PATH']].join(delimiter);
    }
  });
});
