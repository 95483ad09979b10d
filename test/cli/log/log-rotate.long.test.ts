import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { runMayfly, startDev, type MayflyResult } from '../../support/mayfly.ts';

describe('mayfly log rotate', function () {
  this.timeout(120_000);
  let cwd: string;
  let data: string;
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-log-rotate-'));
    data = join(cwd, 'data');
  });
  afterEach(() => rm(cwd, { recursive: true, force: true }));

  const log = (...words: string[]): Promise<MayflyResult> =>
    runMayfly(['log', ...words, '--data', data], { cwd });
  const json = async (...words: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await log(...words, '--json');
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const init = (...words: string[]): Promise<MayflyResult> =>
    runMayfly(
      ['init', '--data', data, '--root-key-out', 'root.key', '--origin', 'ca.example.com/log/2026', ...words],
      { cwd },
    );

  it('takes one step at a time, and says what comes next', async () => {
    expect((await init()).code).to.equal(0);
    for (const words of [[], ['--stage', '--switch'], ['--stage', '--discard']]) {
      const { code, stderr } = await log('rotate', ...words);
      expect([code, stderr]).to.satisfy(
        ([status, text]: [number, string]) =>
          status === 2 && /say which step.*[^]*Verifiers must have its key/.test(text),
      );
    }
    expect((await log('rotate', '--switch', '--origin', 'ca.example.com/log/x')).code).to.equal(2);
    expect((await log('rotate', '--stage', '--origin', 'https://ca.example.com/log/x')).code).to.equal(2);
    const none = await log('rotate', '--switch');
    expect([none.code, none.stderr]).to.satisfy(
      ([status, text]: [number, string]) => status === 1 && /no log is staged[^]*--stage/.test(text),
    );
    expect(await json('rotate', '--discard')).to.deep.equal({ ended: [], removed: [] });
    await json('rotate', '--stage', '--origin', 'ca.example.com/log/first');
    const discarded = await json('rotate', '--discard');
    expect(discarded).to.have.nested.property('ended[0].name', '/log/first/');
    expect(discarded['removed']).to.have.length(3);
    const again = await log('rotate', '--stage', '--origin', 'ca.example.com/log/first');
    expect(again.stderr).to.match(/called first already/);
    const staged = await log('rotate', '--stage', '--origin', 'ca.example.com/log/next');
    expect(staged.stdout).to.match(
      /^Staged: ca\.example\.com\/log\/next, an empty log[^]*trust export[^]*log rotate --data .* --switch/,
    );
    expect(await json('rotate', '--stage'))
      .to.deep.include({ isNew: false })
      .and.to.have.nested.property('staged.name', 'next');
    expect((await json('status'))['origin']).to.equal('ca.example.com/log/2026');
    const switched = await log('rotate', '--switch');
    expect(switched.stdout).to.match(
      /^In use from the next start of the service: ca\.example\.com\/log\/next\n/,
    );
    expect(switched.stdout).to.match(/2026 ended at[^]*trust end .* --log 2026 --at \S+ --reason superseded/);
    expect((await json('status'))['origin']).to.equal('ca.example.com/log/next');
    expect((await json('status', '--log', '2026'))['frozenAt']).to.be.a('string');
    const unknown = await log('status', '--log', '2031');
    expect([unknown.code, unknown.stderr]).to.satisfy(
      ([status, text]: [number, string]) =>
        status === 2 && /holds no log "2031"[^]*--log: 2026, next/.test(text),
    );
    const freeze = await log('freeze', '--confirm', 'ca.example.com/log/2026', '--log', 'next');
    expect(freeze.stderr).to.include('which is ca.example.com/log/next');
  });

  it('keeps every entry of a service that was killed after the switch', async () => {
    const first = await startDev({ data });
    const issue = async (from: typeof first): Promise<void> => {
      const env = { SIGSTORE_ID_TOKEN: await from.token('ada@example.com') };
      const words = ['certificate', '--url', from.url, '--out', join(cwd, `cert-${Math.random()}`)];
      const { code, stderr } = await runMayfly(words, { env });
      expect(code, stderr).to.equal(0);
    };
    await issue(first);
    const name = new URL(first.logUrl).pathname.slice('/log/'.length);
    await json('rotate', '--stage');
    const { current, former } = await json('rotate', '--switch');
    expect(former).to.have.length(1).and.to.have.nested.property('[0].frozenAt', null);
    await issue(first);
    await first.stop('SIGKILL');
    const second = await startDev({ data });
    try {
      expect(second.logUrl).to.equal(`${second.url}/log/${(current as { name: string }).name}`);
      while ((await json('status', '--log', name))['frozenAt'] === undefined) await delay(50);
      expect(await json('check', '--log', name)).to.include({ ok: true, size: 2 });
      await issue(second);
      expect(await json('check')).to.include({ ok: true, size: 1 });
    } finally {
      await second.stop();
    }
  });
});
