import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PostgresPlace } from '../../../storage/postgres.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import type { CommitStore } from '../../../tlog/store/commit-store.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { postgresBackend } from '../../../tlog/store/postgres-backend.ts';
import { KnownServer } from '../../../tlog/store/postgres-server.ts';
import { openSession, type ServerIdentity } from '../../../tlog/store/postgres-session.ts';
import { failureAs, failureOf } from '../../support/failure.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { commitStoreContract } from './commit-store-contract.ts';

let server: PostgresServer | undefined;
let schemas = 0;

commitStoreContract(
  'tlog/store/postgres-backend',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
    const place = {
      url: server?.url({ schema: `log_${schemas++}` }) ?? '',
      passwordFile: server?.passwordFile,
    };
    const backend = postgresBackend(place, directory, new Uint8Array(32).fill(7));
    return {
      backend: {
        ...backend,
        create: async (identity, head) => {
          await migrate(place);
          await backend.create(identity, head);
        },
      },
      remove: () => {
        rmSync(directory, { recursive: true });
        return Promise.resolve();
      },
    };
  },
  {
    isShared: true,
    before: async (test) => {
      server = await PostgresServer.start(test);
    },
    after: () => server?.remove() ?? Promise.resolve(),
  },
);

describe('tlog/store/postgres-commit-store', function () {
  this.timeout(60_000);
  const directories: string[] = [];
  const stores: CommitStore[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
  });
  after(() => server?.remove());
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    for (const one of directories.splice(0)) rmSync(one, { recursive: true });
  });
  const running = (): PostgresServer => server ?? expect.fail('no server');

  const IDENTITY = { origin: 'localhost/log', logId: new Uint8Array(32).fill(7), text: '{}' };
  const EMPTY = { size: 0, root: new Uint8Array(32), timestamp: 1000 };
  const NEXT = { size: 1, root: new Uint8Array(32).fill(1), timestamp: 1001 };
  const BATCH = { expected: EMPTY, next: NEXT, entries: [Uint8Array.of(9)], pruneBelow: 0 };

  const place = (port = running().port): PostgresPlace => ({
    url: running().url({ schema: `log_${schemas}` }, port),
    passwordFile: running().passwordFile,
  });
  const made = (at = place()): CommitStore => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
    directories.push(directory);
    const backend = postgresBackend(at, directory, IDENTITY.logId);
    const store = backend.openForWriting(IDENTITY);
    stores.push(store);
    return store;
  };
  const makeLog = async (): Promise<void> => {
    schemas++;
    await migrate(place());
    await postgresBackend(place(), tmpdir(), IDENTITY.logId).create(IDENTITY, EMPTY);
  };
  const opened = async (at = place()): Promise<CommitStore> => {
    const store = made(at);
    await store.load();
    await store.recover();
    return store;
  };

  it('makes nothing of a statement that arrives after the fence, and says that it is not in', async () => {
    await makeLog();
    const proxy = await TcpProxy.to(running().port);
    try {
      const late = await opened(place(proxy.port));
      proxy.set({ requests: 'silence' });
      const outcome = failureOf(late.commit(BATCH));
      const other = await opened();
      // The statement goes on only when the fence of the other one has passed.
      proxy.set({});
      expect(await outcome)
        .to.be.instanceOf(LogError)
        .with.property('code', 'LOG_HEAD_MOVED');
      await other.commit(BATCH);
      const state = await postgresBackend(place(), tmpdir(), IDENTITY.logId).read();
      expect(state.head).to.deep.equal(NEXT);
    } finally {
      await proxy.close();
    }
  });

  it('makes one trip to the server for a batch, whatever its length', async () => {
    await makeLog();
    const proxy = await TcpProxy.to(running().port);
    try {
      const store = await opened(place(proxy.port));
      let expected = EMPTY;
      for (const count of [1, 1, 256, 3000]) {
        const next = {
          size: expected.size + count,
          root: new Uint8Array(32).fill(count),
          timestamp: expected.timestamp + 1,
        };
        const entries = Array.from({ length: count }, () => new Uint8Array(100));
        const before = proxy.trips;
        await store.commit({ expected, next, entries, pruneBelow: 0 });
        // The first one finds what the server keeps of a statement for those that follow.
        if (expected !== EMPTY) expect(proxy.trips - before, `${count} entries`).to.equal(1);
        expected = next;
      }
    } finally {
      await proxy.close();
    }
  });

  it('finds a batch whose answer was lost', async () => {
    await makeLog();
    const proxy = await TcpProxy.to(running().port);
    try {
      const store = await opened(place(proxy.port));
      proxy.set({ answers: 'cut' });
      const commit = store.commit(BATCH);
      while ((await postgresBackend(place(), tmpdir(), IDENTITY.logId).read()).head.size === 0);
      proxy.set({});
      await commit;
    } finally {
      await proxy.close();
    }
    expect((await postgresBackend(place(), tmpdir(), IDENTITY.logId).read()).head.size).to.equal(1);
  });

  it('commits nothing once the server would not keep it, and refuses to open there', async () => {
    await makeLog();
    const store = await opened();
    const role = 'ALTER ROLE mayfly SET synchronous_commit';
    for (const value of ['off', 'local', 'remote_write']) {
      await running().query(`${role} = ${value}`);
      const refused = await failureOf(made().load());
      expect(refused, value).to.be.instanceOf(LogError).with.property('code', 'LOG_UNSUITABLE_STORAGE');
    }
    await running().query('ALTER ROLE mayfly RESET synchronous_commit');
    await running().query('ALTER SYSTEM SET full_page_writes = off');
    await running().query('SELECT pg_reload_conf()');
    let failure: unknown;
    for (let size = 0; failure === undefined; size++) {
      const root = (i: number): Uint8Array => new Uint8Array(32).fill(i);
      const [expected, next] = [size, size + 1].map((i) => ({ size: i, root: root(i), timestamp: 1000 + i }));
      if (expected === undefined || next === undefined) break;
      failure = await store.commit({ ...BATCH, expected, next }).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_UNSUITABLE_STORAGE');
    await running().query('ALTER SYSTEM RESET full_page_writes');
    await running().query('SELECT pg_reload_conf()');
  });

  it('refuses a server that does not sync what it commits, and says what to set', async () => {
    await makeLog();
    await running().stop();
    await running().up({ fsync: 'off' });
    const failure = await failureAs(LogError, made().load());
    expect(failure.code).to.equal('LOG_UNSUITABLE_STORAGE');
    expect(failure.message).to.contain('fsync is off there');
    expect(failure.hint).to.contain('Set fsync = on');
    await running().stop();
    await running().up({});
    await (await opened()).commit(BATCH);
  });

  it('reads one moment while another writer removes what is in tiles meanwhile', async () => {
    await makeLog();
    const entries = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i));
    const full = { size: 256, root: new Uint8Array(32).fill(2), timestamp: 1001 };
    const last = { size: 257, root: new Uint8Array(32).fill(3), timestamp: 1002 };
    const writer = await opened();
    await writer.commit({ expected: EMPTY, next: full, entries, pruneBelow: 0 });
    await writer.commit({ expected: full, next: last, entries: [Uint8Array.of(9)], pruneBelow: 0 });
    const holder = await running().connect();
    try {
      await holder.query(`SET search_path = log_${schemas}`);
      await holder.query('BEGIN; LOCK TABLE log_batch IN ACCESS EXCLUSIVE MODE');
      const read = postgresBackend(place(), tmpdir(), IDENTITY.logId).read();
      const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'log_batch'::regclass";
      while ((await holder.query(waiting)).rows.length === 0);
      await holder.query('UPDATE log_head SET bundles = 1; DELETE FROM log_batch WHERE first = 0; COMMIT');
      expect(await read).to.deep.include({ head: last, firstEntry: 0 });
    } finally {
      await holder.end();
    }
  });

  it('reads a log to its end also where its client pauses for longer than a writer may', async () => {
    await makeLog();
    await (await opened()).commit(BATCH);
    const proxy = await TcpProxy.to(running().port);
    const holder = await running().connect();
    try {
      await holder.query(`SET search_path = log_${schemas}`);
      await holder.query('BEGIN; LOCK TABLE log_batch IN ACCESS EXCLUSIVE MODE');
      const read = postgresBackend(place(proxy.port), tmpdir(), IDENTITY.logId).read();
      const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'log_batch'::regclass";
      while ((await holder.query(waiting)).rows.length === 0);
      proxy.set({ requests: 'silence' });
      await holder.query('COMMIT');
      // Until it is gone, or has paused for so long.
      const pausing = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()
        OR state = 'idle in transaction' AND clock_timestamp() - state_change < interval '1.5 s'`;
      while ((await holder.query(pausing)).rows.length > 0);
      proxy.set({});
      expect(await read).to.deep.include({ head: NEXT });
    } finally {
      await holder.end();
      await proxy.close();
    }
  });

  it('refuses tables that are missing, older, newer or altered, and says what to do', async () => {
    schemas++;
    const hint = async (): Promise<string> => {
      const failure = await failureAs(LogError, made().load());
      expect(failure.code).to.equal('LOG_UNSUITABLE_STORAGE');
      return `${failure.message}. ${failure.hint ?? ''}`;
    };
    expect(await hint())
      .to.contain('has no tables')
      .and.to.contain('mayfly log migrate');
    await makeLog();
    const change = (sql: string) => running().query(`SET search_path = log_${schemas}; ${sql}`);
    await change('DELETE FROM mayfly_schema WHERE version >= 2');
    expect(await hint())
      .to.contain('of version 1')
      .and.to.contain('mayfly log migrate');
    await makeLog();
    await change("INSERT INTO mayfly_schema (version, sha256) VALUES (99, 'x')");
    expect(await hint()).to.contain('gap');
    await makeLog();
    await change('ALTER TABLE log_batch ADD COLUMN more integer');
    expect(await hint()).to.contain('a column is missing, or there is one too many');
    await makeLog();
    await change("UPDATE mayfly_schema SET sha256 = 'x' WHERE version = 1");
    expect(await hint()).to.contain('migration 1 was another one');
    await makeLog();
    const password = readFileSync(running().passwordFile, 'utf8').trim();
    await running().query(`CREATE ROLE service LOGIN PASSWORD '${password}'`);
    await migrate(place(), 'service');
    await change('REVOKE ALL ON log_server, log_anchor FROM service');
    const asService = { ...place(), url: place().url.replace('mayfly@', 'service@') };
    const failure = await failureAs(LogError, made(asService).load());
    expect(failure.message).to.contain('may not use the tables log_anchor, log_server');
    expect(failure.hint).to.contain('mayfly log migrate --grant ROLE');
  });

  it('goes on with tables that a newer version has added to, and changes none of them', async () => {
    await makeLog();
    const change = (sql: string) => running().query(`SET search_path = log_${schemas}; ${sql}`);
    await change(
      `INSERT INTO mayfly_schema (version, sha256) SELECT max(version) + 1, 'x' FROM mayfly_schema;
       CREATE TABLE later (a integer); ALTER TABLE log_head ADD COLUMN more text`,
    );
    await (await opened()).commit(BATCH);
    const failure = await failureAs(LogError, migrate(place()));
    expect(failure.hint).to.contain('newer version of Mayfly');
    await change('ALTER TABLE log_batch DROP COLUMN lens');
    expect(await failureAs(LogError, made().load())).to.have.property('code', 'LOG_UNSUITABLE_STORAGE');
  });

  it('is not held by the same log in another schema, which it may be moved to', async () => {
    await makeLog();
    const from = postgresBackend(place(), tmpdir(), IDENTITY.logId);
    await from.whileLocked(async ({ state }) => {
      schemas++;
      await migrate(place());
      const to = postgresBackend(place(), tmpdir(), IDENTITY.logId);
      await to.receive(IDENTITY, state, '1'.repeat(16));
      await to.arrive('1'.repeat(16));
      expect((await to.read()).head).to.deep.equal(EMPTY);
    });
  });

  it('goes on with a later timeline of one system alone, where commits waited, and a machine that is added with the very server alone', async () => {
    await makeLog();
    const { connection } = await openSession(place(), 'mayfly test');
    // As of a log that an older version has made.
    await connection.query('DELETE FROM log_server', []);
    const known = { system: '7', timeline: '00000009', isSynchronous: true };
    const newServer = (directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'))): [string, KnownServer] => {
      directories.push(directory);
      return [directory, new KnownServer(directory, 'there', IDENTITY.logId)];
    };
    const refuses = async (one: KnownServer, server: ServerIdentity): Promise<void> => {
      const failure = await failureAs(LogError, one.require({ connection, server }));
      expect(failure.code).to.equal('LOG_ROLLED_BACK');
    };
    try {
      const [directory, first] = newServer();
      await first.require({ connection, server: known });
      await first.keep({ connection, server: known });
      const again = new KnownServer(directory, 'there', IDENTITY.logId);
      await again.require({ connection, server: known });
      const later = { ...known, timeline: '0000000A' };
      const others = [
        { ...known, system: '8' },
        { ...later, system: '8' },
        { ...known, timeline: '00000008' },
        { ...known, timeline: undefined },
      ];
      const [, added] = newServer();
      await added.require({ connection, server: known });
      for (const other of others) {
        await refuses(again, other);
        await refuses(added, other);
      }
      await refuses(added, later);
      await again.require({ connection, server: later });
      await again.keep({ connection, server: later });
      await added.require({ connection, server: later });
      // A machine that was away while commits ceased to wait.
      const away = new KnownServer(directory, 'there', IDENTITY.logId);
      await away.require({ connection, server: later });
      await added.keep({ connection, server: { ...later, isSynchronous: false } });
      await refuses(away, { ...later, timeline: '0000000B' });
      await added.keep({ connection, server: later });
      // Who wrote on the server in between would have noted that.
      await refuses(added, { ...later, timeline: '0000000C' });
      await added.require({ connection, server: { ...later, timeline: '0000000B' } });
    } finally {
      await connection.close();
    }
  });

  it('is believed by a machine that is added on the server alone where it was made or received', async () => {
    await makeLog();
    const { connection } = await openSession(place(), 'mayfly test');
    const noted = async (): Promise<unknown> => {
      const [row] = await connection.query('SELECT system, timeline, synchronous FROM log_server', []);
      return row;
    };
    try {
      const own = await openSession(place(), 'mayfly test');
      await own.connection.close();
      const { system, timeline } = own.server;
      expect(await noted()).to.deep.equal({ system, timeline, synchronous: false });
      const backend = postgresBackend(place(), tmpdir(), IDENTITY.logId);
      await backend.whileLocked(async (locked) => locked.leave({ store: 'elsewhere', move: '1'.repeat(16) }));
      await connection.query("UPDATE log_server SET system = '7'", []);
      const state = { head: EMPTY, firstEntry: 0, entries: [] };
      await backend.receive(IDENTITY, state, '2'.repeat(16));
      expect(await noted()).to.deep.equal({ system, timeline, synchronous: false });
      await connection.query("UPDATE log_server SET system = '7'", []);
      await backend.arrive('2'.repeat(16));
      expect(await failureAs(LogError, made().load())).to.have.property('code', 'LOG_ROLLED_BACK');
    } finally {
      await connection.close();
    }
  });

  it('asks to be opened anew when the server begins to wait for a standby, so that this is noted', async function () {
    const primary = await PostgresServer.start(this, { whole: true });
    let standby: PostgresServer | undefined;
    try {
      schemas++;
      const at = { url: primary.url({ schema: `log_${schemas}` }), passwordFile: primary.passwordFile };
      await migrate(at);
      const directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
      directories.push(directory);
      const backend = (where: PostgresPlace) => postgresBackend(where, directory, IDENTITY.logId);
      await backend(at).create(IDENTITY, EMPTY);
      const store = backend(at).openForWriting(IDENTITY);
      stores.push(store);
      await store.load();
      await store.recover();
      const look = () => store.shared?.newerThan(EMPTY);
      expect(await look()).to.equal(undefined);
      standby = await primary.standby('b');
      await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'b'");
      await primary.query('SELECT pg_reload_conf()');
      let asked: unknown;
      while (asked === undefined)
        asked = await look()?.then(
          () => undefined,
          (error: unknown) => error,
        );
      expect(asked).to.be.instanceOf(LogError).with.property('code', 'LOG_STORAGE');
      await store.load();
      await store.recover();
      expect(await look()).to.equal(undefined);
      await store.commit(BATCH);
      await store.close();
      await standby.promote();
      const again = backend({ ...at, url: standby.url({ schema: `log_${schemas}` }) }).openForWriting(
        IDENTITY,
      );
      stores.push(again);
      expect((await again.load()).head).to.deep.equal(NEXT);
    } finally {
      await standby?.remove();
      await primary.remove();
    }
  });

  it('is stopped by a standby that was promoted after the server had ceased to wait for it', async function () {
    const primary = await PostgresServer.start(this, { whole: true });
    let standby: PostgresServer | undefined;
    try {
      schemas++;
      const at = { url: primary.url({ schema: `log_${schemas}` }), passwordFile: primary.passwordFile };
      await migrate(at);
      const directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
      directories.push(directory);
      const backend = (where: PostgresPlace) => postgresBackend(where, directory, IDENTITY.logId);
      await backend(at).create(IDENTITY, EMPTY);
      standby = await primary.standby('b');
      const waitFor = async (names: string): Promise<void> => {
        await primary.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
        await primary.query('SELECT pg_reload_conf()');
        const shown = async () =>
          (await primary.query('SHOW synchronous_standby_names')).rows[0]?.['synchronous_standby_names'];
        while ((await shown()) !== names);
      };
      await waitFor('b');
      const store = backend(at).openForWriting(IDENTITY);
      stores.push(store);
      await store.load();
      await store.recover();
      await waitFor('');
      const failure = await failureAs(LogError, store.commit(BATCH));
      expect(failure.message).to.contain('does not wait for a standby any more');
      await store.load();
      await store.recover();
      await store.commit(BATCH);
      await store.close();
      await standby.promote();
      const promoted = { ...at, url: standby.url({ schema: `log_${schemas}` }) };
      const again = backend(promoted).openForWriting(IDENTITY);
      stores.push(again);
      expect(await failureAs(LogError, again.load())).to.have.property('code', 'LOG_ROLLED_BACK');
    } finally {
      await standby?.remove();
      await primary.remove();
    }
  });

  it('is stopped by a standby that was promoted in the place of a server that did not wait for it, and by none that it waited for', async function () {
    const primary = await PostgresServer.start(this, { whole: true });
    let standby: PostgresServer | undefined;
    try {
      for (const waits of [false, true]) {
        schemas++;
        const at = { url: primary.url({ schema: `log_${schemas}` }), passwordFile: primary.passwordFile };
        await migrate(at);
        const directory = mkdtempSync(join(tmpdir(), 'mayfly-commit-'));
        directories.push(directory);
        const backend = (where: PostgresPlace) => postgresBackend(where, directory, IDENTITY.logId);
        await backend(at).create(IDENTITY, EMPTY);
        standby = await primary.standby('b');
        if (waits) await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'b'");
        await primary.query('SELECT pg_reload_conf()');
        if (waits)
          while (
            (await primary.query('SHOW synchronous_standby_names')).rows[0]?.['synchronous_standby_names'] !==
            'b'
          );
        const store = backend(at).openForWriting(IDENTITY);
        stores.push(store);
        await store.load();
        await store.recover();
        await store.commit(BATCH);
        await store.close();
        await standby.promote();
        const promoted = { ...at, url: standby.url({ schema: `log_${schemas}` }) };
        const again = backend(promoted).openForWriting(IDENTITY);
        stores.push(again);
        if (waits) {
          expect((await again.load()).head).to.deep.equal(NEXT);
          await again.recover();
        } else {
          const failure = await failureAs(LogError, again.load());
          expect(failure.code).to.equal('LOG_ROLLED_BACK');
        }
        // A machine that is added knows no server. It goes by what another one, or an operator, has noted there.
        const added = made(promoted);
        if (!waits) {
          const unknown = await failureAs(LogError, added.load());
          expect(unknown.code).to.equal('LOG_ROLLED_BACK');
          expect(unknown.message).to.contain('timeline 1 then').and.contain('timeline 2 now');
          await backend(promoted).acceptServer?.();
        }
        await added.load();
        await added.recover();
        await again.close();
        await standby.remove();
      }
    } finally {
      await standby?.remove();
      await primary.remove();
    }
  });
});
