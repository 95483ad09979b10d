/** What a repository goes through, and who stands between it and its clients: for any stock clients. */
import { cpSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { generateKey } from '../../../../signers/key-types.ts';
import { localSigner } from '../../../../signers/local-signer.ts';
import { importChange, importChanges } from '../../../../trust/tuf/import-change.ts';
import { encodeMetadata, signMetadata } from '../../../../trust/tuf/metadata.ts';
import { newSnapshot, newTimestamp } from '../../../../trust/tuf/new-metadata.ts';
import { signOnline } from '../../../../trust/tuf/online-metadata.ts';
import { publish } from '../../../../trust/tuf/publish.ts';
import { signChange } from '../../../../trust/tuf/sign-change.ts';
import { stageChange, stageChangeOn, stateAfter } from '../../../../trust/tuf/stage-change.ts';
import { tufKey } from '../../../../trust/tuf/tuf-key.ts';
import { failureOf } from '../../../support/failure.ts';
import {
  change,
  contents,
  Mirror,
  removeScratch,
  testRepository,
  type StockClient,
  type TestRepository,
} from './repository.ts';

const DAY = 86_400_000;

/** Describes what clients follow and what they refuse. `make` returns the clients that are judged, each beginning with `root`; called before each test. */
export function describeClients(
  title: string,
  make: (url: string, root: Uint8Array) => Promise<readonly StockClient[]> | readonly StockClient[],
  needed: (test: Mocha.Context) => Promise<unknown> = () => Promise.resolve(),
): void {
  describe(title, function () {
    this.timeout(60_000);
    before(async function () {
      await needed(this);
    });
    let repository: TestRepository;
    let mirror: Mirror;
    let clients: readonly StockClient[];
    let began: number;

    beforeEach(async () => {
      began = Date.now() - DAY / 2;
      repository = await testRepository(began);
      mirror = await Mirror.start();
      mirror.show(await repository.read());
      clients = await make(mirror.url, mirror.files.get('1.root.json') ?? new Uint8Array());
      await expectAll('first');
    });
    afterEach(() => {
      mirror.stop();
      removeScratch();
    });

    async function expectAll(text: string): Promise<void> {
      for (const client of clients)
        expect(await client.fetch('trusted_root.json'), client.name).to.include(`"${text}"`);
    }

    async function expectRefusals(pattern: RegExp): Promise<void> {
      for (const client of clients) {
        const error = await failureOf(client.fetch('trusted_root.json'));
        expect(`${String(error)} ${String((error as Error).cause)}`, client.name).to.match(pattern);
      }
    }

    const show = async (): Promise<void> => {
      mirror.show(await repository.read());
    };

    it('fetch a target by its hash, and the same by either hash and by its name', () => {
      const [byName, ...byHash] = [...mirror.files].filter(([name]) => name.endsWith('trusted_root.json'));
      expect(byHash).to.have.length(2);
      expect(byName?.[0]).to.match(/^targets\/[0-9a-f]{64}\.trusted_root\.json$/);
      for (const [, bytes] of byHash) expect(bytes).to.deep.equal(byName?.[1]);
    });

    it('follow a change of targets', async () => {
      await change(repository, { contents: contents('second') });
      await show();
      await expectAll('second');
    });

    it('follow a root to another key and two thresholds, and refuse one that the old keys did not sign', async () => {
      const [first, second] = [await generateKey('p256'), await generateKey('p256')];
      const edits = {
        add: [first, second].map((key) => tufKey(localSigner(key).publicKey)),
        remove: [tufKey(localSigner(repository.rootKey).publicKey).keyID],
        threshold: 2,
      };
      const request = { root: edits, targets: edits, contents: contents('second') };
      const unsigned = await failureOf(change(repository, request, { keys: [first, second] }));
      expect(String(unsigned)).to.match(/the root lacks a signature/);
      const half = await failureOf(change(repository, request, { keys: [repository.rootKey, first] }));
      expect(String(half)).to.match(/the root lacks a signature/);
      await change(repository, request, { keys: [repository.rootKey, second, first] });
      await show();
      await expectAll('second');
      const old = await failureOf(change(repository, { contents: contents('third') }));
      expect(String(old)).to.match(/has nothing to sign here/);
      await change(repository, { contents: contents('third') }, { keys: [first, second] });
      await show();
      await expectAll('third');
    });

    it('refuse a root that somebody else signed', async () => {
      const other = await testRepository();
      const forged = await change(other, { renew: true });
      mirror.files.set('2.root.json', forged.files.get('2.root.json') ?? new Uint8Array());
      await expectRefusals(/root was signed by 0\/1 keys|[Vv]erif.* root failed|not enough signatures/);
    });

    it('refuse a timestamp that ended, and go on when it is signed anew', async () => {
      const old = await repository.read();
      const stale = newTimestamp(old.timestamp.signed.version + 1, old.snapshot, Date.now() - 2 * DAY);
      await signMetadata(stale, localSigner(repository.onlineKey));
      mirror.files.set('timestamp.json', encodeMetadata(stale));
      await expectRefusals(/timestamp\.json is expired|[Ee]xpired/);
      await resign();
      await show();
      await expectAll('first');
    });

    /** What the service does by itself. */
    async function resign(key = repository.onlineKey, now = Date.now()): Promise<void> {
      const { root, targets, snapshot, timestamp } = await repository.read();
      const work = { root, targets, before: { snapshot, timestamp } };
      const signed = await signOnline(work, 'both', localSigner(key), now);
      await publish(repository.directory, { targets, ...signed });
    }

    it('refuse a rollback of the timestamp, of the snapshot, and of the targets', async () => {
      const old = await repository.read();
      await change(repository, { contents: contents('second') });
      await show();
      await expectAll('second');
      mirror.show(old);
      await expectRefusals(/timestamp version|less than|rollback|is not greater/i);
      const { timestamp } = await repository.read();
      const signer = localSigner(repository.onlineKey);
      const again = newTimestamp(timestamp.signed.version + 1, old.snapshot, Date.now());
      await signMetadata(again, signer);
      mirror.files.set('timestamp.json', encodeMetadata(again));
      await expectRefusals(/version/i);
      const snapshot = newSnapshot(timestamp.signed.version + 2, old.targets, Date.now());
      await signMetadata(snapshot, signer);
      const third = newTimestamp(timestamp.signed.version + 2, snapshot, Date.now());
      await signMetadata(third, signer);
      mirror.files.set(`${snapshot.signed.version}.snapshot.json`, encodeMetadata(snapshot));
      mirror.files.set('timestamp.json', encodeMetadata(third));
      await expectRefusals(/version/i);
    });

    it('refuse a mix of old and new files', async () => {
      const old = await repository.read();
      const now = await change(repository, { contents: contents('second') });
      mirror.show(now);
      const name = `${now.snapshot.signed.version}.snapshot.json`;
      mirror.files.set(name, encodeMetadata(old.snapshot));
      await expectRefusals(/[Ll]ength|[Hh]ash|version/);
      mirror.show(now);
      mirror.files.set(`${now.targets.signed.version}.targets.json`, encodeMetadata(old.targets));
      await expectRefusals(/[Ll]ength|[Hh]ash|version/);
      mirror.show(now);
      for (const [path] of now.files)
        if (path.endsWith('.trusted_root.json'))
          mirror.files.set(path, Buffer.from(contents('evil').get('trusted_root.json')?.text ?? ''));
      await expectRefusals(/[Ll]ength|[Hh]ash/);
    });

    it('recover from versions that a stolen online key drove to their end, when it is replaced', async () => {
      const old = await repository.read();
      const last = Number.MAX_SAFE_INTEGER - 1;
      const signer = localSigner(repository.onlineKey);
      const snapshot = newSnapshot(last, old.targets, Date.now());
      await signMetadata(snapshot, signer);
      const timestamp = newTimestamp(last, snapshot, Date.now());
      await signMetadata(timestamp, signer);
      await publish(repository.directory, { targets: old.targets, snapshot, timestamp });
      await show();
      await expectAll('first');
      await resign();
      expect(String(await failureOf(resign()))).to.match(/there is no version after/);
      const onlineKey = await generateKey('p256');
      await change(repository, { onlineKey: localSigner(onlineKey).publicKey }, { online: [onlineKey] });
      await show();
      await expectAll('first');
      expect((await repository.read()).timestamp.signed.version).to.be.lessThan(last);
      await change({ ...repository, onlineKey }, { contents: contents('second') });
      await show();
      await expectAll('second');
    });

    it('take targets of before from a stolen online key where they have no memory, and no more once they begin with the root of another', async () => {
      const old = await repository.read();
      const oldRoot = mirror.files.get('1.root.json') ?? new Uint8Array();
      await change(repository, { contents: contents('second') }, { now: began + 1000 });
      const onlineKey = await generateKey('p256');
      const next = { contents: contents('second'), onlineKey: localSigner(onlineKey).publicKey };
      const now = await change(repository, next, { online: [onlineKey] });
      const newRoot = now.files.get('2.root.json') ?? new Uint8Array();
      // The thief has the old key and the network, and leaves out the new root.
      const thief = localSigner(repository.onlineKey);
      const snapshot = newSnapshot(Math.floor(Date.now() / 1000), old.targets, Date.now());
      await signMetadata(snapshot, thief);
      const timestamp = newTimestamp(Math.floor(Date.now() / 1000), snapshot, Date.now());
      await signMetadata(timestamp, thief);
      mirror.show({
        files: new Map([
          ...old.files,
          [`${snapshot.signed.version}.snapshot.json`, encodeMetadata(snapshot)],
          ['timestamp.json', encodeMetadata(timestamp)],
        ]),
      });
      clients = await make(mirror.url, oldRoot);
      await expectAll('first');
      clients = await make(mirror.url, newRoot);
      await expectRefusals(/sign|threshold|keys/i);
      mirror.show(now);
      await expectAll('second');
    });

    it('refuse root and targets that ended, and go on when these are signed again', async () => {
      repository = await testRepository(Date.now() - 800 * DAY);
      await resign();
      await show();
      clients = await make(mirror.url, mirror.files.get('1.root.json') ?? new Uint8Array());
      await expectRefusals(/[Ee]xpired/);
      await change(repository, { renew: true });
      await show();
      await expectAll('first');
    });

    it('go on after a backup from before another online key, by that change and one on top', async () => {
      const backup = `${repository.directory}.backup`;
      cpSync(repository.directory, backup, { recursive: true });
      const none = { root: { add: [], remove: [] }, targets: { add: [], remove: [] }, renew: false };
      const [lost, next] = [await generateKey('p256'), await generateKey('p256')].map(localSigner);
      if (lost === undefined || next === undefined) throw new Error('there are no keys');
      const root = localSigner(repository.rootKey);
      const first = { ...none, contents: contents('second'), onlineKey: lost.publicKey };
      const staged = stageChange(await repository.read(), first, Date.now());
      if (staged === undefined) throw new Error('nothing would change');
      const signed = await signChange(staged, root);
      await importChange(repository.directory, signed, [lost], Date.now());
      await show();
      await expectAll('second');
      rmSync(repository.directory, { recursive: true });
      cpSync(backup, repository.directory, { recursive: true });
      const top = { ...none, contents: contents('second'), onlineKey: next.publicKey };
      const onTop = stageChangeOn(stateAfter(signed), top, Date.now());
      if (onTop === undefined) throw new Error('nothing would change');
      const changes = [signed, await signChange(onTop, root)];
      await importChanges(repository.directory, changes, [next], Date.now());
      await show();
      await expectAll('second');
      // Those that begin with the first root meet two new ones at once.
      clients = await make(mirror.url, mirror.files.get('1.root.json') ?? new Uint8Array());
      await expectAll('second');
      rmSync(backup, { recursive: true });
    });

    it('go on after a backup was restored, and after that with the change that it lacked', async () => {
      const backup = `${repository.directory}.backup`;
      cpSync(repository.directory, backup, { recursive: true });
      await resign(undefined, Date.now() - 1000);
      await show();
      await expectAll('first');
      rmSync(repository.directory, { recursive: true });
      cpSync(backup, repository.directory, { recursive: true });
      await resign();
      await show();
      await expectAll('first');
      const staged = stageChange(
        await repository.read(),
        {
          contents: contents('second'),
          root: { add: [], remove: [] },
          targets: { add: [], remove: [] },
          renew: true,
        },
        Date.now(),
      );
      if (staged === undefined) throw new Error('nothing would change');
      const signed = await signChange(staged, localSigner(repository.rootKey));
      const signers = [localSigner(repository.onlineKey)];
      await importChange(repository.directory, signed, signers, Date.now());
      await show();
      await expectAll('second');
      rmSync(repository.directory, { recursive: true });
      cpSync(backup, repository.directory, { recursive: true });
      await resign(undefined, Date.now() + 2000);
      await show();
      await expectRefusals(/version/i);
      await importChange(repository.directory, signed, signers, Date.now() + 4000);
      await show();
      await expectAll('second');
      rmSync(backup, { recursive: true });
    });
  });
}
