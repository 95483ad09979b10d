import { expect } from 'chai';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { bodyV2, clientKey, emailToken, post, startTestService } from '../support/test-service.ts';

interface Ready {
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

describe('server: a tile that is lost', () => {
  it('shows in metrics, readiness and a few lines, keeps nobody from signing, and is over when it is back', async () => {
    const service = await startTestService();
    const body = bodyV2(await emailToken(service), clientKey());
    const sign = async (): Promise<number> => {
      const answer = await post(`${service.url}/api/v2/signingCert`, body);
      await answer.text();
      return answer.status;
    };
    for (let i = 0; i < 256; i += 32) await Promise.all(Array.from({ length: 32 }, sign));
    const tile = async (): Promise<number> => {
      const answer = await fetch(`${service.logUrl}/tile/data/000`);
      await answer.arrayBuffer();
      return answer.status;
    };
    // The tile is written behind the last batch, and read from memory until then.
    while (service.log.status().tileBacklog > 0) await sign();
    const file = join(service.logDirectory, 'tile/data/000');
    await rename(file, `${file}.away`);
    for (let i = 0; i < 50; i++) expect(await tile()).to.equal(500);

    const lines = service.lines.filter(({ event }) => event === 'log read failed');
    expect(lines).to.have.length(10);
    expect(lines[0]).to.include({ level: 'error', endpoint: 'tile' });
    expect(lines[0]?.['cause']).to.include('tile/data/000 is missing');
    const metric = async (name: string): Promise<string | undefined> =>
      new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(service.metricsUrl)).text())?.[1];
    expect(await metric('mayfly_log_unreadable_files')).to.equal('1');
    expect(await metric('mayfly_log_degraded')).to.equal('1');
    const readiness = async (): Promise<Ready> =>
      (await (await fetch(`${service.metricsUrl}/readyz`)).json()) as Ready;
    const { ready, checks } = await readiness();
    expect(ready).to.equal(true);
    expect(checks.find(({ name }) => name === 'files')).to.deep.equal({
      name: 'files',
      ok: false,
      detail: 'reads of the log fail: tile/data/000 is missing',
    });
    expect(await sign()).to.equal(200);

    service.skew += 60_000;
    expect(await tile()).to.equal(500);
    const after = service.lines.filter(({ event }) => event === 'log read failed').at(-1);
    expect(after).to.include({ withoutLine: 40 });

    await rename(`${file}.away`, file);
    expect(await tile()).to.equal(200);
    expect(await metric('mayfly_log_unreadable_files')).to.equal('0');
    expect(await metric('mayfly_log_degraded')).to.equal('0');
    expect((await readiness()).checks.find(({ name }) => name === 'files')?.ok).to.equal(true);
    await service.close();
  });
});
