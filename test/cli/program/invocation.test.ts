import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect } from 'chai';
import { adviceUnderNpm, invocation } from '../../../cli/program/invocation.ts';

describe('cli/program/invocation', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly invocation-'));
    for (const folder of ['bin', 'other', 'lib/mayfly/bin', 'project/node_modules/.bin'])
      mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, 'lib/mayfly/bin/mayfly.js'), '');
    writeFileSync(join(root, 'other/mayfly'), '');
    chmodSync(join(root, 'other/mayfly'), 0o755);
    for (const folder of ['bin', 'project/node_modules/.bin'])
      symlinkSync(join(root, 'lib/mayfly/bin/mayfly.js'), join(root, folder, 'mayfly'));
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  const CASES: readonly [what: string, script: string, path: string[], expected: string | undefined][] = [
    ['installed, and found by its name', 'bin/mayfly', ['bin'], 'mayfly'],
    ['installed, and handed over by its real path', 'lib/mayfly/bin/mayfly.js', ['bin'], 'mayfly'],
    ['installed, and not on the PATH', 'bin/mayfly', ['nowhere'], undefined],
    ['installed behind another program of the name', 'bin/mayfly', ['other', 'bin'], undefined],
    [
      'run by npx, whose PATH ends with it',
      'project/node_modules/.bin/mayfly',
      ['project/node_modules/.bin'],
      undefined,
    ],
    ['a checkout', 'lib/mayfly/bin/mayfly.js', ['nowhere'], undefined],
  ];
  for (const [what, script, path, expected] of CASES) {
    it(`holds in every directory: ${what}`, () => {
      const absolute = join(root, script);
      const called = invocation(absolute, path.map((folder) => join(root, folder)).join(delimiter));
      expect(called).to.equal(expected ?? `'${absolute}'`);
    });
  }

  it('is the plain name where another program runs this one', () => {
    expect(invocation('/srv/test/cli-entry.ts', '')).to.equal('mayfly');
  });

  it('says how to pass an option through npm start, and only there', () => {
    const advice = 'Stop that program, or choose another address: --listen 127.0.0.1:0 picks a free port.';
    expect(adviceUnderNpm(advice, {})).to.equal(advice);
    expect(adviceUnderNpm(advice, { npm_lifecycle_event: 'npx' })).to.equal(advice);
    expect(adviceUnderNpm(advice, { npm_lifecycle_event: 'start' })).to.equal(
      `${advice} Started by npm, the option goes after "--": npm start -- --listen 127.0.0.1:0`,
    );
    expect(adviceUnderNpm('Wait.', { npm_lifecycle_event: 'start' })).to.equal('Wait.');
  });
});
