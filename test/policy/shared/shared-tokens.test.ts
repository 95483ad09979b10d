/** Used tokens that services share where none of them writes a log. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { SharedTokens } from '../../../policy/shared/shared-tokens.ts';
import type { PostgresPlace } from '../../../storage/postgres.ts';
import { pruneClaims } from '../../../tlog/store/postgres-claims.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { openSession } from '../../../tlog/store/postgres-session.ts';
import { failureOf } from '../../support/failure.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

const HOUR = 3_600_000;

describe('policy/shared/shared-tokens', function () {
  this.timeout(60_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  const opened: SharedTokens[] = [];
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
    url: running().url({ schema: `tokens_${schemas}` }, port),
    passwordFile: running().passwordFile,
  });
  const tokens = (at = place()): SharedTokens => {
    const made = new SharedTokens(at);
    opened.push(made);
    return made;
  };
  const key = (i: number): Uint8Array => new Uint8Array(32).fill(i);
  /** First bytes of the keys. */
  const held = async (): Promise<readonly unknown[]> => {
    const sql = `SELECT get_byte(key, 0) AS i FROM tokens_${schemas}.log_claim ORDER BY key`;
    return (await running().query(sql)).rows.map(({ i }) => i);
  };
  const put = (i: number, expires: number, ofEntry: boolean) =>
    running().query(
      `INSERT INTO tokens_${schemas}.log_claim VALUES (decode(repeat('0${i}', 32), 'hex'), ${expires}, ${ofEntry})`,
    );

  it('are forgotten an hour after their end, by who uses one', async () => {
    const now = Date.now();
    await put(1, now - 2 * HOUR, false);
    await put(2, now - HOUR / 2, false);
    const [a, b] = [tokens(), tokens()];
    expect(await a.markUsed(key(3), now + HOUR)).to.equal(true);
    expect(await b.markUsed(key(3), now + HOUR)).to.equal(false);
    expect(await b.markUsed(key(2), now + HOUR)).to.equal(false);
    while ((await held()).length > 2) await delay(20);
    expect(await held()).to.deep.equal([2, 3]);
  });

  it('are forgotten by the clock that is behind, and claims of entries at their end', async () => {
    const now = Date.now();
    await put(1, now - 2 * HOUR, false);
    await put(2, now - 2 * HOUR, true);
    await put(3, now - HOUR / 2, true);
    await put(4, now + HOUR, true);
    const { connection } = await openSession(place(), 'mayfly test');
    try {
      // As where the clock of the server is ahead of this one.
      await pruneClaims(connection, now - 3 * HOUR);
      expect(await held()).to.deep.equal([1, 2, 3, 4]);
      // As where this one is ahead.
      await pruneClaims(connection, now + 24 * HOUR);
      expect(await held()).to.deep.equal([4]);
    } finally {
      await connection.close();
    }
  });

  it('are known to work again while nobody asks', async () => {
    const proxy = await TcpProxy.to(running().port);
    try {
      const one = tokens(place(proxy.port));
      expect(await one.markUsed(key(1), Date.now() + HOUR)).to.equal(true);
      proxy.set({ answers: 'cut' });
      await failureOf(one.markUsed(key(2), Date.now() + HOUR));
      expect(one.fault).to.have.property('code', 'REPLAY_GUARD_STORAGE');
      await delay(3_000);
      expect(one.fault).to.have.property('code', 'REPLAY_GUARD_STORAGE');
      proxy.set({});
      while (one.fault !== undefined) await delay(50);
      expect(await one.markUsed(key(3), Date.now() + HOUR)).to.equal(true);
    } finally {
      await proxy.close();
    }
  });
});
