import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect } from 'chai';
import { findGoProgram } from '../../bench/go-program.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

describe('bench/go-program', () => {
  it('leaves nothing of a program that Go could not build', function () {
    skipUnless(this, process.platform !== 'win32', 'there is no sh');
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-go-'));
    const { PATH = '' } = process.env;
    try {
      writeFileSync(join(folder, 'go'), '#!/bin/sh\n[ "$1" = version ]\n', { mode: 0o755 });
      process.env['PATH'] = `${folder}${delimiter}${PATH}`;
      const said: string[] = [];
      const version = `v0.0.${process.pid}`;
      const program = { title: 'Nothing', path: 'example.com/nothing', version };
      expect(findGoProgram(program, (text) => said.push(text))).to.equal(undefined);
      expect(said.at(-1)).to.contain('could not build it');
      const kept = readdirSync(join(projectRoot, 'node_modules/.cache/mayfly-bench'));
      expect(kept.filter((name) => name.startsWith(`nothing-${version}`))).to.deep.equal([]);
    } finally {
      process.env['PATH'] = PATH;
      rmSync(folder, { recursive: true });
    }
  });
});
