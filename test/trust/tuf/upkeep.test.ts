import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { rfc3339 } from '../../../core/clock.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { generateKey } from '../../../signers/key-types.ts';
import type { Signer } from '../../../signers/signer.ts';
import type { Repository } from '../../../trust/tuf/repository.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { TufUpkeep } from '../../../trust/tuf/upkeep.ts';
import {
  change,
  contents,
  Mirror,
  removeScratch,
  stockClients,
  testRepository,
  type TestRepository,
} from './support/repository.ts';

const HOUR = 3_600_000;

describe('trust/tuf/upkeep', () => {
  let repository: TestRepository;
  let now: number;
  let keys: () => Promise<readonly Signer[]>;
  let events: string[];
  let upkeep: TufUpkeep;
  const wanted = { text: 'first' };

  beforeEach(async () => {
    now = Date.now();
    repository = await testRepository(now);
    keys = () => Promise.resolve([localSigner(repository.onlineKey)]);
    events = [];
    wanted.text = 'first';
    upkeep = new TufUpkeep({
      directory: repository.directory,
      clock: () => now,
      openOnlineKeys: () => keys(),
      onSigned: ({ timestamp }) => events.push(`signed ${timestamp}`),
      onTrouble: (failure) => events.push(failure ?? 'works again'),
      onComparisonTrouble: (failure) => events.push(`comparison: ${failure ?? 'works again'}`),
      onDifference: (names) => events.push(`differs: ${names.join()}`),
    });
  });
  afterEach(async () => {
    await upkeep.stop();
    removeScratch();
  });

  const start = (openRootKey?: () => Promise<Signer>): Promise<void> =>
    upkeep.start({ contents: () => Promise.resolve(contents(wanted.text)), openRootKey });
  const served = (path: string): string => Buffer.from(upkeep.file(path) ?? []).toString();

  it('has nothing where there is no repository, and finds one that is made later', async () => {
    const elsewhere = `${repository.directory}.elsewhere`;
    renameSync(repository.directory, elsewhere);
    await start();
    expect(upkeep.status()).to.equal(undefined);
    expect(upkeep.file('timestamp.json')).to.equal(undefined);
    renameSync(elsewhere, repository.directory);
    await upkeep.check();
    expect(served('timestamp.json')).to.include('"_type":"timestamp"');
    expect(events).to.deep.equal([`signed ${upkeep.status()?.versions?.timestamp}`]);
  });

  it('does not take a repository without its timestamp for none', async () => {
    rmSync(join(repository.directory, 'timestamp.json'));
    await start();
    expect(upkeep.status()?.failure).to.include('timestamp.json');
    expect(events.join()).to.include('cannot be used');
  });

  it('signs on beside older metadata that is damaged, and removes that', async () => {
    const older = (role: string): string =>
      join(repository.directory, readdirSync(repository.directory).find((name) => name.endsWith(role)) ?? '');
    const [snapshot, targets] = [older('.snapshot.json'), older('.targets.json')];
    now += 24 * HOUR;
    await change(repository, { contents: contents('second'), renew: true }, { now });
    for (const path of [snapshot, targets]) writeFileSync(path, '{');
    await start();
    expect(upkeep.status()).to.include({ failure: undefined, signatures: 1 });
    for (const path of [snapshot, targets]) expect(existsSync(path), path).to.equal(false);
  });

  it('serves nothing lower after a backup was restored, before a start or under a running service', async () => {
    const backup = `${repository.directory}.backup`;
    const restore = (): void => {
      rmSync(repository.directory, { recursive: true });
      cpSync(backup, repository.directory, { recursive: true });
    };
    cpSync(repository.directory, backup, { recursive: true });
    const edits = { add: [tufKey(localSigner(await generateKey('p256')).publicKey)], remove: [] };
    now += HOUR;
    await change(repository, { root: edits }, { now });
    const seen = await repository.read();
    const expectHigher = ({ snapshot, timestamp }: Repository): void => {
      expect(upkeep.status()?.versions?.snapshot).to.be.greaterThan(snapshot.signed.version);
      expect(upkeep.status()?.versions?.timestamp).to.be.greaterThan(timestamp.signed.version);
    };
    now += HOUR;
    restore();
    await start();
    expectHigher(seen);

    // The clock stands still, and was ahead before: versions go on from what was served.
    const served = await repository.read();
    restore();
    await upkeep.check();
    expectHigher(served);
    expect(events.join(' ')).to.match(/^signed \d+ signed \d+$/);

    const last = await repository.read();
    const good = keys;
    keys = () => Promise.reject(new Error('the key is gone'));
    restore();
    await upkeep.check();
    expect(upkeep.status()?.failure).to.equal('the key is gone');
    expect(upkeep.status()?.versions?.timestamp).to.equal(last.timestamp.signed.version);
    await upkeep.check();
    expect(upkeep.status()?.failures).to.equal(1);
    keys = good;
    restore();
    await upkeep.check();
    expectHigher(last);
  });

  it('signs the timestamp at a third of its life, the snapshot with it at a third of its own, and clients follow', async () => {
    const mirror = await Mirror.start();
    try {
      await start();
      const first = upkeep.status();
      mirror.show(await repository.read());
      const clients = stockClients(mirror.url, mirror.files.get('root.json') ?? new Uint8Array());
      for (const client of clients) await client.fetch('trusted_root.json');
      now += 8 * HOUR;
      await upkeep.check();
      expect(upkeep.status()?.versions).to.include({ snapshot: first?.versions?.snapshot, root: 1 });
      expect(upkeep.status()?.versions?.timestamp).to.be.greaterThan(first?.versions?.timestamp ?? 0);
      expect(upkeep.status()?.ends?.timestamp).to.be.within(now + 24 * HOUR - 1000, now + 24 * HOUR);
      now += 56 * HOUR;
      await upkeep.check();
      expect(upkeep.status()?.versions?.snapshot).to.be.greaterThan(first?.versions?.snapshot ?? 0);
      expect(upkeep.status()).to.include({ signatures: 3, failures: 0 });
      mirror.show(await repository.read());
      for (const client of clients) await client.fetch('trusted_root.json');
    } finally {
      mirror.stop();
    }
  });

  it('goes on with what it has when it cannot sign, says so once, and tries again', async () => {
    await start();
    const before = served('timestamp.json');
    const good = keys;
    keys = () => Promise.reject(new Error('the key is gone'));
    now += 9 * HOUR;
    await upkeep.check();
    await upkeep.check();
    expect(events.slice(1)).to.deep.equal(['the key is gone']);
    expect(upkeep.status()).to.include({ failure: 'the key is gone', failures: 1 });
    expect(served('timestamp.json')).to.equal(before);
    keys = good;
    // What somebody publishes is looked at at once; without that the next try is in ten seconds.
    await change(repository, { renew: true }, { now });
    await upkeep.check();
    expect(events.at(-1)).to.equal('works again');
    expect(upkeep.status()?.failure).to.equal(undefined);
  });

  it('signs nothing by a clock that went further than time did, and goes on when it is right again', async () => {
    const started = now;
    let uptime = 5 * HOUR;
    const steady = (): number => uptime;
    const guarded = (): TufUpkeep =>
      new TufUpkeep({
        directory: repository.directory,
        clock: () => now,
        steadyClock: { now: steady, uptime: steady },
        openOnlineKeys: () => keys(),
        onSigned: ({ timestamp }) => events.push(`signed ${timestamp}`),
        onTrouble: (failure) => events.push(failure ?? 'works again'),
        onComparisonTrouble: () => undefined,
        onDifference: () => undefined,
      });
    upkeep = guarded();
    await upkeep.check();
    const { timestamp } = await repository.read();
    now = started + 400 * 24 * HOUR;
    await upkeep.check();
    expect(upkeep.status()?.failure).to.match(
      /the clock says 20\d\d-.* 9600 h more than passed since the start/,
    );
    expect((await repository.read()).timestamp.signed.version).to.equal(timestamp.signed.version);
    const said = events.length;
    now += HOUR / 2;
    // Files that changed are looked at without waiting.
    const newest = join(repository.directory, 'timestamp.json');
    cpSync(newest, `${newest}.copy`);
    renameSync(`${newest}.copy`, newest);
    await upkeep.check();
    expect(upkeep.status()?.failure, 'with the time of the last try').to.include(rfc3339(now));
    expect(events.slice(said), 'said once, whatever the clock says').to.deep.equal([]);
    // Time that passed is no jump, nor is one of some hours; asleep it passes too.
    uptime += 40 * 24 * HOUR;
    now = started + 40 * 24 * HOUR + 5 * HOUR;
    await change(repository, { renew: true }, { now });
    now += 9 * HOUR;
    await upkeep.check();
    expect(events.at(-1)).to.equal('works again');
    expect((await repository.read()).timestamp.signed.expires).to.equal(rfc3339(now + 24 * HOUR));

    // A start believes the clock, but for what it says to have ended.
    now = started + 800 * 24 * HOUR;
    upkeep = guarded();
    await upkeep.check();
    expect(upkeep.status()?.failure).to.match(/the root metadata ended on/);
    now = started + 300 * 24 * HOUR;
    upkeep = guarded();
    await upkeep.check();
    expect(upkeep.status()?.failure).to.equal(undefined);
    // A machine without a clock of its own: what was signed last says that the time after the start is right.
    now = Date.UTC(1970, 0, 2);
    upkeep = guarded();
    now = started + 300 * 24 * HOUR + 9 * HOUR;
    await upkeep.check();
    expect(upkeep.status()?.failure).to.equal(undefined);
  });

  it('says that another key lies there than the root names', async () => {
    const other = localSigner(await generateKey('p256'));
    keys = () => Promise.resolve([other]);
    now += 9 * HOUR;
    await start();
    expect(upkeep.status()?.failure).to.match(/the online key is not the one that the root names/);
  });

  it('serves what another process published, also under another online key', async () => {
    await start();
    const next = await generateKey('p256');
    keys = () => Promise.resolve([repository.onlineKey, next].map(localSigner));
    await change(
      repository,
      { contents: contents('second'), onlineKey: localSigner(next).publicKey },
      { online: [next], now },
    );
    await upkeep.check();
    expect(served('targets/trusted_root.json')).to.include('second');
    now += 9 * HOUR;
    await upkeep.check();
    expect(events.at(-1)).to.match(/^signed /);
  });

  it('says what clients should get and do not, and that they do again', async () => {
    wanted.text = 'second';
    await start();
    expect(events.slice(1)).to.deep.equal(['differs: trusted_root.json']);
    expect(upkeep.status()?.differences).to.deep.equal(['trusted_root.json']);
    await change(repository, { contents: contents('second') }, { now });
    await upkeep.check();
    expect(events.at(-1)).to.equal('differs: ');
  });

  it('signs on where it cannot be read what clients should get, and says that this is no fault of signing', async () => {
    const wanting = { contents: () => Promise.reject(new Error('the ledger is damaged')) };
    await upkeep.start(wanting);
    await upkeep.check();
    const { failure, comparisonFailure, failures } = upkeep.status() ?? {};
    expect({ failure, comparisonFailure, failures }).to.deep.equal({
      failure: undefined,
      comparisonFailure: 'the ledger is damaged',
      failures: 0,
    });
    now += 9 * HOUR;
    await upkeep.check();
    expect(upkeep.status()?.signatures).to.equal(2);
    await start();
    expect(events.filter((event) => /comparison/.test(event))).to.deep.equal([
      'comparison: the ledger is damaged',
      'comparison: works again',
    ]);
  });

  it('serves the files of targets of before for clients that still follow those, also after many starts', async () => {
    await start();
    const old = await repository.read();
    const paths = [...old.files.keys()].filter((path) => /^targets\/[0-9a-f]{64}\./.test(path));
    expect(paths).to.have.length(2);
    await change(repository, { contents: contents('second') }, { now });
    for (let starts = 0; starts < 6; starts++) {
      now += 1000;
      const restarted = new TufUpkeep({
        directory: repository.directory,
        clock: () => now,
        openOnlineKeys: () => keys(),
        onSigned: () => undefined,
        onTrouble: (failure) => events.push(failure ?? 'works again'),
        onComparisonTrouble: () => undefined,
        onDifference: () => undefined,
      });
      await restarted.check();
      await restarted.stop();
    }
    await upkeep.check();
    for (const path of [...paths, `${old.targets.signed.version}.targets.json`])
      expect(upkeep.file(path), path).to.deep.equal(old.files.get(path));
    // By their own names only what is in force.
    expect(served('targets/trusted_root.json')).to.include('second');
    expect(readdirSync(join(repository.directory, 'targets'))).to.include('trusted_root.json');
  });

  it('writes the root.json anew that an interrupted publication left as it was', async () => {
    const path = join(repository.directory, 'root.json');
    const before = readFileSync(path);
    await change(repository, { renew: true }, { now });
    const right = readFileSync(path);
    writeFileSync(path, before);
    await start();
    expect(readFileSync(path).equals(right)).to.equal(true);
  });

  it('publishes it by itself where the root key is there, and a new end of root and targets in time', async () => {
    wanted.text = 'second';
    await start(() => Promise.resolve(localSigner(repository.rootKey)));
    expect(served('targets/trusted_root.json')).to.include('second');
    expect(upkeep.status()?.differences).to.deep.equal([]);
    expect(upkeep.status()?.versions?.root).to.equal(1);
    now += 650 * 24 * HOUR;
    await start(() => Promise.resolve(localSigner(repository.rootKey)));
    expect(upkeep.status()?.versions?.root).to.equal(2);
    expect(upkeep.status()?.ends?.targets).to.be.greaterThan(now + 700 * 24 * HOUR);
    // Also what has ended meanwhile, as of a directory that nobody started for years.
    now += 800 * 24 * HOUR;
    await upkeep.check();
    await start(() => Promise.resolve(localSigner(repository.rootKey)));
    expect(upkeep.status()).to.deep.include({ failure: undefined });
    expect(upkeep.status()?.versions?.root).to.equal(3);
  });
});
