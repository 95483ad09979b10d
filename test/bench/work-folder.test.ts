import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

const module = new URL(`../../bench/work-folder.${import.meta.url.slice(-2)}`, import.meta.url).href;

describe('bench/work-folder', function () {
  this.timeout(60_000);
  let scratch: string;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'mayfly-work-folder-'));
  });
  afterEach(() => {
    rmSync(scratch, { recursive: true });
  });

  /** A run that makes two folders with a file each, says so, and goes on with `rest`. Returns what lies around when it is there, and when it has ended. */
  async function left(rest: string, signal?: NodeJS.Signals): Promise<readonly [number, number]> {
    const script = `
      import { writeFileSync } from 'node:fs';
      const { workFolder } = await import(${JSON.stringify(module)});
      for (const name of ['a', 'a']) writeFileSync(workFolder(name) + '/file', name);
      console.log('there');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      ${rest}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TMPDIR: scratch },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    const during = readdirSync(scratch).length;
    if (signal === undefined) child.stdin.end('go on');
    else child.kill(signal);
    await ended;
    return [during, existsSync(scratch) ? readdirSync(scratch).length : -1];
  }

  it('leaves nothing behind when a run ends, fails or gets a signal to end', async () => {
    expect(await left('process.exit(0);')).to.deep.equal([1, 0]);
    expect(await left("throw new Error('fails');")).to.deep.equal([1, 0]);
    expect(await left('', 'SIGTERM')).to.deep.equal([1, 0]);
    expect(await left('', 'SIGINT')).to.deep.equal([1, 0]);
  });
});
