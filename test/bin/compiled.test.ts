import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';

const program = (says: string): string =>
  `(function (require, module, exports) { const { readFileSync } = require('node:fs'); exports.main = ([word]) => console.log(${says}, word, typeof readFileSync); })`;

describe('bin/compiled.js', function () {
  this.timeout(60_000);
  let checkout: string;
  let bundle: string;
  beforeEach(() => {
    checkout = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-compiled-')));
    cpSync(join(projectRoot, 'bin'), join(checkout, 'bin'), { recursive: true });
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
    for (const folder of ['cli', 'commands']) mkdirSync(join(checkout, 'dist', folder), { recursive: true });
    writeFileSync(
      join(checkout, 'dist/cli/main.js'),
      "export const main = ([word]) => console.log('whole', word);",
    );
    bundle = join(checkout, 'dist/commands/quick.cjs');
    writeFileSync(bundle, program('1111'));
  });
  afterEach(() => {
    rmSync(checkout, { recursive: true });
  });

  const run = (...words: string[]): string =>
    execFileSync(process.execPath, [...words.slice(1), join(checkout, 'bin/mayfly.js'), words[0] ?? ''], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  const compile = (): void => {
    const module = pathToFileURL(join(checkout, 'bin/compiled.js')).href;
    const script = `import(${JSON.stringify(module)}).then(({ compile }) => compile(${JSON.stringify(bundle)}))`;
    execFileSync(process.execPath, ['-e', script]);
  };

  it('starts the file of a command where there is one, and the whole program for every other', () => {
    expect(run('quick')).to.equal('1111 quick function\n');
    expect(run('other')).to.equal('whole other\n');
  });

  it('runs what was compiled of it', () => {
    compile();
    expect(readdirSync(join(checkout, 'dist/commands'))).to.have.length(2);
    expect(run('quick')).to.equal('1111 quick function\n');
    // The engine sees no difference to a text that is as long: what runs is the code.
    writeFileSync(bundle, program('2222'));
    expect(run('quick')).to.equal('1111 quick function\n');
  });

  it('lets a file know where it lies', () => {
    writeFileSync(
      bundle,
      '(function (require, module, exports, __filename) { exports.main = () => console.log(__filename); })',
    );
    expect(run('quick')).to.equal(`${bundle}\n`);
  });

  it('compiles it again where the code is of another text, of other flags, or damaged', () => {
    compile();
    expect(run('quick', '--no-opt')).to.equal('1111 quick function\n');
    const [code = ''] = readdirSync(join(checkout, 'dist/commands')).filter((name) => name.endsWith('.code'));
    writeFileSync(bundle, program('33333'));
    expect(run('quick')).to.equal('33333 quick function\n');
    writeFileSync(join(checkout, 'dist/commands', code), 'no code');
    expect(run('quick')).to.equal('33333 quick function\n');
  });
});
