import { expect } from 'chai';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeAddCheckpoint } from '../../../tlog/format/add-checkpoint.ts';
import { encodeVkey } from '../../../tlog/format/vkey.ts';
import { madeLog, madeLogKey } from '../../ct-log/support/made-log.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { runMayfly, startMayfly, type MayflyProcess } from '../../support/mayfly.ts';

describe('cli/witness', function () {
  this.timeout(120_000);
  let root: string;
  const running: MayflyProcess[] = [];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-witness-'));
  });
  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill('SIGKILL');
      await ended;
    }
    await rm(root, { recursive: true, force: true });
  });

  const serve = async (directory: string): Promise<{ url: string; program: MayflyProcess }> => {
    const words = ['witness', 'serve', '--directory', directory, '--listen', '127.0.0.1:0', '--json'];
    const program = startMayfly(words);
    running.push(program);
    return { ...(JSON.parse(await program.firstLine) as { url: string }), program };
  };
  const post = async (url: string, body: Uint8Array): Promise<number> =>
    (await fetch(`${url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body) })).status;

  it('makes a witness and serves it by docs/witness.md', async () => {
    const owner = madeLogKey('ca.example.com/log/2026');
    await mkdir(join(root, 'trust'));
    await writeFile(join(root, 'trust/log.vkey'), `${encodeVkey(owner.key)}\n`);
    const [init = '', printed = '', start = ''] = await documentedBlocks('witness.md', 'Run a witness');
    const directory = join(root, 'witness');
    const said = await runBlock(init, root, { '/var/lib/witness': directory });
    const form = /^witness\.example\.org\/w1\+[0-9a-f]{8}\+B[A-Za-z0-9+/]{43}\n$/;
    expect(said).to.match(form);
    expect(printed).to.match(form);
    expect(start.trim()).to.equal(
      'mayfly witness serve --directory /var/lib/witness --listen 127.0.0.1:7380',
    );
    const { url, program } = await serve(directory);
    const checkpoint = madeLog(owner, 3).get('checkpoint') ?? new Uint8Array();
    expect(await post(url, encodeAddCheckpoint({ old: 0, proof: [], checkpoint }))).to.equal(200);
    const second = await runMayfly(['witness', 'serve', '--directory', directory, '--listen', '127.0.0.1:0']);
    expect([second.code, second.stderr]).to.deep.equal([1, second.stderr]);
    expect(second.stderr).to.match(/another process is the witness/);
    program.child.kill('SIGTERM');
    expect(await program.ended).to.equal(0);
    expect(program.stderr()).to.include('"origin":"ca.example.com/log/2026","status":200');
  });

  it('never cosigns two heads of one size, killed at any moment between requests of both', async () => {
    const directory = join(root, 'witness');
    expect((await runMayfly(['witness', 'init', '--directory', directory, '--name', 'w'])).code).to.equal(0);
    const owner = madeLogKey();
    await writeFile(join(directory, 'logs'), `log ${encodeVkey(owner.key)}\n`);
    const cosigned = new Map<number, Set<string>>();
    const note = async (url: string, size: number, history: string): Promise<void> => {
      const files = madeLog(owner, size, (i) => `${history} ${i}`);
      // From the empty tree: only the first of all heads is ever cosigned so.
      const body = encodeAddCheckpoint({
        old: 0,
        proof: [],
        checkpoint: files.get('checkpoint') ?? new Uint8Array(),
      });
      if ((await post(url, body).catch(() => 0)) !== 200) return;
      cosigned.set(size, (cosigned.get(size) ?? new Set<string>()).add(history));
    };
    for (let i = 0; i < 6; i++) {
      // Each time a witness that has seen nothing.
      const fresh = join(root, `witness-${i}`);
      await cp(directory, fresh, { recursive: true });
      const { url, program } = await serve(fresh);
      const sending = Array.from({ length: 8 }, (_, j) => note(url, 10 + i, `${i} ${j}`));
      setTimeout(() => program.child.kill('SIGKILL'), 2 * i);
      await Promise.all(sending);
      program.child.kill('SIGKILL');
      await program.ended;
      const again = await serve(fresh);
      await Promise.all(Array.from({ length: 8 }, (_, j) => note(again.url, 10 + i, `${i} ${8 + j}`)));
      expect(cosigned.get(10 + i)?.size ?? 0, `round ${i}`).to.be.at.most(1);
    }
    expect(cosigned.size).to.be.greaterThan(0);
  });

  it('refuses what cannot be read, and says where', async () => {
    const directory = join(root, 'witness');
    const init = (name: string) => runMayfly(['witness', 'init', '--directory', directory, '--name', name]);
    expect((await init('two words')).code).to.equal(2);
    expect((await init('w')).code).to.equal(0);
    expect((await init('w')).stderr).to.match(/is that of a witness already/);
    await writeFile(join(directory, 'logs'), '# comment\nlog nonsense\n');
    const { code, stderr } = await runMayfly(['witness', 'serve', '--directory', directory]);
    expect([code, stderr]).to.deep.equal([2, stderr]);
    expect(stderr).to.match(/line 2 of the logs of the witness/);
    expect(await readFile(join(directory, 'witness.key.pem'), 'utf8')).to.match(/PRIVATE KEY/);
  });
});
