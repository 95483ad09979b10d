/** Who got certificates: a real service with two issuers and an audit, and the procedure of docs/incidents.md. */
import { spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import type { FilterOptions, RangeOptions } from '../../../cli/log/entry-options.ts';
import { search } from '../../../cli/log/log-entries.ts';
import type { TargetOptions } from '../../../cli/log/log-target.ts';
import { auditLines } from '../../audit/support/audit-schema.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { githubClaims } from '../../support/github-claims.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import {
  ANYWHERE,
  type MayflyProcess,
  type MayflyResult,
  mayflyWords,
  runMayfly,
  startMayfly,
} from '../../support/mayfly.ts';
import { projectRoot } from '../../support/project-root.ts';
import { bodyV2, clientKey, emailToken, post } from '../../support/test-service.ts';
import { failureOf } from '../../support/failure.ts';

const APP = 'https://github.com/acme/app';
const COMMIT = '6dcb09b5b57875f334f61aebed695e2e4193db5e';
const RUN = `${APP}/actions/runs/9876543210/attempts/1`;
const APP_NAME = `${APP}/.github/workflows/release.yml@refs/heads/main`;

/** What a signing client got, and its line in the audit. */
interface Got {
  readonly pem: string;
  readonly line: Record<string, unknown>;
}

const objects = ({ stdout }: MayflyResult): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('cli/log list, search and show', function () {
  this.timeout(120_000);
  let scratch: string;
  let data: string;
  let audit: string;
  let trust: string;
  let people: TestIssuer;
  let github: TestIssuer;
  let service: MayflyProcess;
  let url: string;
  const got: Got[] = [];

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-entries-'));
    [data, trust] = [join(scratch, 'data'), join(scratch, 'trust')];
    audit = join(data, 'audit/audit.jsonl');
    [people, github] = [await startIssuer(), await startIssuer()];
    const entry = (issuer: TestIssuer, type: string): string =>
      `  ${issuer.url}:\n    issuer-url: ${issuer.url}\n    client-id: sigstore\n    type: ${type}\n`;
    const config = `oidc-issuers:\n${entry(people, 'email')}${entry(github, 'github-workflow')}mayfly: { audit: { file: { path: audit/audit.jsonl }, fail-closed: true } }\n`;
    await makeDataDirectory(data, { config });
    await ok('rekor', 'init', '--data', data, '--host', '127.0.0.1');
    service = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
    ({ url } = JSON.parse(await service.firstLine) as { url: string });
    await sign(await emailToken({ issuer: people }), 'alice@example.com');
    await sign(await emailToken({ issuer: people }, { email: 'Bob@Example.com' }), 'Bob@Example.com');
    for (const repository of ['acme/app', 'other/lib']) {
      const claims = githubClaims({
        repository,
        sub: `repo:${repository}:ref:refs/heads/main`,
        job_workflow_ref: `${repository}/.github/workflows/release.yml@refs/heads/main`,
      });
      await sign(await github.sign(claims), String(claims['sub']));
    }
    await ok('trust', 'export', '--data', data, '--out', trust);
  });
  after(async () => {
    service.child.kill('SIGTERM');
    await service.ended;
    await Promise.all([people.close(), github.close()]);
    await rm(scratch, { recursive: true, force: true });
  });

  async function sign(token: string, challenge: string): Promise<void> {
    const answer = await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey(challenge)));
    const text = await answer.text();
    expect(answer.status, text).to.equal(200);
    const [pem = ''] = (
      JSON.parse(text) as { signedCertificateEmbeddedSct: { chain: { certificates: string[] } } }
    ).signedCertificateEmbeddedSct.chain.certificates;
    const line = auditLines(await readFile(audit, 'latin1')).at(-1) ?? {};
    got.push({ pem, line });
  }

  async function ok(...args: string[]): Promise<MayflyResult> {
    const result = await runMayfly(args);
    expect(result.code, result.stderr + result.stdout).to.equal(0);
    return result;
  }

  const log = (verb: string, ...args: string[]): Promise<MayflyResult> =>
    ok('log', verb, '--data', data, ...args);

  /** What a command answers in this process, options as commander has them. */
  async function answered(
    command: (options: TargetOptions & RangeOptions & FilterOptions, speak: Speaker) => Promise<undefined>,
    options: RangeOptions & FilterOptions,
  ): Promise<Record<string, unknown>[]> {
    const records: Record<string, unknown>[] = [];
    const speak: Speaker = {
      json: true,
      answer: () => undefined,
      note: () => undefined,
      step: () => undefined,
      progress: () => undefined,
      record: (result) => {
        records.push(result);
        return Promise.resolve(true);
      },
    };
    await command({ data, ...options }, speak);
    return records;
  }

  it('lists who got certificates in the last hour, newest first, as a table and as lines of JSON', async () => {
    const { stdout, stderr } = await log('list', '--since', '1h');
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).to.match(/^INDEX {2}TIME +SERIAL +ISSUER +IDENTITY$/);
    expect(rows.slice(1).map((row) => row.split(/ +/).at(-1))).to.deep.equal([
      'https://github.com/other/lib/.github/workflows/release.yml@refs/heads/main',
      APP_NAME,
      'Bob@Example.com',
      'alice@example.com',
    ]);
    expect(stderr).to.equal('4 of the 4 entries of localhost/log/2026, newest first\n');
    const found = objects(await log('list', '--since', '1h', '--oldest-first', '--json'));
    expect(found.map(({ index, serial }) => [index, serial])).to.deep.equal(
      got.map(({ line }) => [line['leafIndex'], line['serial']]),
    );
    expect(found[2]).to.deep.include({ identity: APP_NAME, identityType: 'uri', issuer: github.url });
    expect(found[2]?.['extensions']).to.include({ SourceRepositoryURI: APP, RunInvocationURI: RUN });
  });

  it('lists the same over HTTP, with the keys of the trust directory', async () => {
    const local = await log('list', '--json');
    const remote = await ok('log', 'list', '--json', '--url', url, '--trust', trust);
    expect(remote).to.deep.equal(local);
    expect(objects(local)).to.have.length(4);
  });

  it('finds an entry by everything that one may know of it', async () => {
    const serial = String(got[2]?.line['serial']);
    const colons = serial.toUpperCase().replace(/..(?=.)/g, '$&:');
    const later = '2999-01-01T00:00:00Z';
    const searches: [RangeOptions & FilterOptions, string[]][] = [
      [{ identity: 'bob@example.com' }, ['Bob@Example.com']],
      [{ identity: 'bob@example.co' }, []],
      [{ identityPrefix: `${APP}/` }, [APP_NAME]],
      [{ identityRegexp: '.*@[Ee]xample\\.com' }, ['Bob@Example.com', 'alice@example.com']],
      [{ identityRegexp: 'alice' }, []],
      [{ issuer: people.url }, ['Bob@Example.com', 'alice@example.com']],
      [{ issuer: people.url, oldestFirst: true }, ['alice@example.com', 'Bob@Example.com']],
      [{ issuer: people.url, limit: '1' }, ['Bob@Example.com']],
      [{ issuer: people.url, before: '1' }, ['alice@example.com']],
      [{ issuer: people.url, from: '1' }, ['Bob@Example.com']],
      [{ serial }, [APP_NAME]],
      [{ serial: colons }, [APP_NAME]],
      [{ serial: `00${serial}` }, [APP_NAME]],
      [{ extension: [`source-repository-uri=${APP}`] }, [APP_NAME]],
      [{ extension: [`1.12=${APP}`, `1.13=${COMMIT}`] }, [APP_NAME]],
      [{ extension: [`1.12=${APP}`, '1.13=else'] }, []],
      [{ extension: [`RunInvocationURI=${RUN}`] }, [APP_NAME]],
      [{ extension: [`1.3.6.1.4.1.57264.1.21=${RUN}`] }, [APP_NAME]],
      [{ issuer: people.url, until: '1h' }, []],
      [{ issuer: people.url, since: later }, []],
      [{ issuer: people.url, since: '10m', until: later, limit: '1' }, ['Bob@Example.com']],
    ];
    for (const [options, found] of searches) {
      const records = await answered(search, options);
      expect(
        records.map(({ identity }) => identity),
        JSON.stringify(options),
      ).to.deep.equal(found);
    }
    expect(
      objects(await log('search', '--serial', colons, '--extension', `1.13=${COMMIT}`, '--json')),
    ).to.have.length(1);
    expect(objects(await log('search', '--identity-prefix', `${APP}/`, '--json'))).to.have.length(1);
  });

  it('says how to go on where a limit ended it', async () => {
    const { stderr } = await log('list', '--limit', '3');
    expect(stderr).to.include('3 of the 4 entries').and.include('go on with --before 1\n');
    expect(objects(await log('list', '--before', '1', '--json')).map(({ index }) => index)).to.deep.equal([
      0,
    ]);
    expect((await log('list', '--oldest-first', '--limit', '3')).stderr).to.include('--from 3\n');
  });

  it('ends when its reader has seen enough', async () => {
    const words = mayflyWords(['log', 'list', '--data', data, '--json']);
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, stderr]).to.deep.equal([0, '']);
  });

  it('shows one entry by its place, by its certificate and by the hash that the audit has', async () => {
    const { pem = '', line = {} } = got[2] ?? {};
    const certificate = join(scratch, 'cert.pem');
    await writeFile(certificate, pem);
    const byIndex = await log('show', String(line['leafIndex']), '--json');
    const byCertificate = await log('show', '--certificate', certificate, '--json');
    const hash = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
    expect(line['certificateSha256']).to.equal(hash);
    const byHash = await log('show', '--certificate-sha256', hash.toUpperCase(), '--audit', audit, '--json');
    expect(objects(byHash)).to.deep.equal(objects(byIndex));
    expect(objects(byCertificate)).to.deep.equal(objects(byIndex));
    expect(objects(byIndex)[0]).to.deep.include({
      index: 2,
      size: 4,
      identity: APP_NAME,
      serial: line['serial'],
      publicKey: new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' }),
    });
    const { stdout, stderr } = await log('show', '2');
    expect(stdout).to.match(/^identity +https:\/\/github.com\/acme\/app\/.* \(uri\)$/m);
    expect(stdout).to.match(/^1\.13 SourceRepositoryDigest +6dcb09b5/m);
    expect(stderr).to.include('certificateSha256');
    const precertificate = new X509Certificate((await log('show', '2', '--pem')).stdout);
    expect(precertificate.serialNumber).to.equal(new X509Certificate(pem).serialNumber);
  });

  it('has repository, commit and run of a job in the audit', () => {
    expect(got[2]?.line).to.include({ repository: APP, commit: COMMIT, run: RUN });
    expect(got[0]?.line).to.not.have.any.keys('repository', 'commit', 'run');
  });

  it('says what it cannot find or understand', async () => {
    const nowhere = '0'.repeat(64);
    const other = join(scratch, 'other.jsonl');
    const forged = { ...got[2]?.line, serial: 'abc' };
    await writeFile(other, `no line\n{"event":"issued"}\n${JSON.stringify(forged)}`);
    const hash = String(got[2]?.line['certificateSha256']);
    const misuses: [RegExp, RangeOptions & FilterOptions][] = [
      [/neither a time nor a span/, { identity: 'a', since: '1 hour' }],
      [/--until is before --since/, { identity: 'a', since: '1h', until: '2h' }],
      [/--limit must be/, { identity: 'a', limit: '0' }],
      [/--before must be/, { identity: 'a', before: '-1' }],
      [/say what to look for/, { since: '1h' }],
      [/one of --identity/, { identity: 'a', identityPrefix: 'b' }],
      [/--serial must be hexadecimal/, { serial: 'xyz' }],
      [/no extension of Fulcio/, { extension: ['colour=red'] }],
      [/no extension of Fulcio/, { extension: ['1.12'] }],
      [/regular expression/, { identityRegexp: '(?=a)' }],
    ];
    for (const [sentence, options] of misuses) {
      const error: unknown = await failureOf(answered(search, options));
      expect(error, String(sentence)).to.be.instanceOf(CommandError).with.property('code', 'USAGE');
      expect((error as Error).message).to.match(sentence);
    }
    const refusals: [number, RegExp, string[]][] = [
      [2, /say which entry/, []],
      [2, /say which entry/, ['1', '--certificate', 'x']],
      [1, /has 4 entries, and none at 4/, ['4']],
      [2, /go together/, ['--certificate-sha256', nowhere]],
      [2, /64 digits/, ['--certificate-sha256', 'ab', '--audit', audit]],
      [3, /no line of the audit/, ['--certificate-sha256', nowhere, '--audit', audit, '--audit', other]],
      [2, /cannot be read \(ENOENT\)/, ['--certificate-sha256', nowhere, '--audit', `${audit}.1`]],
      [1, /the audit says serial abc/, ['--certificate-sha256', hash, '--audit', other]],
    ];
    for (const [code, sentence, args] of refusals) {
      const result = await runMayfly(['log', 'show', ...args, '--data', data]);
      expect([result.code, result.stdout], args.join(' ')).to.deep.equal([code, '']);
      expect(result.stderr, args.join(' ')).to.match(sentence);
    }
  });

  it('is the procedure of docs/incidents.md, line by line', async () => {
    const work = await mkdtemp(join(scratch, 'incident-'));
    const { pem = '', line = {} } = got[2] ?? {};
    const [bystander] = got;
    await writeFile(join(work, 'cert.pem'), pem);
    const script = mayflyWords([]).map((word) => `'${word}'`);
    await writeFile(
      join(work, 'mayfly'),
      `#!/bin/sh\nexec '${process.execPath}' ${script.join(' ')} "$@"\n`,
      {
        mode: 0o755,
      },
    );
    const isoIn = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const real = (text: string): string =>
      text
        .replaceAll('/var/lib/mayfly', data)
        .replaceAll('2026-11-22T09:00:00Z', isoIn(-3_600_000))
        .replaceAll('2026-11-22T17:30:00Z', isoIn(3_600_000))
        .replaceAll('2026-12-31T00:00:00Z', isoIn(86_400_000))
        .replaceAll(' 4711 ', ` ${String(line['leafIndex'])} `)
        .replaceAll(/\b9b1d[0-9a-f]{60}\b/g, String(line['certificateSha256']));
    const [shell, denyList] = await incidentBlocks();
    await writeFile(join(work, 'deny.json'), real(denyList));
    const lines = shell.split(/(?<!\\)\n/).filter(Boolean);
    const env = { ...process.env, PATH: `${work}:${process.env['PATH'] ?? ''}` };
    const assignments = lines.filter((text) => /^\w+=/.test(text)).join('\n');
    const run = async (text: string): Promise<{ code: number | null; output: string }> => {
      const child = spawn('sh', ['-c', real(`${assignments}\n${text}`)], { cwd: work, env });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output };
    };
    const outputs = new Map<string, string>();
    for (const text of lines) {
      const { code, output } = await run(text);
      const isVerdict = text.startsWith('mayfly verify');
      expect(code, `${text}\n${output}`).to.equal(isVerdict ? 1 : 0);
      outputs.set(text.split(' --')[0] ?? '', output);
      if (!isVerdict) continue;
      expect(output).to.match(/FAILED +deny .*INC-7/);
      await writeFile(join(work, 'cert.pem'), bystander?.pem ?? '');
      expect(await run(text)).to.include({ code: 0 });
    }
    expect([...outputs.keys()]).to.include.members([
      'mayfly log list',
      'mayfly log search',
      'mayfly log show 4711',
    ]);
    expect(outputs.get('mayfly log list')).to.include(APP_NAME);
    const found = (await readFile(join(work, 'found.jsonl'), 'utf8')).trimEnd();
    expect(JSON.parse(found)).to.include({ serial: line['serial'], identity: APP_NAME });
  });

  describe('when another log has taken its place', () => {
    const former = (): Got => got[2] ?? { pem: '', line: {} };
    const where = (): readonly string[][] => [
      ['--data', data],
      ['--url', url, '--trust', trust],
    ];

    before(async () => {
      const slip = await ok('log', 'rotate', '--data', data, '--stage', '--origin', 'localhots/log/slip');
      expect(slip.stdout).to.include('has the host localhots, and that of the log in use localhost');
      await ok('log', 'rotate', '--data', data, '--discard');
      const staged = await ok('log', 'rotate', '--data', data, '--stage', '--origin', 'localhost/log/next');
      expect(staged.stdout).not.to.include('has the host');
      await ok('log', 'rotate', '--data', data, '--switch');
      await ok('trust', 'export', '--data', data, '--out', trust);
      service.child.kill('SIGTERM');
      await service.ended;
      service = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data]);
      ({ url } = JSON.parse(await service.firstLine) as { url: string });
      await sign(await emailToken({ issuer: people }, { email: 'new@example.com' }), 'new@example.com');
    });

    it('says which former logs a span reaches back to', async () => {
      for (const target of where()) {
        for (const words of [
          ['list'],
          ['list', '--since', '1h'],
          ['search', '--identity', 'alice@example.com'],
        ]) {
          const { stderr } = await ok('log', ...words, ...target);
          expect(stderr, words.join(' ')).to.match(
            / of the 1 entries of localhost\/log\/next, newest first\n/,
          );
          expect(stderr, words.join(' ')).to.match(
            /^warning: what was logged before is in the former log 2026, and not in this answer: --log NAME/m,
          );
        }
        const { stderr } = await ok('log', 'list', ...target, '--since', '2100-01-01T00:00:00Z');
        expect(stderr, 'a span that begins in this log').not.to.include('former');
        expect((await ok('log', 'list', ...target, '--limit', '1')).stderr).not.to.include('former');
        expect((await ok('log', 'list', ...target, '--log', '2026')).stderr).not.to.include('former');
      }
    });

    it('finds the entry of a certificate, and proves it, in the log that it is in', async () => {
      const { pem, line } = former();
      const [file, der, proof] = ['former.pem', 'former.der', 'former.tlog-proof'].map((name) =>
        join(scratch, name),
      ) as [string, string, string];
      await writeFile(file, pem);
      await writeFile(der, new X509Certificate(pem).raw);
      for (const target of where()) {
        for (const one of [file, der]) {
          const shown = await ok('log', 'show', '--certificate', one, ...target, '--json');
          expect(JSON.parse(shown.stdout)).to.include({
            serial: line['serial'],
            origin: 'localhost/log/2026',
          });
          await ok('log', 'proof', one, ...target, '--out', proof);
          await ok('verify', 'certificate', file, '--trust', trust, '--any-identity', '--proof', proof);
        }
      }
      const other = await runMayfly(['log', 'show', '--certificate', file, '--data', data, '--log', 'next']);
      expect([other.code, other.stderr]).to.satisfy(
        ([code, text]: [number, string]) => code === 1 && /from another log\n.*--log NAME/.test(text),
      );
    });

    it('finds the entry of a line of the audit in the log that the line is of', async () => {
      for (const { line } of [former(), got.at(-1) ?? former()])
        for (const target of where()) {
          const hash = String(line['certificateSha256']);
          const shown = await ok(
            ...['log', 'show', '--certificate-sha256', hash, '--audit', audit, ...target, '--json'],
          );
          expect(JSON.parse(shown.stdout)).to.include({
            serial: line['serial'],
            index: line['leafIndex'],
            origin: line['log'],
          });
        }
    });

    it('goes by the log that a line of the audit names, and where it names none by the serial', async () => {
      const { log, ...before } = former().line;
      expect(log).to.equal('localhost/log/2026');
      const show = async (line: object, ...more: readonly string[]): Promise<string> => {
        const file = join(scratch, 'one-line.jsonl');
        await writeFile(file, `${JSON.stringify(line)}\n`);
        const hash = String(before['certificateSha256']);
        const words = ['log', 'show', '--certificate-sha256', hash, '--audit', file, '--data', data];
        const { code, stdout, stderr } = await runMayfly([...words, '--json', ...more]);
        expect(stderr).to.equal('');
        return code === 0
          ? (JSON.parse(stdout) as { origin: string }).origin
          : (JSON.parse(stdout) as { error: { message: string } }).error.message;
      };
      expect(await show(before)).to.equal(log);
      expect(await show({ ...before, log: 'localhost/log/next' })).to.match(
        /^the audit says serial|^the log has/,
      );
      expect(await show({ ...before, log: 'localhost/log/lost' })).to.match(
        /in the log localhost\/log\/lost, which/,
      );
      expect(await show({ ...before, log }, '--log', '2026')).to.equal(log);
      expect(await show({ ...before, log }, '--log', 'next')).to.match(
        /in the log localhost\/log\/2026, which/,
      );
    });
  });
});

/** Commands and deny list of the section, without their indentation. */
async function incidentBlocks(): Promise<readonly [shell: string, denyList: string]> {
  const text = await readFile(join(projectRoot, 'docs/incidents.md'), 'utf8');
  const section = /\n## After an incident\n(.*?)\n## /s.exec(text)?.[1] ?? '';
  const blocks = [...section.matchAll(/^ {3}```(\w*)\n(.*?)^ {3}```$/gms)].map(
    ([, kind, body = '']) => [kind, body.replaceAll(/^ {3}/gm, '')] as const,
  );
  const of = (wanted: string): string =>
    blocks
      .filter(([kind]) => kind === wanted)
      .map(([, body]) => body)
      .join('');
  return [of(''), of('json')];
}
