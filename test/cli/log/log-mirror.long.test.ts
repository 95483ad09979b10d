import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runMayfly, startDev, startMayfly, type DevMayfly, type MayflyResult } from '../../support/mayfly.ts';

const json = ({ stdout }: MayflyResult): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>;

describe('cli/log mirror', function () {
  this.timeout(240_000);
  let scratch: string;
  let service: DevMayfly;
  let trust: string;
  let certificate: string;
  const at = (...parts: string[]): string => join(scratch, ...parts);
  const log = (...args: string[]): Promise<MayflyResult> => runMayfly(['log', ...args]);

  const sign = async (name: string): Promise<string> => {
    const file = at(name);
    await writeFile(file, `what ${name} holds`);
    const env = { SIGSTORE_ID_TOKEN: await service.token(`${name}@example.com`) };
    const { code, stderr } = await runMayfly(['sign', file, '--url', service.url, '--force'], { env });
    expect(code, stderr).to.equal(0);
    return `${file}.sigstore.json`;
  };

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-mirror-'));
    service = await startDev({ data: at('data') });
    trust = at('trust');
    const exported = await runMayfly([
      ...['trust', 'export', '--data', service.data, '--public-url', service.url, '--out', trust],
    ]);
    expect(exported.code, exported.stderr).to.equal(0);
    certificate = await sign('ada');
    await sign('bob');
  });
  after(async () => {
    await service.stop('SIGKILL');
    await rm(scratch, { recursive: true, force: true });
  });

  it('copies the certificate log of a service, and every reader takes the copy', async () => {
    const copy = at('copy');
    const made = await log('mirror', service.url, '--directory', copy, '--trust', trust, '--json');
    expect(made.code, made.stderr + made.stdout).to.equal(0);
    expect(json(made)).to.deep.include({ size: 2, added: 2, withheld: 0, final: false, directory: copy });
    // What the mirror was begun with is held to: no key is asked for any more.
    for (const command of ['check', 'status']) {
      const { code, stdout, stderr } = await log(command, '--data', copy, '--json');
      expect(code, stdout + stderr).to.equal(0);
      expect(JSON.parse(stdout)).to.have.property('size', 2);
    }
    const shown = await log('show', '1', '--data', copy);
    expect(shown.stdout, shown.stderr).to.include('bob@example.com');
    const found = await log('search', '--data', copy, '--identity', 'ada@example.com', '--json');
    expect(json(found)).to.deep.include({ index: 0 });
    const proof = await log('proof', certificate, '--certificate', '--data', copy, '--out', at('proof'));
    expect(proof.code, proof.stderr).to.equal(0);
    await sign('eve');
    const again = await log('mirror', service.logUrl, '--directory', copy, '--json');
    expect(json(again)).to.deep.include({ size: 3, added: 1 });
  });

  it('takes the key that the log says of itself once, and says so', async () => {
    const copy = at('own-word');
    const made = await log('mirror', service.logUrl, '--directory', copy);
    expect(made.code).to.equal(0);
    expect(made.stderr).to.match(/its? key is the server's own word|the log's key is the server's own word/);
    expect((await log('mirror', service.logUrl, '--directory', copy)).stderr).to.equal('');
  });

  it('copies the log for clients of Rekor v2 by its trusted root or its verifier key, and checks it', async () => {
    const url = `${service.url}/artifacts/v2`;
    const copy = at('rekor');
    const none = await log('mirror', url, '--directory', at('none'));
    expect([none.code, none.stderr]).to.deep.equal([2, none.stderr]);
    expect(none.stderr).to.match(/no key of the log at .* is known/);
    const made = await log('mirror', url, '--directory', copy, '--trust', trust, '--json');
    expect(made.code, made.stderr + made.stdout).to.equal(0);
    const { size } = json(made) as { size: number };
    const checked = await log('check', '--data', copy, '--json');
    expect(json(checked)).to.deep.include({ ok: true, size, withheld: 0 });
    const { keys } = JSON.parse(readFileSync(join(copy, 'mirror.json'), 'utf8')) as { keys: string[] };
    await writeFile(at('rekor.vkey'), `${keys.join('\n')}\n`);
    for (const key of [keys[0] ?? '', at('rekor.vkey')]) {
      await rm(at('keyed'), { recursive: true, force: true });
      const keyed = await log('mirror', url, '--directory', at('keyed'), '--key', key, '--json');
      expect(json(keyed), keyed.stderr).to.deep.include({ size });
    }
    const tile = join(copy, 'tile/0/000.p', String(size));
    await writeFile(
      tile,
      readFileSync(tile).map((byte) => byte ^ 1),
    );
    const wrong = await log('check', '--data', copy);
    expect([wrong.code, wrong.stdout]).to.deep.equal([1, wrong.stdout]);
    expect(wrong.stdout).to.match(/^WRONG: tile\/0\/000/);
  });

  it('refuses of a copy of the log for clients of Rekor v2 what only other logs can answer, and what is not proven', async () => {
    const copy = at('asked');
    await log('mirror', `${service.url}/artifacts/v2`, '--directory', copy, '--trust', trust);
    const own = ['--data', copy] as const;
    for (const [words, sentence] of [
      [['search', '--unused'], /has no certificates to join its entries with/],
      [
        ['search', '--digest', '0'.repeat(64), '--in', 'certificates'],
        /--in certificates: there is a copy of .* and no other log/,
      ],
      [['search'], /say what to look for/],
      [['search', '--identity', 'a', '--from', '1'], /are for the certificate log alone/],
      [['list'], /whose entries are no certificates/],
      [['show', '0', '--pem'], /are no certificates: give INDEX, without --pem/],
      [['show', '0', '--log', '2026'], /is a copy of one log/],
      [['proof', '--entry', '0', '--v1'], /no log for Rekor v1/],
      [['proof', certificate, '--certificate'], /whose entries are no certificates/],
    ] as const) {
      const refused = await log(...words, ...own);
      expect([refused.code, refused.stderr], words.join(' ')).to.deep.equal([2, refused.stderr]);
      expect(refused.stderr, words.join(' ')).to.match(sentence);
    }
    for (const words of [
      ['show', '4711'],
      ['proof', '--entry', '4711'],
      ['proof', '--entry', 'f'.repeat(64)],
    ]) {
      const missing = await log(...words, ...own);
      expect([missing.code, missing.stderr], words.join(' ')).to.deep.equal([1, missing.stderr]);
      expect(missing.stderr).to.contain('`mayfly log mirror` brings');
    }
    const shown = await log('show', '0', ...own);
    expect(shown.stdout, shown.stderr)
      .to.match(/^kind +hashedrekord 0\.0\.2$/m)
      .and.to.match(/^leafHash +\S{44}$/m);
    const bundles = join(copy, 'tile/entries/000.p');
    for (const name of readdirSync(bundles)) {
      const bytes = readFileSync(join(bundles, name));
      // Within the first body: what it says is another than the tree has.
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      await writeFile(join(bundles, name), bytes);
    }
    for (const words of [
      ['show', '0'],
      ['search', '--identity', 'ada@example.com'],
      ['proof', '--entry', '0'],
    ]) {
      const wrong = await log(...words, ...own);
      expect([wrong.code, wrong.stderr], words.join(' ')).to.deep.equal([1, wrong.stderr]);
      expect(wrong.stderr, words.join(' ')).to.contain('entry 0 is another than the tree has');
    }
  });

  it('follows a log, is killed at any moment, and goes on', async () => {
    const copy = at('followed');
    const words = ['log', 'mirror', service.logUrl, '--directory', copy, '--trust', trust];
    for (const wait of [300, 600, 900, 1200]) {
      const following = startMayfly([...words, '--follow', '--interval', '1', '--json']);
      const signing = sign('ada');
      await delay(wait);
      following.child.kill('SIGKILL');
      await following.ended;
      await signing;
      // Whole at each moment, if it was begun.
      if (!existsSync(join(copy, 'checkpoint'))) continue;
      const checked = await log('check', '--data', copy);
      expect(checked.code, checked.stdout + checked.stderr).to.equal(0);
    }
    const following = startMayfly([...words, '--follow', '--interval', '1', '--json']);
    const first = JSON.parse(await following.firstLine) as { size: number };
    await sign('ada');
    while (!following.stdout().includes(`"size":${first.size + 1}`)) await delay(100);
    following.child.kill('SIGTERM');
    await following.ended;
    expect(json(await log('check', '--data', copy, '--json'))).to.deep.include({
      ok: true,
      size: first.size + 1,
    });
  });

  it('ends where the log has ended', async () => {
    const copy = at('ended');
    const { origin } = json(await log('status', '--data', service.data, '--json')) as { origin: string };
    const { data } = service;
    await service.stop();
    const frozen = await log('freeze', '--data', data, '--confirm', origin);
    expect(frozen.code, frozen.stderr).to.equal(0);
    service = await startDev({ data });
    const { code, stdout, stderr } = await log(
      ...['mirror', service.logUrl, '--directory', copy, '--trust', trust, '--follow', '--json'],
    );
    expect(code, stdout + stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.include({ final: true });
  });

  it('exits with 3 where it cannot be judged, and 2 for wrong use', async () => {
    const away = await log(
      'mirror',
      'http://127.0.0.1:1/log/2026',
      '--directory',
      at('away'),
      '--trust',
      trust,
    );
    expect([away.code, existsSync(at('away'))]).to.deep.equal([3, false]);
    for (const more of [
      ['--parallel', '0'],
      ['--rate', 'x'],
      ['--key', 'nonsense'],
      ['--follow', '--timeout', '3'],
    ]) {
      const wrong = await log('mirror', service.logUrl, '--directory', at('wrong'), ...more);
      expect([wrong.code, more]).to.deep.equal([2, more]);
    }
  });
});
