/** A repository that several services publish through one database, with real clients that read them in turns. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { localSigner } from '../../../signers/local-signer.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { migrate } from '../../../tlog/store/postgres-schema.ts';
import { readStorePlaces } from '../../../tlog/store/store-places.ts';
import { createRepository } from '../../../trust/tuf/create-repository.ts';
import { importChange, requireRepository } from '../../../trust/tuf/import-change.ts';
import { alone, refresh } from '../../../trust/tuf/publish.ts';
import {
  moveRepository,
  requireRepositoryAt,
  shareRepository,
} from '../../../trust/tuf/shared-repository.ts';
import { signChange } from '../../../trust/tuf/sign-change.ts';
import { stageChange } from '../../../trust/tuf/stage-change.ts';
import { TufError } from '../../../trust/tuf/tuf-error.ts';
import { TufUpkeep } from '../../../trust/tuf/upkeep.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { failureAs } from '../../support/failure.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { contents, Mirror, removeScratch, scratchDirectory, stockClients } from './support/repository.ts';

const HOUR = 3_600_000;

/** Of the log that every machine of the instance had first. */
const LOG_ID = new Uint8Array(32).fill(1);

describe('trust/tuf/shared-repository', function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let proxy: TcpProxy;
  let schemas = 0;
  let now: number;
  let first: string;
  let rootKey: Awaited<ReturnType<typeof generateKey>>;
  let onlineKey: Awaited<ReturnType<typeof generateKey>>;
  let place: { url: string; passwordFile: string };
  const upkeeps: TufUpkeep[] = [];
  const mirrors: Mirror[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
    proxy = await TcpProxy.to(server.port);
  });
  after(async () => {
    await proxy.close();
    await server?.remove();
  });
  beforeEach(async () => {
    now = Date.now();
    const { passwordFile } = running();
    const schema = `tuf_${schemas++}`;
    place = { url: running().url({ schema }, proxy.port), passwordFile };
    await migrate(place);
    first = join(scratchDirectory(), 'tuf');
    rootKey = await generateKey('p256');
    onlineKey = await generateKey('p256');
    await shareRepository(first, place, LOG_ID);
    await createRepository(first, { rootKey, onlineKey, contents: contents(), now });
  });
  afterEach(async () => {
    proxy.set({});
    for (const one of upkeeps.splice(0)) await one.stop();
    for (const one of mirrors.splice(0)) one.stop();
    removeScratch();
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');

  /** The directory of another machine, which has nothing but the file that says where the repository is. */
  const other = (): string => {
    const directory = join(scratchDirectory(), 'tuf');
    mkdirSync(directory);
    cpSync(join(first, 'store.json'), join(directory, 'store.json'));
    return directory;
  };

  const troubles: string[] = [];
  const upkeepOf = (
    directory: string,
    clock = () => now,
    beforeSigning = () => Promise.resolve(),
    keys = [onlineKey],
  ): TufUpkeep => {
    const upkeep = new TufUpkeep({
      directory,
      clock,
      openOnlineKeys: async () => {
        await beforeSigning();
        return keys.map(localSigner);
      },
      onSigned: () => undefined,
      onTrouble: (failure) => troubles.push(failure ?? 'works again'),
      onComparisonTrouble: () => undefined,
      onDifference: () => undefined,
    });
    upkeeps.push(upkeep);
    return upkeep;
  };

  const publishChange = async (directory: string, text: string): Promise<void> => {
    await refresh(directory);
    const repository = await requireRepository(directory);
    const none = { add: [], remove: [] };
    const request = { contents: contents(text), root: none, targets: none, renew: false };
    const staged = stageChange(repository, request, now) ?? expect.fail('nothing would change');
    const signed = await signChange(staged, localSigner(rootKey));
    await importChange(directory, signed, [localSigner(onlineKey)], now);
  };

  /** Asks another of the services with each request. */
  const balanced = async (services: readonly TufUpkeep[]): Promise<Mirror> => {
    const mirror = await Mirror.start();
    mirrors.push(mirror);
    let turn = 0;
    mirror.before = async (path) => {
      const bytes = await services[turn++ % services.length]?.current(path);
      if (bytes === undefined) mirror.files.delete(path);
      else mirror.files.set(path, bytes);
    };
    return mirror;
  };

  /** The one row of the database, and how it is put back. */
  const table = (): string => `${new URL(place.url).searchParams.get('schema') ?? ''}.shared_document`;
  const savedRow = async (): Promise<() => Promise<void>> => {
    const { rows } = await running().query(`SELECT version, bytes FROM ${table()}`);
    const [row = {}] = rows;
    return async () => {
      await running().query(`UPDATE ${table()} SET version = $1, bytes = $2, made = clock_timestamp()`, [
        row['version'],
        row['bytes'],
      ]);
    };
  };

  it('has one content for each version, which never goes back for clients of several services that sign at once', async () => {
    const services = [upkeepOf(first), upkeepOf(other()), upkeepOf(other(), () => now - 30_000)];
    for (const one of services) await one.check();
    const root = services[0]?.file('1.root.json') ?? expect.fail('no root');
    const clients = stockClients((await balanced(services)).url, root);
    const contentOf = new Map<string, string>();
    /** Each service is looked at as soon as it serves what it signed or read. */
    const checked = async (one: TufUpkeep): Promise<void> => {
      await one.check();
      const { versions } = one.status() ?? {};
      for (const [name, path] of [
        [`timestamp ${versions?.timestamp}`, 'timestamp.json'],
        [`snapshot ${versions?.snapshot}`, `${versions?.snapshot}.snapshot.json`],
      ] as const) {
        const text = Buffer.from(one.file(path) ?? []).toString();
        expect(text).to.not.equal('');
        expect(contentOf.get(name) ?? text, name).to.equal(text);
        contentOf.set(name, text);
      }
    };
    let last = 0;
    for (let round = 0; round < 12; round++) {
      now += 9 * HOUR;
      const changed = round % 4 === 3 ? [publishChange(first, `round ${round}`)] : [];
      await Promise.all([...services.map(checked), ...changed]);
      for (const one of services) await checked(one);
      const versions = services.map((one) => one.status()?.versions?.timestamp ?? 0);
      expect(new Set(versions).size, `versions ${versions.join()}`).to.equal(1);
      expect(versions[0]).to.be.greaterThan(last);
      last = versions[0] ?? 0;
      for (const client of clients) {
        expect(await client.fetch('trusted_root.json'), client.name).to.include('this is');
      }
    }
    expect(services.map((one) => one.status()?.failure)).to.deep.equal([undefined, undefined, undefined]);
    // Each round was signed once, and not by each of them.
    const signatures = services.reduce((sum, one) => sum + (one.status()?.signatures ?? 0), 0);
    expect(signatures).to.be.lessThan(3 * 12);
  });

  it('steps back for a service that published the same version while it signed', async () => {
    const quick = upkeepOf(other());
    let meanwhile = 0;
    const slow = upkeepOf(
      first,
      () => now,
      async () => {
        if (meanwhile++ === 1) await quick.check();
      },
    );
    await slow.check();
    await quick.check();
    now += 9 * HOUR;
    const served = (one: TufUpkeep): string => Buffer.from(one.file('timestamp.json') ?? []).toString();
    const before = served(quick);
    meanwhile = 1;
    await slow.check();
    expect(served(quick)).to.not.equal(before);
    expect(slow.status()?.versions).to.deep.equal(quick.status()?.versions);
    expect(served(slow)).to.equal(served(quick));
    expect(slow.status()?.failure).to.equal(undefined);
  });

  it('is published by a command on one machine and served by the others', async () => {
    const second = other();
    const upkeep = upkeepOf(second);
    await upkeep.check();
    const before = upkeep.status()?.versions?.targets ?? 0;
    await publishChange(first, 'changed');
    await upkeep.check();
    expect(upkeep.status()?.versions?.targets).to.be.greaterThan(before);
    const name = 'targets/trusted_root.json';
    expect(Buffer.from(upkeep.file(name) ?? []).toString()).to.include('changed');
    expect(readFileSync(join(second, name), 'utf8')).to.include('changed');
    expect(existsSync(join(second, '.publishing'))).to.equal(false);
    const again = createRepository(second, { rootKey, onlineKey, contents: contents(), now });
    expect((await failureAs(TufError, again)).code).to.equal('TUF_EXISTS');
  });

  it('serves on from memory while the database is away, publishes nothing then, and goes on by itself', async () => {
    const upkeep = upkeepOf(first);
    await upkeep.check();
    const served = Buffer.from(upkeep.file('timestamp.json') ?? []).toString();
    proxy.set({ requests: 'cut', answers: 'cut' });
    now += 9 * HOUR;
    await upkeep.check();
    expect(upkeep.status()?.failure).to.be.a('string');
    expect(Buffer.from(upkeep.file('timestamp.json') ?? []).toString()).to.equal(served);
    expect(readFileSync(join(first, 'timestamp.json'), 'utf8')).to.equal(served);
    proxy.set({});
    while (upkeep.status()?.failure !== undefined) await upkeep.check();
    expect(Buffer.from(upkeep.file('timestamp.json') ?? []).toString()).to.not.equal(served);
  });

  it('settles a publication whose answer was lost by what the database has', async () => {
    const upkeep = upkeepOf(first);
    await upkeep.check();
    const before = upkeep.status()?.versions?.timestamp ?? 0;
    await running().query(
      `CREATE FUNCTION pg_temp_slow_${schemas}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(4); RETURN NEW; END'`,
    );
    const schema = new URL(place.url).searchParams.get('schema') ?? '';
    await running().query(
      `CREATE TRIGGER slow AFTER UPDATE ON ${schema}.shared_document FOR EACH ROW EXECUTE FUNCTION pg_temp_slow_${schemas}()`,
    );
    now += 9 * HOUR;
    await upkeep.check();
    expect(upkeep.status()?.failure).to.be.a('string');
    // The statement goes on in the server after the service has given it up.
    const stamp = async (): Promise<unknown> =>
      (await running().query(`SELECT version FROM ${schema}.shared_document`)).rows[0]?.['version'];
    const left = await stamp();
    while ((await stamp()) === left) await new Promise((resolve) => setTimeout(resolve, 50));
    await running().query(`DROP TRIGGER slow ON ${schema}.shared_document`);
    const another = upkeepOf(other());
    await another.check();
    while (upkeep.status()?.failure !== undefined) await upkeep.check();
    await upkeep.check();
    const { versions } = upkeep.status() ?? {};
    expect(versions?.timestamp).to.be.greaterThan(before);
    expect(versions).to.deep.equal(another.status()?.versions);
  });

  it('moves out of the database and back, is refused where the configuration says another place, and stays in one place', async () => {
    await requireRepositoryAt(first, place);
    const elsewhere = await failureAs(LogError, requireRepositoryAt(first, undefined));
    expect(elsewhere.code).to.equal('LOG_ELSEWHERE');
    const files = (directory: string): readonly string[] =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.json') && name !== 'store.json')
        .sort();
    const second = other();
    await refresh(second);
    const before = files(second);
    expect(before).to.deep.equal(files(first));
    await writeFile(join(first, '999.snapshot.json'), 'not of it');
    expect(await alone(first, () => moveRepository(first, undefined, LOG_ID))).to.equal(true);
    expect(files(first)).to.deep.equal(before);
    expect(await readStorePlaces(first)).to.deep.equal({});
    await requireRepositoryAt(first, undefined);
    expect((await failureAs(TufError, refresh(second))).message).to.match(/it was moved/);
    expect(await alone(first, () => moveRepository(first, place, LOG_ID))).to.equal(true);
    expect(await alone(first, () => moveRepository(first, place, LOG_ID))).to.equal(false);
    const upkeep = upkeepOf(other());
    await upkeep.check();
    expect(upkeep.status()?.failure).to.equal(undefined);
    expect(upkeep.file('timestamp.json')).to.not.equal(undefined);
  });

  it('answers clients that ask several services in turns with what was signed last, also before the others have looked', async () => {
    const services = [upkeepOf(first), upkeepOf(other()), upkeepOf(other())];
    for (const one of services) await one.check();
    const root = services[0]?.file('1.root.json') ?? expect.fail('no root');
    const clients = stockClients((await balanced(services)).url, root);
    let text = 'first';
    for (let round = 0; round < 9; round++) {
      now += 9 * HOUR;
      if (round % 4 === 3) await publishChange(first, (text = `round ${round}`));
      // Only this one looks and signs.
      else await services[round % services.length]?.check();
      for (const client of clients)
        expect(await client.fetch('trusted_root.json'), client.name).to.include(`"${text}"`);
    }
    const asked = proxy.passed.requests;
    const many = await Promise.all(
      Array.from({ length: 200 }, async () => services[0]?.current('timestamp.json')),
    );
    expect(new Set(many.map((bytes) => Buffer.from(bytes ?? []).toString())).size).to.equal(1);
    // One question for all of them, or two.
    expect(proxy.passed.requests - asked).to.be.lessThan(5_000);
    const isImmediate = services[0]?.current('1.root.json') instanceof Uint8Array;
    expect(isImmediate).to.equal(true);
    expect(services[0]?.current('../store.json')).to.equal(undefined);
    // Nobody signs while the database is away: then what each has is right, and for one that alone is cut off it is the best.
    proxy.set({ requests: 'cut', answers: 'cut' });
    expect(await services[1]?.current('timestamp.json')).to.deep.equal(services[1]?.file('timestamp.json'));
    expect(await services[1]?.current('9.root.json')).to.equal(undefined);
  });

  it('takes nothing from the database that is no file of a repository, or not what follows what is known here', async () => {
    const upkeep = upkeepOf(first);
    await upkeep.check();
    const directory = scratchDirectory();
    await createRepository(join(directory, 'tuf'), {
      rootKey: await generateKey('p256'),
      onlineKey,
      contents: contents('evil'),
      now: now + 100 * HOUR,
    });
    const filesOf = (at: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(at, { recursive: true, encoding: 'utf8' })
          .filter((name) => /^(?:[\w.]+\.json|targets\/.+)$/.test(name) && name !== 'store.json')
          .map((name) => [name, readFileSync(join(at, name), 'base64')]),
      );
    const good = filesOf(first);
    const store =
      '{"version":1,"commits":{"url":"postgres://x@evil.test/x","passwordFile":"/run/secrets/passphrase"}}';
    const before = readdirSync(first).map((name) => name);
    const stored = readFileSync(join(first, 'store.json'), 'utf8');
    const served = upkeep.file('timestamp.json');
    for (const [files, words] of [
      [{ ...good, 'store.json': Buffer.from(store).toString('base64') }, /none of a repository/],
      [{ ...good, 'targets/../x': 'AA==' }, /none of a repository/],
      [{ ...good, '.lock': 'AA==' }, /none of a repository/],
      [{ ...good, 'timestamp.json': 'AAAA' }, /in PostgreSQL at .* cannot be used/],
      [{ '1.snapshot.json': 'AAAA' }, /neither a root nor a timestamp/],
      [filesOf(join(directory, 'tuf')), /another TUF repository/],
    ] as const) {
      await running().query(`UPDATE ${table()} SET version = version + 1, bytes = $1`, [
        Buffer.from(
          JSON.stringify({
            version: 1,
            contents: Object.values(files),
            files: Object.fromEntries(Object.keys(files).map((name, at) => [name, at])),
          }),
        ),
      ]);
      // As a service that is started, and one that runs.
      for (const one of [upkeepOf(first), upkeep]) {
        await one.check();
        expect(one.status()?.failure).to.match(words);
        expect(one.file('timestamp.json')).to.deep.equal(served);
      }
      expect((await failureAs(TufError, publishChange(first, 'more'))).message).to.match(words);
      expect(readdirSync(first).sort()).to.deep.equal([...before].sort());
      expect(readFileSync(join(first, 'store.json'), 'utf8')).to.equal(stored);
    }
  });

  it('is put into the database again from the newest copy where that was put back, and clients go on', async () => {
    const [a, b] = [upkeepOf(first), upkeepOf(other())];
    for (const one of [a, b]) await one.check();
    const root = a.file('1.root.json') ?? expect.fail('no root');
    const clients = stockClients((await balanced([a, b])).url, root);
    const putBack = await savedRow();
    now += HOUR;
    await publishChange(first, 'later');
    for (const one of [a, b]) await one.check();
    const expectLater = async (): Promise<void> => {
      for (const client of clients)
        expect(await client.fetch('trusted_root.json'), client.name).to.include('later');
    };
    await expectLater();
    // Under running services.
    await putBack();
    await expectLater();
    expect([a, b].map((one) => one.status()?.failure)).to.deep.equal([undefined, undefined]);
    // Another one, which knows nothing, signs above that what the database has; then one with a later copy is started.
    await a.stop();
    await b.stop();
    await putBack();
    now += 9 * HOUR;
    const c = upkeepOf(other());
    await c.check();
    expect(Buffer.from(c.file('targets/trusted_root.json') ?? []).toString()).to.include('first');
    const high = c.status()?.versions?.timestamp ?? 0;
    now -= 9 * HOUR;
    const again = upkeepOf(first);
    await again.check();
    expect(Buffer.from(again.file('targets/trusted_root.json') ?? []).toString()).to.include('later');
    expect(again.status()?.versions?.timestamp).to.be.greaterThan(high);
    await c.check();
    expect(c.status()?.versions).to.deep.equal(again.status()?.versions);
    // A database that has lost it gets it again, and a command does the same as a service.
    await again.stop();
    await running().query(`DELETE FROM ${table()}`);
    await publishChange(first, 'latest');
    await c.check();
    expect(Buffer.from(c.file('targets/trusted_root.json') ?? []).toString()).to.include('latest');
  });

  it('is served by a service without the key as others sign it, which says so only when nobody signs', async () => {
    const a = upkeepOf(first);
    const keyless = upkeepOf(other(), undefined, undefined, []);
    const outdated = upkeepOf(other(), undefined, undefined, [await generateKey('p256')]);
    for (const one of [a, keyless, outdated]) await one.check();
    for (let round = 0; round < 3; round++) {
      now += 9 * HOUR;
      // They look first, when it is due.
      for (const one of [keyless, outdated, a, keyless, outdated]) await one.check();
      for (const one of [keyless, outdated]) {
        expect(one.status()?.failure).to.equal(undefined);
        expect(one.status()?.versions).to.deep.equal(a.status()?.versions);
      }
    }
    const late = upkeepOf(other(), () => now + 13 * HOUR, undefined, []);
    await late.check();
    expect(late.status()?.failure).to.equal('there is no online key');
    now += HOUR;
    await publishChange(first, 'while it fails');
    await late.check();
    expect(Buffer.from(late.file('targets/trusted_root.json') ?? []).toString()).to.include('while it fails');
  });

  it('is one, whichever machine makes it or moves it there, unless another one is to follow it', async () => {
    // One that got no store.json.
    const second = join(scratchDirectory(), 'tuf');
    await shareRepository(second, place, LOG_ID);
    const making = createRepository(second, { rootKey, onlineKey, contents: contents(), now });
    expect((await failureAs(TufError, making)).code).to.equal('TUF_EXISTS');
    const upkeep = upkeepOf(second);
    await upkeep.check();
    expect(upkeep.status()?.versions?.root).to.equal(1);

    // Two copies in files move there: the later one counts, in either order.
    await alone(first, () => moveRepository(first, undefined, LOG_ID));
    const old = join(scratchDirectory(), 'tuf');
    cpSync(first, old, { recursive: true });
    now += HOUR;
    await publishChange(first, 'later');
    await alone(first, () => moveRepository(first, place, LOG_ID));
    const older = join(scratchDirectory(), 'tuf');
    cpSync(old, older, { recursive: true });
    await alone(old, () => moveRepository(old, place, LOG_ID));
    await refresh(old);
    expect(readFileSync(join(old, 'targets/trusted_root.json'), 'utf8')).to.include('later');
    await alone(first, () => moveRepository(first, undefined, LOG_ID));
    const refused = await failureAs(
      TufError,
      alone(older, () => moveRepository(older, place, LOG_ID)),
    );
    expect(refused.message).to.include('had a later state');
    await alone(first, () => moveRepository(first, place, LOG_ID));

    const other1001 = join(scratchDirectory(), 'tuf');
    await shareRepository(other1001, place, LOG_ID, 1001);
    const made = { rootKey, onlineKey, contents: contents(), rootVersion: 1001, now };
    expect((await createRepository(other1001, made)).root.signed.version).to.equal(1001);
    await refresh(first);
    expect((await requireRepository(first)).root.signed.version).to.equal(1);
  });
});
