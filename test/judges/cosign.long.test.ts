/** The lines of docs/compatibility.md for cosign, run as they stand where cosign is there; and that no page names a line that
 * would post a name to the public Rekor. */
import { execFile, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { type DevMayfly, runMayfly, startDev } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const run = promisify(execFile);
const cosign = process.env['COSIGN'] ?? 'cosign';

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
  this.timeout(120_000);
  let service: DevMayfly | undefined;

  after(() => service?.stop());

  it('reads on no page to sign in a way that posts the name to the public Rekor', () => {
    const pages = ['README.md', ...globSync('docs/*.md', { cwd: projectRoot })];
    const text = pages.map((page) => readFileSync(join(projectRoot, page), 'utf8')).join('\n');
    const signing = commandsIn(text).filter((line) => /cosign (sign|attest)(-blob)? |\bsign\(/.test(line));
    expect(signing).to.have.length.greaterThan(2);
    for (const line of signing)
      expect(line).to.match(/--tlog-upload=false|--signing-config |tlogUpload: false/);
    const quoted = [...text.matchAll(/`([^`\n]*(?:cosign sign|sign\(data)[^`\n]*)`/g)].map(
      ([, words]) => words,
    );
    expect(quoted).to.deep.equal([]);
  });

  it('signs and verifies by the lines of docs/compatibility.md', async function () {
    skipUnless(
      this,
      spawnSync(cosign, ['version']).status === 0,
      'there is no cosign (COSIGN=/path/to/cosign)',
    );
    service = await startDev({ byLauncher: 'built' });
    const { url, issuerUrl, scratch, data } = service;
    await runMayfly(['trust', 'export', '--data', data, '--out', join(scratch, 'trust')]);
    await writeFile(join(scratch, 'app.tar.gz'), 'what is signed');
    const start = new Date(Date.now() - 3_600_000).toISOString().replace(/\.\d+/, '');
    const env = { PATH: process.env['PATH'], HOME: scratch };
    const lines = linesForCosign();
    expect(lines).to.have.length(5);
    // The line by flags again before the one that verifies: both bundles are judged.
    const [config = '', root = '', sign = '', verify = '', flags = ''] = lines;
    for (const line of [config, root, sign, verify, flags, verify]) {
      const real = line
        .replaceAll('https://ca.example.com', url)
        .replaceAll('https://login.example.com', issuerUrl)
        .replaceAll('2026-01-01T00:00:00Z', start)
        .replace(/(?<=^|\s)cosign(?= )/, `'${cosign}'`);
      await writeFile(join(scratch, 'token.txt'), await service.token('you@example.com'));
      const { stderr } = await run('sh', ['-c', real], { cwd: scratch, env });
      if (line === verify) expect(stderr).to.include('Verified OK');
      else expect(stderr).to.not.match(/sigstore\.dev/);
    }
  });
});
