/** The lines of docs/compatibility.md for cosign, run as they stand; and that no page names a line that
 * would post a name to the public Rekor. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { type DevMayfly, mayflyWords, plainEnvironment, runMayfly, startDev } from '../support/mayfly.ts';
import { freePort } from '../../bench/free-port.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** Blocks of the Markdown text, each as its commands on one line each. */
const blocksIn = (markdown: string): string[][] =>
  [...markdown.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, body = '']) =>
    body
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .filter(Boolean),
  );

/** Clients are the private service's from here on. */
const isInitialize = (line: string): boolean => line.includes('cosign initialize --mirror http');

const linesForCosign = (): string[] => {
  const text = readFileSync(join(projectRoot, 'docs/compatibility.md'), 'utf8');
  return blocksIn(/\n### Sign with cosign\n(.*?)\n### /s.exec(text)?.[1] ?? '').flat();
};

/** The commands of README about an image, without their prompt, and what stands below each. */
const linesForImage = (): { line: string; prints: string[] }[] => {
  const text = readFileSync(join(projectRoot, 'README.md'), 'utf8');
  const section = /\n### An image, with stock cosign\n(.*?)\n### /s.exec(text)?.[1] ?? '';
  const found: { line: string; prints: string[] }[] = [];
  for (const line of blocksIn(section).flat())
    if (line.startsWith('$ ')) found.push({ line: line.slice(2), prints: [] });
    else if (line !== '[...]') found.at(-1)?.prints.push(line);
  return found;
};

describe('judge: cosign', function () {
  this.timeout(600_000);
  let service: DevMayfly | undefined;

  after(() => service?.stop());

  it('reads on no page to sign in a way that posts the name to the public Rekor', () => {
    const pages = ['README.md', ...globSync('docs/*.md', { cwd: projectRoot })];
    const text = pages.map((page) => readFileSync(join(projectRoot, page), 'utf8')).join('\n');
    const signing = blocksIn(text)
      .filter((lines) => !lines.some(isInitialize))
      .flat()
      .filter((line) => /cosign (sign|attest)(-blob)? |\bsign\(/.test(line));
    expect(signing).to.have.length.greaterThan(2);
    for (const line of signing)
      expect(line).to.match(
        /--tlog-upload=false|--signing-config |--rekor-url (?!\S*sigstore\.dev)|tlogUpload: false|rekorURL: url/,
      );
    const quoted = [...text.matchAll(/`([^`\n]*(?:cosign sign(?:-blob)? |sign\(data)[^`\n]*)`/g)].map(
      ([, words]) => words,
    );
    expect(quoted).to.deep.equal([]);
  });

  it('signs and verifies by the lines of docs/compatibility.md', async function () {
    const cosign = process.env['COSIGN'] ?? (await needClient(this, 'cosign-3.1.2'));
    service = await startDev({ byLauncher: 'built' });
    const { url, issuerUrl, scratch, data } = service;
    await runMayfly([
      'trust',
      'export',
      '--data',
      data,
      '--public-url',
      url,
      '--out',
      join(scratch, 'trust'),
    ]);
    await writeFile(join(scratch, 'app.tar.gz'), 'what is signed');
    const env = { PATH: process.env['PATH'], HOME: scratch };
    const lines = linesForCosign();
    expect(lines).to.have.length(3);
    // The line by flags again before the one that verifies: both bundles are judged.
    const [sign = '', verify = '', flags = ''] = lines;
    for (const line of [sign, verify, flags, verify]) {
      const real = line
        .replaceAll('https://ca.example.com', url)
        .replaceAll('https://login.example.com', issuerUrl)
        .replace(/(?<=^|\s)cosign(?= )/, `'${cosign}'`);
      await writeFile(join(scratch, 'token.txt'), await service.token('you@example.com'));
      const { stderr } = await run('sh', ['-c', real], { cwd: scratch, env });
      if (line === verify) expect(stderr).to.include('Verified OK');
      else expect(stderr).to.not.match(/sigstore\.dev/);
    }
  });

  it('signs an image by the lines of README, which name no file and no service', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const crane = await needClient(this, 'crane-0.20.6');
    service ??= await startDev({ byLauncher: 'built' });
    const { url, issuerUrl, scratch, data } = service;
    const { stdout } = await runMayfly(['trust', 'tuf', 'status', '--data', data, '--json']);
    const { root } = JSON.parse(stdout) as { root: { sha256: string } };
    const port = await freePort();
    const mayfly = [process.execPath, ...mayflyWords([], 'built')].map((word) => `'${word}'`).join(' ');
    const steps = linesForImage();
    expect(steps.map(({ line }) => line.replace(/ .*/, ''))).to.deep.equal([
      'cosign',
      'crane',
      'tar',
      'SIGSTORE_ID_TOKEN=$(./bin/mayfly.js',
      'cosign',
      'cosign',
      './bin/mayfly.js',
    ]);
    const real = (text: string): string =>
      text
        .replaceAll('http://127.0.0.1:5555', url)
        .replaceAll('http://127.0.0.1:5556', issuerUrl)
        .replaceAll('127.0.0.1:5000', `127.0.0.1:${port}`)
        .replaceAll('./bin/mayfly.js token', `${mayfly} token --data '${data}'`)
        .replaceAll('./bin/mayfly.js', mayfly)
        .replaceAll('README.md', `'${join(projectRoot, 'README.md')}'`)
        .replaceAll('[...]', root.sha256);
    // What differs from run to run.
    const shape = (text: string): string =>
      text.replaceAll(/[0-9a-f]{64}/g, 'DIGEST').replaceAll(/\d+ {2}\d{4}-\d\d-\d\dT[\d:]+Z/g, 'INDEX  TIME');
    const script = steps
      .map(({ line }, index) =>
        index === 1 ? `${line}\nsleep 1` : `${line}\necho "end of ${index}: $?"\necho "end of ${index}" >&2`,
      )
      .map(real)
      .join('\n');
    const path = `${dirname(cosign)}:${dirname(crane)}:${process.env['PATH'] ?? ''}`;
    const env = { ...plainEnvironment(), HOME: scratch, PATH: path };
    const ended = await run('sh', ['-c', `${script}\nkill $!`], { cwd: scratch, env });
    const of = (output: string, index: number): string => {
      const marks = [...output.matchAll(/^end of (\d)(?:: \d+)?$/gm)];
      const at = marks.findIndex(([, number]) => Number(number) === index);
      return output.slice(marks[at - 1]?.index ?? 0, marks[at]?.index ?? 0);
    };
    expect(
      [...ended.stdout.matchAll(/^end of (\d): (\d+)$/gm)].map(([, , code]) => Number(code)),
    ).to.deep.equal([0, 0, 0, 0, 1, 0]);
    for (const [index, { prints }] of steps.entries())
      for (const line of prints)
        expect(shape(`${of(ended.stderr, index)}\n${of(ended.stdout, index)}`)).to.include(shape(real(line)));
    expect(ended.stderr).to.not.match(/sigstore\.dev|WARN/);
  });
});
