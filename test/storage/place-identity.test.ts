import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { derivedId, fileIdentity } from '../../storage/place-identity.ts';
import { machineEnvironment } from '../support/machines.ts';
import { plainEnvironment } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

describe('storage/place-identity', function () {
  this.timeout(20_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mayfly-place-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it('derives the id of a machine as systemd does', () => {
    // From systemd's own tests, `systemd-id128 -a f03d… show 51df…`.
    const id = derivedId('51df0b4bc3b04c9780e299b98ca373b8', 'f03daaeb1c334b43a732172944bf772e');
    expect(id).to.equal('1dee5954e75c4d6fb96cc6c04ca18a86');
  });

  it('names a machine that systemd runs, and no container', function () {
    skipUnless(this, process.platform === 'linux', 'machines have no id here');
    const module = new URL('../../storage/place-identity.ts', import.meta.url).href.replace(
      /\.ts$/,
      import.meta.url.endsWith('.js') ? '.js' : '.ts',
    );
    const shown = (id: string | undefined, more: NodeJS.ProcessEnv = {}): string => {
      const script = `console.log((await import(${JSON.stringify(module)})).machineId() ?? 'none')`;
      const env = { ...plainEnvironment(), ...machineEnvironment(root, id), ...more };
      return execFileSync(process.execPath, ['--input-type=module', '-e', script], { env }).toString().trim();
    };
    const own = shown('a'.repeat(32));
    expect(own)
      .to.match(/^[0-9a-f]{32}$/)
      .and.not.equal('a'.repeat(32));
    expect(shown('a'.repeat(32))).to.equal(own);
    expect(shown('b'.repeat(32)))
      .to.match(/^[0-9a-f]{32}$/)
      .and.not.equal(own);
    expect(shown(undefined)).to.equal('none');
    expect(shown('a'.repeat(32), { KUBERNETES_SERVICE_HOST: '10.0.0.1' })).to.equal('none');
    expect(shown('a'.repeat(32), { container: 'podman' })).to.equal('none');
    for (const wrong of ['uninitialized', '0'.repeat(32), 'a'.repeat(31)])
      expect(shown(wrong)).to.equal('none');
  });

  it('knows a file again that was written, touched, renamed and reached in another way, and no copy of it', function () {
    const path = join(root, 'a');
    writeFileSync(path, 'x');
    const own = fileIdentity(path);
    skipUnless(this, own !== undefined, 'files have no time of their making here');
    appendFileSync(path, 'y');
    utimesSync(path, 1, 1);
    renameSync(path, join(root, 'b'));
    symlinkSync('b', path);
    expect(fileIdentity(path)).to.equal(own);
    copyFileSync(path, join(root, 'c'));
    expect(fileIdentity(join(root, 'c'))).to.not.equal(own);
    rmSync(join(root, 'b'));
    expect(fileIdentity(path), 'it is gone').to.equal(undefined);
    copyFileSync(join(root, 'c'), join(root, 'b'));
    expect(fileIdentity(path), 'even where the number is given out again').to.not.equal(own);
  });
});
