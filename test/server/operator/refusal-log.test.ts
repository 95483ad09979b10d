import { expect } from 'chai';
import { RefusalLog } from '../../../server/operator/refusal-log.ts';
import { createServiceLog } from '../../../server/operator/service-log.ts';
import { bodyV2, clientKey, emailToken, post, startTestService } from '../../support/test-service.ts';

const START = 1_000_000;

describe('server: lines of the service log that callers cause', () => {
  const time = { now: START };
  const lines: Record<string, unknown>[] = [];
  const serviceLog = createServiceLog(
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    'info',
  );
  beforeEach(() => {
    time.now = START;
    lines.length = 0;
  });
  const refuse = (on: RefusalLog, count: number, reason = 'TOKEN_MISSING', issuerBlock?: string): number => {
    let given = 0;
    for (let i = 0; i < count; i++) if (on.take(issuerBlock, reason)) given++;
    return given;
  };

  it('are as many a minute as in the audit for each reason and issuer block, and the rest is one line', () => {
    const all = new RefusalLog(serviceLog, () => time.now);
    expect(refuse(all, 1000)).to.equal(60);
    expect(refuse(all, 1000, 'RULE_DENIED', 'people')).to.equal(60);
    expect(refuse(all, 5, 'RULE_DENIED', 'robots')).to.equal(5);
    time.now += 30_000;
    expect(refuse(all, 1000)).to.equal(30);
    all.close();
    expect(lines).to.deep.include.members([
      {
        level: 'warn',
        time: lines[0]?.['time'],
        event: 'suppressed',
        reason: 'TOKEN_MISSING',
        count: 1910,
        from: new Date(START).toISOString(),
        to: new Date(time.now).toISOString(),
      },
    ]);
    expect(lines.at(-1)).to.include({ entry: 'people', reason: 'RULE_DENIED', count: 940 });
  });

  it('are summed up once in a while, and only when something had none', async () => {
    const all = new RefusalLog(serviceLog, () => time.now, 5);
    expect(refuse(all, 61)).to.equal(60);
    while (lines.length < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(lines.at(-1)).to.include({ event: 'suppressed', count: 1 });
    all.close();
    expect(lines).to.have.length(1);
  });

  it('are bounded in a service without an audit, and the end says what had none', async () => {
    const service = await startTestService();
    const refused = async (body: unknown): Promise<void> => {
      await (await post(`${service.url}/api/v2/signingCert`, body)).arrayBuffer();
    };
    for (let i = 0; i < 150; i++) await refused({});
    for (let i = 0; i < 150; i++) await refused('no JSON');
    const good = bodyV2(await emailToken(service), clientKey());
    expect((await post(`${service.url}/api/v2/signingCert`, good)).status).to.equal(200);
    await service.close();
    const of = (event: string): Record<string, unknown>[] =>
      service.lines.filter((one) => one['event'] === event);
    // A slow machine may have filled the budget a little meanwhile.
    expect(of('refused').length).to.be.within(120, 200);
    expect(of('issued')).to.have.length(1);
    const suppressed = of('suppressed').reduce((sum, { count }) => sum + Number(count), 0);
    expect(of('refused').length + suppressed).to.equal(300);
    expect(service.lines.at(-1)).to.include({ event: 'closed' });
  });
});
