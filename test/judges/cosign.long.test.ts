/** The lines of docs/compatibility.md for cosign, run as they stand; and that no page names a line that
 * would post a name to the public Rekor. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** Commands of the Markdown text, each on one line. */
const commandsIn = (markdown: string): string[] =>
  [...markdown.matchAll(/^```\w*\n(.*?)^```$/gms)].flatMap(([, body = '']) =>
    body
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .filter(Boolean),
  );

const linesForCosign = (): string[] => {
  const text = readFileSync(join(projectRoot, 'docs/compatibility.md'), 'utf8');
  return commandsIn(/\n### Sign with cosign\n(.*?)\n### /s.exec(text)?.[1] ?? '');
};

describe('judge: cosign', function () {
  this.timeout(600_000);
  let service: DevMayfly | undefined;

  after(() => service?.stop());

  it('reads on no page to sign in a way that posts the name to the public Rekor', () => {
    const pages = ['README.md', ...globSync('docs/*.md', { cwd: projectRoot })];
    const text = pages.map((page) => readFileSync(join(projectRoot, page), 'utf8')).join('\n');
    const signing = commandsIn(text).filter((line) => /cosign (sign|attest)(-blob)? |\bsign\(/.test(line));
    expect(signing).to.have.length.greaterThan(2);
    for (const line of signing)
      expect(line).to.match(
        /--tlog-upload=false|--signing-config |--rekor-url (?!\S*sigstore\.dev)|tlogUpload: false/,
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
});
