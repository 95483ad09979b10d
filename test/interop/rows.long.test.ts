/** The table of clients is made of tests that a CI run makes anyway, so that it has no step of its own: nothing runs twice. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { LONG_TESTS, SHORT_TESTS } from '../../scripts/checks/checks.ts';
import { projectRoot } from '../support/project-root.ts';
import { CROSS_FILE, isFast, REFUSALS_FILE, ROWS } from './rows.ts';

const run = promisify(execFile);

describe('npm run interop', function () {
  this.timeout(120_000);

  it('has a test for every row', async () => {
    const { stdout } = await run(process.execPath, [join(projectRoot, 'test/interop/run.ts'), '--list']);
    const counts = stdout.trim().split('\n');
    expect(counts).to.have.lengthOf(ROWS.length);
    expect(counts.filter((line) => line.startsWith('0 '))).to.deep.equal([]);
  });

  it('is made of tests that `.ci/run` runs, those of --fast with sigstore-js, sigstore-python, openssl and cosign among them', async () => {
    const { scripts } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as {
      scripts: Readonly<Record<string, string>>;
    };
    expect(scripts['test:long']).to.contain('"dist/test/**/*.long.test.js"');
    const { spec, ignore } = JSON.parse(await readFile(join(projectRoot, '.mocharc.json'), 'utf8')) as {
      spec: readonly string[];
      ignore: readonly string[];
    };
    expect([spec, ignore]).to.deep.equal([['test/**/*.test.ts'], ['test/**/*.long.test.ts']]);
    expect(SHORT_TESTS.command.join(' ')).to.equal('npm test');
    expect(LONG_TESTS.command.join(' ')).to.equal('npm run --silent test:long');
    for (const file of [...ROWS.map((row) => row.file), CROSS_FILE, REFUSALS_FILE])
      expect(file).to.match(/\.test\.ts$/);
    const fast = ROWS.filter(isFast).map(({ client }) => client.split(' ')[0]);
    expect(fast).to.include.members(['sigstore-js', 'sigstore-python', 'openssl', 'cosign']);
  });
});
