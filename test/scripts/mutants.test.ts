import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { copyCheckout } from '../../scripts/mutants/copy-checkout.ts';
import { placesOf } from '../../scripts/mutants/mutant.ts';
import { PARTS } from '../../scripts/mutants/parts.ts';
import { projectRoot } from '../support/project-root.ts';

describe('the list of mutants', () => {
  for (const [part, files] of PARTS)
    it(`changes what is there in exactly one place: ${part}`, () => {
      const stale = files.flatMap(({ file, mutants }) => {
        const source = readFileSync(join(projectRoot, file), 'utf8');
        return mutants.filter((mutant) => placesOf(source, mutant) !== 1 || mutant[1] === mutant[2]);
      });
      expect(stale).to.deep.equal([]);
    });

  it('names test files that exist, and each mutant once', () => {
    const files = [...PARTS.values()].flat();
    for (const { tests } of files)
      for (const test of tests) expect(existsSync(join(projectRoot, test)), test).to.equal(true);
    const names = files.flatMap(({ file, mutants }) => mutants.map(([wrong]) => `${file}: ${wrong}`));
    expect(names.filter((name, at) => names.indexOf(name) !== at)).to.deep.equal([]);
  });
});

describe('the checkout that mutants are tried in', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-checkout-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it('is the one that is there, with what was changed, added and deleted', () => {
    const [here, copy] = [join(root, 'here'), join(root, 'copy')];
    mkdirSync(join(here, 'folder'), { recursive: true });
    const write = (file: string, text: string): void => {
      writeFileSync(join(here, file), text);
    };
    for (const file of ['changed', 'deleted', 'folder/kept']) write(file, 'as it was');
    write('.gitignore', 'ignored\n');
    const git = (...words: string[]): unknown => execFileSync('git', words, { cwd: here, stdio: 'pipe' });
    git('init', '--quiet');
    git('add', '.');
    write('changed', 'as it is');
    write('added', 'new');
    write('ignored', 'no');
    rmSync(join(here, 'deleted'));
    copyCheckout(here, copy);
    expect(readdirSync(copy).sort()).to.deep.equal(['.gitignore', 'added', 'changed', 'folder']);
    expect(readFileSync(join(copy, 'changed'), 'utf8')).to.equal('as it is');
    expect(readdirSync(join(copy, 'folder'))).to.deep.equal(['kept']);
  });
});
