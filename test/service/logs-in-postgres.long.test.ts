/** Whole services whose logs are in PostgreSQL. */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { decodePem } from '../../core/pem.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { moveLogs } from '../../instance/move-logs.ts';
import { checkArtifactLog } from '../../rekor/check-artifact-log.ts';
import { readRedactions } from '../../rekor/redactions.ts';
import { artifactEntries } from '../../rekor/stored-artifact.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { chooseStores, commitStoreAt } from '../../tlog/store/choose-stores.ts';
import { readStorePlaces } from '../../tlog/store/store-places.ts';
import { readEntries } from '../../tlog/tree/entry-bundle.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startFakeBucket, withBucketCredentials } from '../support/fake-bucket.ts';
import { runBlock } from '../support/documented-blocks.ts';
import { documentedCommands } from '../support/documented-commands.ts';
import { failureAs } from '../support/failure.ts';
import { signatureOf } from '../support/logged-signature.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';

describe('service: logs in PostgreSQL', function () {
  this.timeout(120_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  let schema: string;
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  const services: QuietService[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
    issuer = await startIssuer();
  });
  after(async () => {
    await issuer.close();
    await server?.remove();
  });
  beforeEach(async () => {
    schema = `logs_${schemas++}`;
    root = await mkdtemp(join(tmpdir(), 'mayfly-logs-'));
    data = join(root, 'data');
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
    const made = { api: 2 as const, host: 'ca.example.org', passphrase: undefined, clock: Date.now };
    await createDirectoryLog(dataPaths(data), made);
    await recordTrust(dataPaths(data));
  });
  afterEach(async () => {
    for (const one of services.splice(0)) await one.close();
    await rm(root, { recursive: true, force: true });
  });

  const running = (): PostgresServer => server ?? expect.fail('no server');
  const configure = async (log: unknown): Promise<void> => {
    await writeFile(dataPaths(data).config, emailConfig(issuer.url, JSON.stringify({ log })));
  };
  const inDatabase = () => ({
    store: running().url({ schema }),
    'store-password-file': running().passwordFile,
  });
  const command = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(args);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const open = async (directory = data): Promise<QuietService> => {
    const service = await openQuietly(directory);
    services.push(service);
    return service;
  };
  const stop = async (): Promise<void> => {
    for (const one of services.splice(0)) await one.close();
  };
  const issue = async ({ url }: QuietService, count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 25)
      await Promise.all(
        Array.from({ length: Math.min(25, left) }, async () => {
          const token = await emailToken({ issuer });
          const answer = await post(`${url}/api/v2/signingCert`, bodyV2(token, clientKey()));
          expect(answer.status).to.equal(200);
        }),
      );
  };
  const log = (): string => certificateLogPaths(dataPaths(data), '2026').directory;
  const artifacts = (): string => join(dataPaths(data).artifacts, 'v2');
  const expectEntries = async (entries: number): Promise<void> => {
    expect(await checkDirectory(await openDirectorySource(log()))).to.deep.include({ ok: true, entries });
    expect(await checkArtifactLog(artifacts())).to.deep.include({ size: 1 });
  };
  const served = async ({ url }: QuietService): Promise<readonly string[]> =>
    Promise.all(
      ['tile/0/000', 'tile/data/000', 'tile/data/001.p/14', 'tile/1/000.p/1'].map(async (path) =>
        Buffer.from(await (await fetch(`${url}/log/2026/${path}`)).arrayBuffer()).toString('base64'),
      ),
    );

  it('move there and back without a changed byte, are written by two services, and read by every command', async () => {
    const keyFile = join(root, 'tuf-root.key.pem');
    await command('trust', 'tuf', 'init', '--data', data, '--tuf-root-key-out', keyFile);
    const first = await open();
    await issue(first, 270);
    const before = await served(first);
    await stop();
    await configure(inDatabase());
    const refused = await failureAs(LogError, openQuietly(data));
    expect(refused.code).to.equal('LOG_ELSEWHERE');
    expect(refused.hint).to.contain('mayfly log move');
    expect(await command('log', 'migrate', '--data', data)).to.contain('migrations applied');
    expect(await command('log', 'migrate', '--data', data)).to.contain('nothing to do');
    expect(await command('log', 'move', '--data', data)).to.contain(
      'its history is in PostgreSQL at 127.0.0.1',
    );
    expect(await command('log', 'move', '--data', data)).to.contain('its tiles are there already');
    rmSync(join(log(), 'tile'), { recursive: true });
    await expectEntries(270);

    const other = join(root, 'other');
    cpSync(data, other, { recursive: true });
    const [a, b] = [await open(), await open(other)];
    expect(await served(a)).to.deep.equal(before);
    const timestamp = async ({ url }: QuietService): Promise<string> =>
      (await fetch(`${url}/tuf/timestamp.json`)).text();
    while ((await timestamp(a)) !== (await timestamp(b))) await delay(20);
    const year = join(root, 'year.json');
    await command('trust', 'tuf', 'stage', '--data', other, '--renew', '--out', year);
    await command('trust', 'tuf', 'sign', year, '--key', keyFile);
    const signed = await timestamp(a);
    await command('trust', 'tuf', 'import', year, '--data', other);
    while ((await timestamp(a)) === signed || (await timestamp(a)) !== (await timestamp(b))) await delay(20);
    await Promise.all([issue(a, 130), issue(b, 130)]);
    const sizes = async ({ url }: QuietService): Promise<string> =>
      (await (await fetch(`${url}/log/2026/checkpoint`)).text()).split('\n')[1] ?? '';
    while ((await sizes(a)) !== '530' || (await sizes(b)) !== '530') await delay(20);
    expect(await served(b)).to.deep.equal(before);
    const locked = await runMayfly(['log', 'freeze', '--data', data, '--confirm', 'localhost/log/2026']);
    expect(locked.code).to.equal(1);
    expect(locked.stderr).to.contain('another process has the log');
    await stop();
    await expectEntries(530);
    expect(await command('log', 'check', '--data', data)).to.contain('ok: 530 entries');
    expect(await command('log', 'status', '--data', data)).to.contain('530');
    expect(await command('log', 'list', '--data', data, '--limit', '1')).to.contain('@');
    expect(await command('log', 'export', '--data', data, '--out', join(root, 'out'))).to.contain('530');
    expect(await command('rekor', 'show', '--data', data)).to.contain('1 entries');

    await configure({});
    await command('log', 'move', '--data', data);
    await expectEntries(530);
    const again = await open();
    expect(await served(again)).to.deep.equal(before);
    expect(
      (JSON.parse(await timestamp(again)) as { signed: { version: number } }).signed.version,
    ).to.be.greaterThan((JSON.parse(signed) as { signed: { version: number } }).signed.version);
    await issue(again, 1);
    await stop();
    await expectEntries(531);
    // The directory of the other machine says that the log is in the database: it is not any more.
    const left = await failureAs(LogError, openQuietly(other));
    expect(left.code).to.equal('LOG_HEAD_MOVED');

    await configure(inDatabase());
    await command('log', 'move', '--data', data);
    await command('log', 'freeze', '--data', data, '--confirm', 'localhost/log/2026');
    await expectEntries(531);
    expect(await command('log', 'check', '--data', data)).to.contain('ok: 531 entries');
  });

  it('are in one place at every step of a move, whatever interrupts it, and the same command finishes', async () => {
    await issue(await open(), 3);
    await stop();
    await configure(inDatabase());
    await command('log', 'migrate', '--data', data);
    const directory = log();
    const before = await readStorePlaces(directory);
    const identity = JSON.parse(await readFile(join(directory, 'log.json'), 'utf8')) as { publicKey: string };
    expect(identity.publicKey).to.be.a('string');
    await command('log', 'move', '--data', data);
    const after = await readStorePlaces(directory);
    const [files, database] = [commitStoreAt(directory, before), commitStoreAt(directory, after)];
    const move = async (log: unknown): Promise<void> => {
      await configure(log);
      await command('log', 'move', '--data', data);
    };
    const expectStopped = async (): Promise<void> => {
      const failure = await failureAs(LogError, openQuietly(data));
      expect(failure.code).to.be.oneOf(['LOG_HEAD_MOVED', 'LOG_ELSEWHERE']);
    };
    for (const [to, from, target] of [
      ['files', database, files],
      ['database', files, database],
    ] as const) {
      const log = to === 'files' ? {} : inDatabase();
      const { identity: known } = await openDirectorySource(directory);
      // 1: the new store has all of it, and cannot be used.
      const arrival = { store: target.name, move: (to === 'files' ? '1' : '2').repeat(16) };
      await from.whileLocked(async ({ state }) => target.receive(known, state, arrival.move));
      expect((await chooseStores(directory)).commits.name).to.equal(from.name);
      await expectEntries(3);
      // 2: the old one is left.
      await from.whileLocked(async (store) => store.leave(arrival));
      await expectStopped();
      await failureAs(
        LogError,
        from.whileLocked(() => Promise.resolve()),
      );
      if (to === 'files') {
        // 3: the new one is in use, and the directory does not name it yet.
        await target.arrive(arrival.move);
        await expectStopped();
      }
      await move(log);
      await expectEntries(3);
      expect((await chooseStores(directory)).commits.name).to.equal(target.name);
    }
    await issue(await open(), 1);
    await stop();
    await expectEntries(4);
  });

  it('are not moved there from a copy beside a service, and say which level of protection is in force', async () => {
    const service = await open();
    await issue(service, 1);
    const other = join(root, 'other');
    // By another process: this one would drop the service's lock.
    execFileSync('cp', ['-a', data, other]);
    const there = emailConfig(issuer.url, JSON.stringify({ log: inDatabase() }));
    await writeFile(dataPaths(other).config, there);
    await command('log', 'migrate', '--data', other);
    const refused = await runMayfly(['log', 'move', '--data', other]);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('is a copy: the log that it was copied from is in use');
    await stop();
    await configure(inDatabase());
    await command('log', 'move', '--data', data);
    const { metricsUrl } = await open();
    expect(await (await fetch(`${metricsUrl}/readyz`)).text()).to.contain('level database');
    expect(await (await fetch(`${metricsUrl}/metrics`)).text()).to.contain(
      'mayfly_log_copies{log="certificates",level="database"} 1',
    );
    expect(await command('log', 'check', '--data', data)).to.contain('anchor: none (level database)');
  });

  it('are held to an anchor in the database while they are in files, whose tables log migrate makes', async () => {
    const { store, 'store-password-file': file } = inDatabase();
    await configure({ anchor: { at: store, 'password-file': file, mode: 'synchronous' } });
    expect(await failureAs(LogError, openQuietly(data))).to.have.property('code', 'LOG_UNSUITABLE_STORAGE');
    expect(await command('log', 'migrate', '--data', data)).to.contain('migrations applied');
    await issue(await open(), 2);
    await stop();
    const checked = await command('log', 'check', '--data', data);
    expect(checked).to.contain('anchor: synchronous, postgres://').and.contain('holds its head of 2 entries');
    // Where the history is in a database, too, both get their tables.
    const both = {
      ...inDatabase(),
      anchor: { at: running().url({ schema: `${schema}_anchor` }), 'password-file': file },
    };
    await configure(both);
    const printed = JSON.parse(await command('log', 'migrate', '--data', data, '--json')) as {
      applied: number;
      anchor: { applied: number; version: number };
    };
    expect(printed.applied).to.equal(0);
    expect(printed.anchor.applied).to.equal(printed.anchor.version);
  });

  it('take nothing into use that an interrupted move has left where another move did not end', async () => {
    await issue(await open(), 2);
    await stop();
    await configure(inDatabase());
    await command('log', 'migrate', '--data', data);
    const directory = log();
    const files = commitStoreAt(directory, await readStorePlaces(directory));
    await command('log', 'move', '--data', data);
    const database = commitStoreAt(directory, await readStorePlaces(directory));
    const { identity: known } = await openDirectorySource(directory);
    const other = join(root, 'other');
    cpSync(data, other, { recursive: true });
    const othersLog = certificateLogPaths(dataPaths(other), '2026').directory;
    // The other machine is interrupted before the log leaves, and this one moves it in its place.
    await database.whileLocked(async ({ state }) =>
      commitStoreAt(othersLog, {}).receive(known, state, '1'.repeat(16)),
    );
    await configure({});
    await command('log', 'move', '--data', data);
    await issue(await open(), 1);
    await stop();
    const configureOther = (log: unknown): Promise<void> =>
      writeFile(dataPaths(other).config, emailConfig(issuer.url, JSON.stringify({ log })));
    await configureOther({});
    const refused = await runMayfly(['log', 'move', '--data', other]);
    expect(refused.stderr).to.contain('was moved into files, and those are not in');
    expect(refused.code).to.equal(1);
    await failureAs(LogError, openQuietly(other));
    // This one is interrupted on the way back: to the other one it must not look as if the log had come.
    await files.whileLocked(async ({ state }) => database.receive(known, state, '2'.repeat(16)));
    await configureOther(inDatabase());
    await runMayfly(['log', 'move', '--data', other]);
    const arriving = await failureAs(LogError, database.read());
    expect(arriving.code).to.equal('LOG_HEAD_MOVED');
    await expectEntries(3);
  });

  it('keep the prefix of a bucket that their tiles were copied to before the move was interrupted', async () => {
    await issue(await open(), 270);
    await stop();
    const restore = withBucketCredentials();
    const fake = await startFakeBucket();
    try {
      const places = {
        commits: { url: running().url({ schema }), passwordFile: running().passwordFile },
        tiles: { url: `s3://${fake.bucket}/prod`, endpoint: fake.endpoint, addressing: 'path' as const },
      };
      const move = async () => moveLogs(await openDataDirectory(data, { write: true }), places);
      // Nothing can be put into a database without tables.
      expect(await failureAs(LogError, move())).to.have.property('code', 'LOG_UNSUITABLE_STORAGE');
      const { commits, tiles } = await readStorePlaces(log());
      expect(commits).to.equal(undefined);
      expect(tiles?.url).to.contain(`${places.tiles.url}/`);
      await expectEntries(270);
      await configure(inDatabase());
      await command('log', 'migrate', '--data', data);
      await move();
      expect((await readStorePlaces(log())).tiles?.url).to.equal(tiles?.url);
      rmSync(join(log(), 'tile'), { recursive: true });
      await expectEntries(270);
    } finally {
      await fake.close();
      restore();
    }
  });

  it('withhold a redacted body at every replica while they run, also at one that was stopped, and lose it when none runs', async () => {
    const artifactLog = { admission: 'any' };
    const config = emailConfig(
      issuer.url,
      JSON.stringify({ log: inDatabase(), 'artifact-log': artifactLog }),
    );
    await writeFile(dataPaths(data).config, config);
    await command('log', 'migrate', '--data', data);
    await command('log', 'move', '--data', data);
    const places = ['data', 'b', 'c'].map((name) => join(root, name));
    for (const place of places.slice(1)) cpSync(data, place, { recursive: true });
    const started: MayflyProcess[] = [];
    const start = async (place: string): Promise<{ url: string; child: MayflyProcess['child'] }> => {
      const one = startMayfly(['serve', ...ANYWHERE, '--json', '--data', place]);
      started.push(one);
      const { url } = JSON.parse(await one.firstLine) as { readonly url: string };
      return { url, child: one.child };
    };
    const end = async (): Promise<void> => {
      for (const { child } of started) child.kill('SIGTERM');
      for (const { ended } of started.splice(0)) await ended;
    };
    /** Lengths of the bodies of the first three entries, as the service has them; 0 is a withheld one. Undefined where it answers with none. */
    const lengths = async (url: string): Promise<readonly number[] | undefined> => {
      const answer = await fetch(`${url}/artifacts/v2/tile/entries/000.p/3`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (answer.status !== 200) return undefined;
      return readEntries(artifactEntries(2), bytes, 3).map(({ leaf }) => leaf.length);
    };
    const forget = async (): Promise<void> => {
      await running().query(`DELETE FROM ${schema}.shared_document WHERE title = 'redacted.json'`);
    };
    try {
      const [a, b, c] = [await start(data), await start(join(root, 'b')), await start(join(root, 'c'))];
      const sent: unknown[] = [];
      for (const [text, { url }] of [
        ['one', a],
        ['two', b],
      ] as const) {
        const { second } = await signatureOf({ url, issuer }, text);
        sent.push(second);
        expect((await post(`${url}/api/v2/log/entries`, second)).status).to.equal(201);
      }
      for (const { url } of [a, b, c]) while (((await lengths(url))?.length ?? 0) < 3) await delay(20);
      const [, body = 0] = (await lengths(c.url)) ?? [];
      expect(body).to.be.greaterThan(0);

      c.child.kill('SIGSTOP');
      const redaction = ['rekor', 'redact', '--data', data, '--v2', '--index', '1', '--reason', 'case 17'];
      const shown = await command(...redaction, '--json');
      const { confirm } = JSON.parse(shown) as { readonly confirm: string };
      const said = await command(...redaction, '--confirm', confirm);
      expect(said).to.contain('withheld by every service').and.contain('Stop every service of this log');
      const counted = performance.now() + 2_000;
      for (const { url } of [a, b]) while ((await lengths(url))?.[1] !== 0) await delay(20);
      while (performance.now() < counted) await delay(20);
      const woken = lengths(c.url);
      c.child.kill('SIGCONT');
      expect((await woken)?.[1] ?? 0).to.equal(0);
      while ((await lengths(c.url))?.[1] !== 0) await delay(20);
      for (const { url } of [a, b, c]) {
        const { redacted } = (await (await fetch(`${url}/api/v2/redacted`)).json()) as {
          redacted: unknown[];
        };
        expect(redacted).to.have.length(1);
        const found = async (text: string): Promise<readonly number[] | undefined> => {
          const digest = hash('sha256', text, 'hex');
          const answer = await fetch(`${url}/api/search/v1?log=v2&digest=${digest}`);
          if (answer.status === 503) return undefined;
          expect(answer.status).to.equal(200);
          const { entries } = (await answer.json()) as {
            readonly entries: readonly { readonly index: number }[];
          };
          return entries.map(({ index }) => index);
        };
        // The other one is found, once the index is there.
        while ((await found('two'))?.includes(2) !== true) await delay(50);
        expect(await found('one')).to.deep.equal([]);
        expect((await post(`${url}/api/v2/log/entries`, sent[0])).status).to.equal(410);
      }
      // A database that has lost the record gets it again from those who know.
      await forget();
      while (!(await readRedactions(artifacts())).entries.has(1)) await delay(50);
      // A replica that starts knows it at once.
      c.child.kill('SIGKILL');
      const again = await start(join(root, 'c'));
      expect((await lengths(again.url))?.[1]).to.equal(0);
      expect(await command('rekor', 'check', '--data', data)).to.contain('redacted');

      // No body is sent while nobody says which are withheld.
      await running().kill();
      while ((await lengths(a.url)) !== undefined) await delay(50);
      await running().up();
      while ((await lengths(a.url)) === undefined) await delay(50);
      expect((await lengths(a.url))?.[1]).to.equal(0);
      await end();

      // So does one that saw it only while it ran, and it removes what may have words of the entry.
      await forget();
      const index = join(root, 'b/artifacts/v2/search.db');
      writeFileSync(index, 'names of entries');
      const back = await start(join(root, 'b'));
      expect((await lengths(back.url))?.[1]).to.equal(0);
      expect(existsSync(index) && readFileSync(index).includes('names of entries')).to.equal(false);
      while (!(await readRedactions(artifacts())).entries.has(1)) await delay(50);
      await end();

      const rows = async (): Promise<unknown> => {
        const { rows: found } = await running().query(
          `SELECT count(*) AS n FROM ${schema}.log_batch WHERE position($1::bytea in bytes) > 0`,
          [Buffer.from(hash('sha256', 'one', 'base64'))],
        );
        return found[0]?.['n'];
      };
      expect(await rows()).to.equal('1');
      const removed = await command(...redaction, '--confirm', confirm);
      expect(removed).to.contain('is gone from');
      expect(await rows()).to.equal('0');
      expect(await command('rekor', 'check', '--data', data)).to.contain('redacted');
      const last = await start(join(root, 'b'));
      expect((await lengths(last.url))?.slice(1)).to.deep.equal([0, (await lengths(last.url))?.[2]]);
      await end();
      // With the log it moves into files.
      await configure({});
      await command('log', 'move', '--data', data);
      expect((await readRedactions(artifacts())).entries.get(1)?.reason).to.equal('case 17');
      expect(await checkArtifactLog(artifacts())).to.deep.include({ size: 3, redacted: 1 });
    } finally {
      for (const { child } of started) child.kill('SIGKILL');
    }
  });

  it('lose bodies that are withheld and still stored before they move, and do not move while a service has them', async () => {
    const settings = { log: inDatabase(), 'artifact-log': { admission: 'any' } };
    await writeFile(dataPaths(data).config, emailConfig(issuer.url, JSON.stringify(settings)));
    await command('log', 'migrate', '--data', data);
    await command('log', 'move', '--data', data);
    const service = await open();
    const { second } = await signatureOf({ url: service.url, issuer }, 'one');
    expect((await post(`${service.url}/api/v2/log/entries`, second)).status).to.equal(201);
    const redaction = ['rekor', 'redact', '--data', data, '--v2', '--index', '1', '--reason', 'case 17'];
    // A command reads what was published, which is a moment behind.
    while ((await runMayfly(redaction)).code !== 0) await delay(50);
    const { confirm } = JSON.parse(await command(...redaction, '--json')) as { readonly confirm: string };
    expect(await command(...redaction, '--confirm', confirm)).to.contain('withheld by every service');
    await configure({});
    const refused = await runMayfly(['log', 'move', '--data', data]);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('are withheld are still stored, and a service has that log');
    await stop();
    await command('log', 'move', '--data', data);
    const digest = Buffer.from(hash('sha256', 'one', 'base64'));
    const names = readdirSync(artifacts(), { recursive: true, encoding: 'utf8' });
    const files = names.map((name) => join(artifacts(), name)).filter((path) => statSync(path).isFile());
    expect(files.filter((path) => readFileSync(path).includes(digest))).to.deep.equal([]);
    expect(await checkArtifactLog(artifacts())).to.deep.include({ size: 2, redacted: 1 });
  });

  it('have one audit, with a line for each certificate that left, whatever replica is killed and when the database goes away', async () => {
    const settings = { log: inDatabase(), audit: { database: true, 'fail-closed': true } };
    await writeFile(dataPaths(data).config, emailConfig(issuer.url, JSON.stringify(settings)));
    await command('log', 'migrate', '--data', data);
    await command('log', 'move', '--data', data);
    const places = ['data', 'b', 'c'].map((name) => join(root, name));
    for (const place of places.slice(1)) cpSync(data, place, { recursive: true });
    const started: MayflyProcess[] = [];
    const urls = new Map<string, string>();
    const start = async (place: string): Promise<MayflyProcess> => {
      const one = startMayfly(['serve', ...ANYWHERE, '--json', '--data', place]);
      started.push(one);
      urls.set(place, (JSON.parse(await one.firstLine) as { readonly url: string }).url);
      return one;
    };
    const left: string[] = [];
    let isOver = false;
    const load = async (place: string): Promise<void> => {
      while (!isOver) {
        try {
          const token = await emailToken({ issuer });
          const answer = await post(`${urls.get(place)}/api/v2/signingCert`, bodyV2(token, clientKey()));
          const text = await answer.text();
          if (answer.status !== 200) {
            expect(answer.status, text).to.equal(503);
            continue;
          }
          const { signedCertificateEmbeddedSct } = JSON.parse(text) as {
            readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: string[] } };
          };
          const [block] = decodePem(signedCertificateEmbeddedSct.chain.certificates[0] ?? '');
          left.push(hash('sha256', block?.bytes ?? new Uint8Array(), 'hex'));
        } catch (error) {
          // Of a replica that was killed.
          if (error instanceof Error && error.name === 'AssertionError') throw error;
          await delay(20);
        }
      }
    };
    const more = async (count: number): Promise<void> => {
      for (const target = left.length + count; left.length < target;) await delay(20);
    };
    try {
      const processes = [await start(data), await start(join(root, 'b')), await start(join(root, 'c'))];
      const loads = places.flatMap((place) => [load(place), load(place)]);
      await more(60);
      processes[1]?.child.kill('SIGKILL');
      await more(40);
      await start(join(root, 'b'));
      await more(40);
      await running().kill();
      await running().up();
      await more(60);
      processes[2]?.child.kill('SIGKILL');
      await more(20);
      isOver = true;
      await Promise.all(loads);
      for (const { child } of started) child.kill('SIGTERM');
      for (const { ended } of started.splice(0)) await ended;
      const documented = await documentedCommands('audit.md', '### The database of the logs');
      const [exports = '', checks = ''] = documented.filter((line) => line.startsWith('mayfly audit '));
      const values = { '/var/lib/mayfly': data, '2026-11-01T00:00:00Z': '2020-01-01T00:00:00Z' };
      const lines = (await runBlock(exports, root, values)).trim().split('\n');
      const audited = lines.map((line) => JSON.parse(line) as { readonly certificateSha256?: string });
      expect(new Set(audited.map(({ certificateSha256 }) => certificateSha256))).to.include.keys(left);
      expect(await runBlock(checks, root, values)).to.match(/^ok: /);
      const later = ['audit', 'export', '--data', data, '--since', '2100-01-01T00:00:00Z'];
      expect(await command(...later)).to.equal('');
      await running().query(`UPDATE ${schema}.audit_batch SET lines = upper(lines) WHERE number = 3`);
      const changed = await runMayfly(['audit', 'check', '--data', data, '--json']);
      expect(changed.code).to.equal(1);
      expect(changed.stdout).to.contain('row 3 is not what was written');
    } finally {
      isOver = true;
      for (const { child } of started) child.kill('SIGKILL');
    }
  });

  it('know their database again however it is reached, and keep its password out of what they write', async () => {
    await configure(inDatabase());
    await command('log', 'migrate', '--data', data);
    await command('log', 'move', '--data', data);
    const keyFile = join(root, 'tuf-root.key.pem');
    await command('trust', 'tuf', 'init', '--data', data, '--tuf-root-key-out', keyFile);
    const file = join(root, 'password');
    writeFileSync(file, await readFile(running().passwordFile), { mode: 0o600 });
    await configure({ ...inDatabase(), 'store-password-file': file });
    const service = await open();
    await issue(service, 1);
    expect((await readStorePlaces(log())).commits?.passwordFile).to.equal(file);
    await stop();
    // Behind another address, as after a standby was promoted.
    const proxy = await TcpProxy.to(running().port);
    try {
      const there = {
        ...inDatabase(),
        store: running().url({ schema }, proxy.port),
        'store-password-file': file,
      };
      await configure(there);
      expect(await failureAs(LogError, openQuietly(data))).to.have.property('code', 'LOG_ELSEWHERE');
      expect(await command('log', 'accept-database', '--data', data)).to.contain('has 1 entries');
      await issue(await open(), 1);
      await stop();
      for (const place of [log(), dataPaths(data).tuf])
        expect((await readStorePlaces(place)).commits?.url).to.equal(there.store);
    } finally {
      await proxy.close();
    }
    await configure({ ...inDatabase(), 'store-password-file': file });
    await command('log', 'accept-database', '--data', data);
    writeFileSync(file, 'wrong\n');
    const refused = await failureAs(LogError, openQuietly(data));
    expect(refused.code).to.equal('LOG_STORAGE');
    expect(`${refused.message} ${refused.hint ?? ''}`).to.not.contain('wrong');
    expect(await readFile(join(log(), 'store.json'), 'utf8')).to.not.contain('correct horse');
    expect(refused.hint).to.contain('password file');
  });
});
