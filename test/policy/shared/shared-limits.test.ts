import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { PolicyError } from '../../../policy/core/policy-error.ts';
import { sharedLimiter, type AnyLimiter, type Taken } from '../../../policy/rate-limit.ts';
import { SharedLimits } from '../../../policy/shared/shared-limits.ts';
import type { PostgresPlace } from '../../../storage/postgres.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { failureAs } from '../../support/failure.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

describe('policy/shared/shared-limits', function () {
  this.timeout(60_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  const opened: SharedLimits[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
  });
  after(() => server?.remove());
  beforeEach(async () => {
    schemas++;
    await migrate(place());
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const place = (port = running().port): PostgresPlace => ({
    url: running().url({ schema: `limits_${schemas}` }, port),
    passwordFile: running().passwordFile,
  });
  const LIMIT = { perMinute: 1, burst: 20 };
  /** The limiter of one of several services. */
  const service = (limit = LIMIT, at = place(), scope: readonly string[] = ['test']): AnyLimiter => {
    const buckets = new SharedLimits(at);
    opened.push(buckets);
    return sharedLimiter(limit, scope, buckets);
  };
  const takeAll = (limiters: readonly AnyLimiter[], name: string, each: number): Promise<Taken[]> =>
    Promise.all(
      limiters.flatMap((one) => Array.from({ length: each }, () => Promise.resolve(one.take(name)))),
    );
  const granted = (taken: readonly Taken[]): number => taken.filter(({ ok }) => ok).length;
  const change = (sql: string) => running().query(`SET search_path = limits_${schemas}; ${sql}`);

  it('let through what one limit allows, over all services that take at once, and say when to come back', async () => {
    const services = [service(), service(), service()];
    const names = ['a', 'b', 'c', 'd'];
    const counts = await Promise.all(names.map(async (name) => granted(await takeAll(services, name, 30))));
    expect(counts).to.deep.equal([20, 20, 20, 20]);
    const refused = await services[1]?.take('a');
    expect(refused).to.include({ ok: false });
    expect((refused as { retryAfterSeconds: number }).retryAfterSeconds).to.be.within(1, 60);
  });

  it('fill as the limit says, and never more than that, however often is asked', async () => {
    const services = [service({ perMinute: 600, burst: 2 }), service({ perMinute: 600, burst: 2 })];
    const began = performance.now();
    let total = 0;
    for (let round = 0; round < 20; round++) {
      total += granted(await takeAll(services, 'a', 3));
      await delay(30);
    }
    const most = 2 + (performance.now() - began) / 100;
    expect(total).to.be.within(4, Math.floor(most));
  });

  it('are kept apart by name, by what is limited and by how much', async () => {
    const others = [service(), service(LIMIT, place(), ['other']), service({ perMinute: 2, burst: 20 })];
    expect(granted(await takeAll([service()], 'a', 30))).to.equal(20);
    for (const one of others.slice(1)) expect(granted(await takeAll([one], 'a', 30))).to.equal(20);
    expect(granted(await takeAll(others.slice(0, 1), 'b', 30))).to.equal(20);
  });

  it('put back what came to nothing for every service, no more than a bucket holds, and take what costs more', async () => {
    const [a, b] = [service(), service()];
    const taken = await takeAll([a], 'a', 20);
    for (const one of taken.slice(0, 5)) a.refund(one);
    // Questions of one service are answered in their order.
    await a.take('another');
    expect(granted(await takeAll([b], 'a', 20))).to.equal(5);
    const [one] = await takeAll([b], 'c', 1);
    if (one !== undefined) for (let i = 0; i < 3; i++) b.refund(one);
    await b.take('another');
    const all = await takeAll([a, b], 'c', 15);
    expect(granted(all)).to.equal(20);
    const [costly] = await takeAll([a], 'd', 1);
    if (costly !== undefined) a.charge(costly, 14);
    await a.take('another');
    expect(granted(await takeAll([b], 'd', 20))).to.equal(5);
  });

  it('stand still while the clock of the server is behind, and are full after a crash of it', async () => {
    const one = service();
    expect(granted(await takeAll([one], 'a', 30))).to.equal(20);
    await change('UPDATE limit_bucket SET at = at + 86400000');
    expect(granted(await takeAll([one], 'a', 30))).to.equal(0);
    await change('UPDATE limit_bucket SET at = at - 60500');
    expect(granted(await takeAll([one], 'a', 30))).to.equal(1);
    await running().kill();
    await running().up();
    let first: Taken | undefined;
    while (first === undefined)
      first = await Promise.resolve(one.take('a')).catch(() => delay(100).then(() => undefined));
    expect(granted(await takeAll([one], 'a', 30))).to.equal(19);
  });

  it('forget buckets that are full for a while, and no others', async () => {
    const one = service();
    await takeAll([one], 'old', 1);
    await change('UPDATE limit_bucket SET at = at - 200000');
    let taken = granted(await takeAll([one], 'new', 1));
    for (;;) {
      await delay(200);
      taken += granted(await takeAll([one], 'new', 1));
      const { rows } = await running().query(`SELECT count(*) AS n FROM limits_${schemas}.limit_bucket`);
      if (Number(rows[0]?.['n']) === 1) break;
    }
    expect(granted(await takeAll([one], 'new', 30))).to.equal(20 - taken);
    expect(granted(await takeAll([one], 'old', 30))).to.equal(20);
  });

  it('refuse in a moment while the database does not answer, at once from then on, and go on by themselves', async () => {
    const proxy = await TcpProxy.to(running().port);
    try {
      const one = service(LIMIT, place(proxy.port));
      expect(granted(await takeAll([one], 'a', 1))).to.equal(1);
      proxy.set({ answers: 'silence' });
      const failure = await failureAs(PolicyError, () => one.take('a'));
      expect(failure.code).to.equal('RATE_LIMITS_UNAVAILABLE');
      expect(failure.message).to.not.contain('127.0.0.1');
      await failureAs(PolicyError, () => one.take('b'));
      proxy.set({ answers: 'pass' });
      for (;;) {
        const taken = await Promise.resolve(one.take('b')).catch(() => undefined);
        if (taken?.ok === true) break;
        await delay(50);
      }
    } finally {
      await proxy.close();
    }
  });
});
