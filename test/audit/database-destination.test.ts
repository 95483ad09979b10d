/** The audit of several services in one table: nothing that was promised is missing, whatever happens to the connection, and what is changed there is found. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { openAudit, type Audit } from '../../audit/audit.ts';
import { loggedInDatabase } from '../../audit/logged-entries.ts';
import type { PostgresPlace } from '../../storage/postgres.ts';
import { migrate } from '../../tlog/store/postgres-schema.ts';
import { checkLines, readLines, SharedLines } from '../../tlog/store/shared-lines.ts';
import { failureOf } from '../support/failure.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { auditLines } from './support/audit-schema.ts';
import { issuedDecision, Notes, refusedDecision } from './support/decisions.ts';

describe('audit/database-destination', function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let proxy: TcpProxy;
  let schemas = 0;
  let schema: string;
  let place: PostgresPlace;
  const audits: Audit[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
    proxy = await TcpProxy.to(server.port);
  });
  after(async () => {
    await proxy.close();
    await server?.remove();
  });
  beforeEach(async () => {
    schema = `audit_${schemas++}`;
    place = { url: running().url({ schema }), passwordFile: running().passwordFile };
    await migrate(place);
  });
  afterEach(async () => {
    proxy.set({});
    for (const one of audits.splice(0)) await one.close();
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const open = async (writer: string, port?: number, failClosed = true): Promise<Audit> => {
    const url = port === undefined ? place.url : running().url({ schema }, port);
    const database = { place: { ...place, url }, writer };
    const definition = { stdout: false, database, failClosed, refusalsPerMinute: 60 };
    const audit = await openAudit(definition, {
      clock: Date.now,
      note: new Notes().note,
      limits: { retryMs: 50, writeTimeoutMs: 60_000 },
    });
    audits.push(audit);
    return audit;
  };
  const lines = async (): Promise<readonly string[]> => {
    const all: string[] = [];
    for await (const batch of readLines(place)) all.push(...batch.lines);
    return all;
  };
  const ids = async (): Promise<readonly unknown[]> =>
    auditLines((await lines()).map((line) => `${line}\n`).join('')).map(({ requestId }) => requestId);
  const expectRight = async (writers: readonly string[]): Promise<void> => {
    const chains = await checkLines(place);
    expect(chains.map(({ writer }) => writer).sort()).to.deep.equal([...writers].sort());
    for (const { writer, faults, first } of chains) {
      expect(faults, writer).to.deep.equal([]);
      expect(first, writer).to.equal(1);
    }
  };

  it('has each line once, in a chain for each service, also where two have one name', async () => {
    const services = await Promise.all(['a', 'b', 'c', 'c'].map((name) => open(name)));
    const wanted: string[] = [];
    for (let round = 0; round < 20; round++)
      await Promise.all(
        services.flatMap((one, i) =>
          Array.from({ length: 5 }, (_, n) => {
            const id = `${i}.${round}.${n}`;
            wanted.push(id);
            return Promise.resolve(one.issued(issuedDecision(id)));
          }),
        ),
      );
    expect([...(await ids())].sort()).to.deep.equal([...wanted].sort());
    const since = async (time: number): Promise<number> => {
      let count = 0;
      for await (const batch of readLines(place, { since: time })) count += batch.lines.length;
      return count;
    };
    expect(await since(Date.now() - 3_600_000)).to.equal(wanted.length);
    expect(await since(Date.now() + 3_600_000)).to.equal(0);
    await expectRight(['a', 'b', 'c']);
    const rows = await running().query(`SELECT count(*)::int AS n FROM ${schema}.audit_batch`);
    // What arrives in one turn is one row, and one commit.
    expect(rows.rows[0]?.['n']).to.equal(80);
  });

  it('promises no line that is not there, and has each chain right, when answers are lost and the database goes away', async () => {
    const audit = await open('a', proxy.port);
    const promised: string[] = [];
    const write = (id: string): Promise<unknown> =>
      (audit.issued(issuedDecision(id)) ?? Promise.resolve()).then(
        () => promised.push(id),
        () => undefined,
      );
    await write('before');
    for (const [name, passages] of [
      ['answers-lost', { answers: 'cut' }],
      ['requests-lost', { requests: 'cut' }],
      ['answers-late', { answers: 'silence' }],
    ] as const) {
      proxy.set(passages);
      const writing = write(name);
      audit.refused(refusedDecision(), 'TOKEN_MISSING');
      await writing;
      proxy.set({});
      while (audit.status().destinations[0]?.isFailing !== false) {
        audit.refused(refusedDecision(), 'TOKEN_MISSING');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await write(`after-${name}`);
    }
    await running().kill();
    await write('while-it-is-down');
    await running().up();
    while (!promised.includes('back')) await write('back');
    // A session may outlive the server that was killed by a moment, and commit in it.
    expect(promised).to.include('after-answers-late');
    expect(await ids()).to.include.members(promised);
    await expectRight(['a']);
  });

  it('promises no line that a standby does not have for which commits wait', async () => {
    const setStandby = async (names: string): Promise<void> => {
      await running().query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
      await running().query('SELECT pg_reload_conf()');
      const shown = async (): Promise<unknown> =>
        (await running().query('SHOW synchronous_standby_names')).rows[0]?.['synchronous_standby_names'];
      while ((await shown()) !== names) await delay(20);
    };
    const one = new SharedLines(place, 'a');
    try {
      await one.append(['before']);
      await one.close();
      await setStandby('away');
      const waits = async (what: 'pid' | 'pg_terminate_backend(pid)'): Promise<boolean> => {
        const sql = `SELECT ${what} FROM pg_stat_activity WHERE application_name = 'mayfly audit' AND wait_event = 'SyncRep'`;
        return (await running().query(sql)).rows.length > 0;
      };
      const waiting = failureOf(one.append(['not replicated']));
      while (!(await waits('pg_terminate_backend(pid)'))) await delay(20);
      expect(await waiting).to.have.property('code', 'LOG_STORAGE');
      const copies = async (line: string): Promise<number> =>
        (await lines()).filter((found) => found === line).length;
      // Again where the answer came too late, so that the session is another one.
      for (let round = 0; ; round++) {
        await setStandby('');
        while (await waits('pid')) await delay(20);
        await setStandby('away');
        const released = one.append([`released ${round}`]);
        while (!(await waits('pid'))) await delay(20);
        await setStandby('');
        await released;
        if ((await copies(`released ${round}`)) === 1) break;
      }
      const refused = String(await failureOf(one.append(['refused'])));
      expect(refused).to.include('does not wait for a standby any more');
      await one.append(['after']);
      expect(await lines()).to.include.members(['before', 'not replicated', 'after']);
      expect(await copies('refused')).to.equal(0);
      await expectRight(['a']);
    } finally {
      await setStandby('');
      await one.close();
    }
  });

  it('writes lines whose answer was lost, and goes on behind them', async () => {
    const rows = async (): Promise<unknown> =>
      (await running().query(`SELECT number::int AS n, lines FROM ${schema}.audit_batch ORDER BY number`))
        .rows;
    const own = new SharedLines(place, 'a');
    await own.append(['one']);
    const other = new SharedLines({ ...place, url: running().url({ schema }, proxy.port) }, 'a');
    await other.append(['two']);
    proxy.set({ answers: 'cut' });
    await failureOf(other.append(['three']));
    proxy.set({});
    await other.append(['three']);
    await own.append(['four']);
    const found = (await rows()) as { readonly lines: string }[];
    expect(found.map(({ lines: text }) => text)).to.include.members(['one\n', 'two\n', 'three\n', 'four\n']);
    await expectRight(['a']);
    await own.close();
    await other.close();
  });

  it('reads from a time on by an index, and each chain without a gap while its rows are being committed', async () => {
    const [a, b] = [new SharedLines(place, 'a'), new SharedLines(place, 'b')];
    const big = 'x'.repeat(3 * 1024 * 1024);
    for (const line of ['1', big, big, big]) await a.append([line]);
    const reading = readLines(place)[Symbol.asyncIterator]();
    const read = [await reading.next()];
    // They come while it reads: of another chain, and behind this one.
    await b.append(['late']);
    await a.append(['5']);
    for (let next = await reading.next(); next.done !== true; next = await reading.next()) read.push(next);
    expect(read.map(({ value }) => (value as { readonly number: number }).number)).to.deep.equal([
      1, 2, 3, 4,
    ]);
    expect(await lines()).to.deep.equal(['1', big, big, big, 'late', '5']);
    await running().query(
      `INSERT INTO ${schema}.audit_batch (writer, number, made, n, lines, previous, hash)
         SELECT 'old', i, now() - interval '400 days', 1, E'{}\n', sha256(''), sha256('') FROM generate_series(1, 20000) AS i`,
    );
    await running().query(`ANALYZE ${schema}.audit_batch`);
    const plan = await running().query(
      `EXPLAIN SELECT id FROM ${schema}.audit_batch WHERE made >= now() - interval '1 hour' ORDER BY made LIMIT 1`,
    );
    expect(JSON.stringify(plan.rows)).to.contain('audit_batch_by_time');
    let count = 0;
    for await (const { writer } of readLines(place, { since: Date.now() - 3_600_000 }))
      if (writer !== 'old') count++;
      else expect.fail('it is too old');
    expect(count).to.equal(6);
    await a.close();
    await b.close();
  });

  it('shows which row was changed, taken out or put in, and takes a chain whose oldest rows were removed', async () => {
    const audit = await open('a');
    for (const id of ['1', '2', '3', '4', '5']) await audit.issued(issuedDecision(id));
    const change = (sql: string) => running().query(sql.replace('audit_batch', `${schema}.audit_batch`));
    const faults = async (): Promise<string> =>
      (await checkLines(place)).flatMap((chain) => chain.faults).join();
    await change("UPDATE audit_batch SET lines = replace(lines, 'alice', 'mallory') WHERE number = 2");
    expect(await faults()).to.equal('row 2 is not what was written');
    await change('DELETE FROM audit_batch WHERE number = 2');
    expect(await faults()).to.equal('row 3 follows row 1');
    await change('DELETE FROM audit_batch WHERE number = 1');
    expect(await faults()).to.equal('');
    expect((await checkLines(place))[0]).to.include({ first: 3, last: 5, lines: 3 });
    await change('UPDATE audit_batch SET number = 9 WHERE number = 5');
    expect(await faults()).to.include('is not what was written');
  });

  it('lets the role of a service read and append, and change nothing', async () => {
    await running().query('CREATE ROLE auditor NOLOGIN');
    await migrate(place, 'auditor');
    const as = (sql: string) => failureOf(running().query(`SET ROLE auditor; ${sql}`));
    expect(String(await as(`DELETE FROM ${schema}.audit_batch`))).to.include('permission denied');
    expect(String(await as(`UPDATE ${schema}.audit_batch SET n = 1`))).to.include('permission denied');
    await running().query(
      `SET ROLE auditor; INSERT INTO ${schema}.audit_batch (writer, number, n, lines, previous, hash)
         SELECT 'x', 1, 1, E'{}\\n', sha256(''), sha256(''); DELETE FROM ${schema}.shared_document`,
    );
  });

  it('says which entries of logs of artifacts have a line of any service', async () => {
    const audit = await open('b');
    const hash = 'ab'.repeat(32);
    await audit.logged({
      caller: { requestId: 'r', address: '', ms: 0 },
      log: 'artifacts/v2',
      logIndex: 1,
      leafHash: hash,
      kind: 'hashedrekord 0.0.2',
      signers: [],
      digests: [],
    });
    const asked = new Set([hash, 'cd'.repeat(32)]);
    for (const since of [undefined, Date.now() - 3_600_000]) {
      expect([...(await loggedInDatabase(place, 'artifacts/v2', asked, since))]).to.deep.equal([hash]);
      expect([...(await loggedInDatabase(place, 'artifacts/v1', asked, since))]).to.deep.equal([]);
    }
    const later = Date.now() + 3_600_000;
    expect([...(await loggedInDatabase(place, 'artifacts/v2', asked, later))]).to.deep.equal([]);
  });
});
