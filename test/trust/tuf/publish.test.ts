import { chownSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createPublicKey, ECDH, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TargetFile } from '@tufjs/models';
import { expect } from 'chai';
import { generateKey } from '../../../signers/key-types.ts';
import { localSigner } from '../../../signers/local-signer.ts';
import { importChange } from '../../../trust/tuf/import-change.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../../trust/tuf/metadata.ts';
import { newSnapshot, newTargets, newTimestamp, nextVersion } from '../../../trust/tuf/new-metadata.ts';
import { dueAt, signOnline } from '../../../trust/tuf/online-metadata.ts';
import { publish, whileLocked } from '../../../trust/tuf/publish.ts';
import { readRepository } from '../../../trust/tuf/repository.ts';
import { signChange } from '../../../trust/tuf/sign-change.ts';
import { stageChange, type ChangeRequest } from '../../../trust/tuf/stage-change.ts';
import {
  encodeStagedChange,
  mergeSignatures,
  parseStagedChange,
  signaturesMissing,
  type StagedChange,
} from '../../../trust/tuf/staged-change.ts';
import { describeChange } from '../../../trust/tuf/change-text.ts';
import { createRepository } from '../../../trust/tuf/create-repository.ts';
import { isTarget, TARGET_HASHES, targetFile } from '../../../trust/tuf/target-contents.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { encodePem } from '../../../core/pem.ts';
import { skipUnless } from '../../support/skipped.ts';
import { failureOf } from '../../support/failure.ts';
import { fileSteps } from '../../support/file-steps.ts';
import {
  change,
  contents,
  removeScratch,
  scratchDirectory,
  testRepository,
  whileOpening,
  withRenames,
  type TestRepository,
} from './support/repository.ts';

const DAY = 86_400_000;
const NO_EDITS = { add: [], remove: [] };

describe('trust/tuf', () => {
  afterEach(removeScratch);

  const request = (over: Partial<ChangeRequest> = {}): ChangeRequest => ({
    contents: contents('second'),
    root: NO_EDITS,
    targets: NO_EDITS,
    renew: false,
    ...over,
  });

  it('leaves the old repository whole, or has the new one, wherever a publication is interrupted', async () => {
    // All within one second, by which versions go.
    const now = Date.now();
    const made = await testRepository(now);
    const onlineKey = await generateKey('p256');
    const old = await made.read();
    const staged = stageChange(old, request({ onlineKey: localSigner(onlineKey).publicKey }), now);
    if (staged === undefined) throw new Error('nothing would change');
    const signed = await signChange(staged, localSigner(made.rootKey));
    const states: string[] = [];
    for (let count = 0, done = 0; done === Math.max(0, count - 1); count++) {
      const directory = join(scratchDirectory(), 'tuf');
      cpSync(made.directory, directory, { recursive: true });
      const signers = [made.onlineKey, onlineKey].map(localSigner);
      const importing = (): Promise<unknown> => importChange(directory, signed, signers, now);
      done = await withRenames(count, importing);
      const left = await readRepository(directory);
      const isNew = left?.root.signed.version === 2;
      states.push(isNew ? 'new' : 'old');
      expect(left?.targets.signed.version, `after ${count} renames`).to.equal(
        isNew ? staged.targets?.signed.version : old.targets.signed.version,
      );
      if (!isNew) expect([...(left?.files.keys() ?? [])]).to.not.include('2.root.json');
      await importing();
      const whole = await readRepository(directory);
      expect(whole?.root.signed.version, `again after ${count}`).to.equal(2);
      // What mirrors copy and people look at is written after what counts.
      const names = Object.keys(whole?.targets.signed.targets ?? {}).map((name) => `targets/${name}`);
      for (const name of ['root.json', ...names])
        expect(readFileSync(join(directory, name)), `${name} again after ${count}`).to.deep.equal(
          Buffer.from(whole?.files.get(name) ?? []),
        );
    }
    expect(states).to.include('old').and.to.include('new');
    expect(states.join(' ')).to.match(/^(old )+(new ?)+$/);
  });

  it('syncs the names of targets that were there before it relies on them', async () => {
    const made = await testRepository(Date.now() - DAY);
    const published = await made.read();
    rmSync(join(made.directory, 'timestamp.json'));
    const steps = await fileSteps(made.directory, () => publish(made.directory, published));
    const renamed = steps.indexOf('rename .timestamp.json.*.tmp timestamp.json');
    expect(steps.indexOf('sync targets')).to.be.within(0, renamed);
  });

  it('makes a repository anew where the making was interrupted, and never over one that is there', async () => {
    const [rootKey, onlineKey] = [await generateKey('p256'), await generateKey('p256')];
    for (let count = 0, done = 0; done === Math.max(0, count - 1); count++) {
      const directory = join(scratchDirectory(), 'tuf');
      const making = (): Promise<unknown> =>
        createRepository(directory, { rootKey, onlineKey, contents: contents(), now: Date.now() });
      done = await withRenames(count, making);
      const error =
        (await readRepository(directory)) === undefined ? await making() : await failureOf(making());
      if (error instanceof Error) expect(error.message).to.match(/holds a TUF repository already/);
      expect(await readRepository(directory)).to.not.equal(undefined);
    }
  });

  it('keeps a few snapshots, all roots, and no file that nothing names', async () => {
    const made = await testRepository(Date.now() - DAY);
    for (let round = 0; round < 6; round++)
      await change(made, { contents: contents(`round ${round}`), renew: true });
    const names = readdirSync(made.directory);
    expect(names.filter((name) => name.endsWith('.root.json'))).to.have.length(7);
    expect(names.filter((name) => name.endsWith('.snapshot.json'))).to.have.length(4);
    expect(names.filter((name) => name.endsWith('.targets.json'))).to.have.length(4);
    expect(readdirSync(join(made.directory, 'targets'))).to.have.length(4 * 2 + 2 + 2);
  });

  it('reads a repository that is published and pruned meanwhile', async () => {
    const made = await testRepository(Date.now() - DAY);
    await change(made, { renew: true });
    const [oldest] = readdirSync(made.directory)
      .filter((name) => name.endsWith('.snapshot.json'))
      .sort();
    const inForce = (await made.read()).snapshot.signed.version;
    const rows: readonly (readonly [string, () => Promise<unknown>])[] = [
      // After the timestamp, as a publication removes it at its end.
      [oldest ?? '', () => rm(join(made.directory, oldest ?? ''))],
      // Everything that the timestamp of before names is gone.
      [
        `${inForce}.snapshot.json`,
        async () => {
          for (let round = 0; round < 5; round++)
            await change(made, { contents: contents(`round ${round}`), renew: true });
        },
      ],
    ];
    for (const [name, meanwhile] of rows) {
      const read = await whileOpening(join(made.directory, name), meanwhile, () => made.read());
      expect(read.timestamp.signed.version, name).to.equal((await made.read()).timestamp.signed.version);
    }
    // What stays damaged is said to be.
    const { snapshot } = await made.read();
    await rm(join(made.directory, `${snapshot.signed.version}.snapshot.json`));
    expect(await failureOf(made.read())).to.include({ code: 'TUF_DAMAGED' });
  });

  it('takes the seconds of the clock for a version, and one more than the last where they are not higher', () => {
    expect(nextVersion(undefined, 1_800_000_000_900)).to.equal(1_800_000_000);
    expect(nextVersion(1_799_999_000, 1_800_000_000_900)).to.equal(1_800_000_000);
    expect(nextVersion(1_800_000_000, 1_800_000_000_900)).to.equal(1_800_000_001);
    expect(nextVersion(1_900_000_000, 1_800_000_000_900)).to.equal(1_900_000_001);
  });

  it('signs at a third of the life, and after the clock was set back', async () => {
    const now = Date.UTC(2026, 10, 1);
    const made = await testRepository(now);
    const before = await made.read();
    const due = (at: number): string => dueAt(at, { ...before, before });
    expect(due(now)).to.equal('nothing');
    expect(due(now + DAY / 3 - 1000)).to.equal('nothing');
    expect(due(now + DAY / 3)).to.equal('timestamp');
    expect(due(now + (7 * DAY) / 3)).to.equal('both');
    expect(due(now - 3_600_000)).to.equal('both');
    const back = now - 3_600_000;
    const signed = await signOnline({ ...before, before }, 'both', localSigner(made.onlineKey), back);
    expect(signed.timestamp.signed.version).to.equal(before.timestamp.signed.version + 1);
    expect(signed.timestamp.signed.expires).to.equal('2026-11-01T23:00:00Z');
  });

  it('stages nothing when nothing would change, and says in words what does', async () => {
    const now = Date.UTC(2026, 10, 1);
    const repository = await (await testRepository(now)).read();
    expect(stageChange(repository, request({ contents: contents() }), now)).to.equal(undefined);
    const other = tufKey(localSigner(await generateKey('p256')).publicKey);
    const root = { add: [other], remove: [], threshold: 2 };
    const staged = stageChange(repository, request({ root }), now + DAY);
    const text = describeChange(staged ?? fail(), now).join('\n');
    expect(text).to.include(
      'Root: version 1 becomes 2, and ends on 2028-11-01T00:00:00Z instead of 2028-10-31T00:00:00Z.',
    );
    expect(text).to.include(`  root: key ${other.keyID} is new; it may change who signs anything here.`);
    expect(text).to.include('  root: 2 signatures are needed instead of 1.');
    expect(text).to.match(/ {2}trusted_root\.json changes \(SHA-256 [0-9a-f]{64}\)\./);
  });

  const fail = (): never => {
    throw new Error('there is nothing');
  };

  it('reads a staged change as it was written, merges signatures, and refuses files that are not what is signed', async () => {
    const made = await testRepository();
    const second = await generateKey('p256');
    const targets = { add: [tufKey(localSigner(second).publicKey)], remove: [], threshold: 2 };
    const staged = stageChange(await made.read(), request({ targets }), Date.now()) ?? fail();
    const text = encodeStagedChange(staged);
    expect(encodeStagedChange(parseStagedChange(text))).to.equal(text);
    const copies = [made.rootKey, second].map((key) => signChange(parseStagedChange(text), localSigner(key)));
    const merged = mergeSignatures(await Promise.all(copies));
    const { repository } = await importChange(
      made.directory,
      merged,
      [localSigner(made.onlineKey)],
      Date.now(),
    );
    expect(repository.targets.signed.version).to.equal(staged.targets?.signed.version);
    const again = await importChange(made.directory, merged, [localSigner(made.onlineKey)], Date.now());
    expect(again.isNew).to.equal(false);
    expect(() => parseStagedChange(text.replaceAll('\\"second\\"', '\\"evil\\"'))).to.throw(
      /its trusted_root\.json is not the one that its metadata describes/,
    );
    expect(() => parseStagedChange(text.replaceAll('\\"first\\"', '\\"evil\\"'))).to.throw(
      /its trusted_root\.json is not the one that its metadata describes/,
    );
    for (const name of ['../../config.yaml', 'more.json', 'constructor'])
      expect(() =>
        parseStagedChange(encodeStagedChange({ ...staged, files: new Map([...staged.files, [name, 'x']]) })),
      ).to.throw(/its metadata names no "/);
    const paths = newTargets(staged.before.targets.signed.version + 1, new Map([['../x', { text: 'x' }]]), 0);
    expect(() =>
      parseStagedChange(encodeStagedChange({ ...staged, targets: paths, files: new Map([['../x', 'x']]) })),
    ).to.throw(/"\.\.\/x" is no name of a target/);
    const [signature = ''] = Object.values(staged.before.targets.signatures).map(({ sig }) => sig);
    expect(() => parseStagedChange(text.replace(signature, signature.replace(/..$/, '00')))).to.throw(
      /what it says was in force is not signed/,
    );
    expect(() => parseStagedChange('{}')).to.throw(/it is of another kind/);
    expect(() => mergeSignatures([parseStagedChange(text), { ...staged, root: undefined }])).to.throw(
      /not copies/,
    );
  });

  it('refuses lower versions, the wrong next root, missing signatures, and a directory without the online key', async () => {
    const made = await testRepository(Date.now() - DAY);
    const online = [localSigner(made.onlineKey)];
    const repository = await made.read();
    const first = stageChange(repository, request({ renew: true }), Date.now()) ?? fail();
    const signed = await signChange(first, localSigner(made.rootKey));
    const refusal = async (work: Promise<unknown>): Promise<string> => String(await failureOf(work));
    expect(await refusal(importChange(made.directory, first, online, Date.now()))).to.match(
      /lacks a signature/,
    );
    expect(await refusal(importChange(made.directory, signed, [], Date.now()))).to.match(
      /no key that its root names/,
    );
    expect(await refusal(importChange(made.directory, signed, online, Date.now() + 800 * DAY))).to.match(
      /ended on/,
    );
    const second = await generateKey('p256');
    const root = { add: [tufKey(localSigner(second).publicKey)], remove: [], threshold: 2 };
    const now = Date.now();
    const staged = stageChange(repository, request({ root, contents: contents() }), now) ?? fail();
    for (const key of [made.rootKey, second]) {
      const half = await signChange(staged, localSigner(key));
      expect(await refusal(importChange(made.directory, half, online, now))).to.match(
        /the root lacks a signature/,
      );
    }
    const targets = { add: root.add, remove: [], threshold: 2 };
    const handed = stageChange(repository, request({ targets, contents: contents() }), now) ?? fail();
    const without = await signChange(
      { ...handed, targets: undefined, files: new Map() },
      localSigner(made.rootKey),
    );
    expect(await refusal(importChange(made.directory, without, online, now))).to.match(
      /other keys for the targets, and it has no targets that they signed/,
    );
    const [one, other] = ['one', 'other'].map(
      (text) => stageChange(repository, request({ contents: contents(text) }), now) ?? fail(),
    ) as [StagedChange, StagedChange];
    expect(() => mergeSignatures([one, other])).to.throw(/not copies/);
    expect(await refusal(importChange(made.directory, one, online, now))).to.match(
      /the targets lacks a signature/,
    );
    await importChange(made.directory, await signChange(one, localSigner(made.rootKey)), online, now);
    const same = await signChange(other, localSigner(made.rootKey));
    expect(await refusal(importChange(made.directory, same, online, now))).to.match(
      /its targets have version (\d+), and those in force \1/,
    );
    await change(made, request({ contents: contents('third'), renew: true }), { now: Date.now() + 5000 });
    expect(await refusal(importChange(made.directory, signed, online, Date.now()))).to.match(
      /its root has version 2, and the one in force 2|its targets have version \d+/,
    );
  });

  it('publishes of a staged change what was signed and nothing else, and nothing that it could not read back', async () => {
    const renewed = async (
      over: Partial<ChangeRequest> = {},
    ): Promise<{ made: TestRepository; text: string }> => {
      const made = await testRepository(Date.now() - DAY);
      const staged = stageChange(await made.read(), request({ renew: true, ...over }), Date.now()) ?? fail();
      return { made, text: encodeStagedChange(await signChange(staged, localSigner(made.rootKey))) };
    };
    const importing = async (made: TestRepository, parts: StagedChange): Promise<unknown> =>
      importChange(made.directory, parts, [localSigner(made.onlineKey)], Date.now());
    interface Unsigned {
      root: { signatures: { keyid: string; sig: string }[] };
      targets: { signatures: { keyid: string; sig: string }[] };
    }
    const deep = JSON.parse(`${'['.repeat(11)}${']'.repeat(11)}`) as unknown;
    const additions: ((json: Unsigned) => void)[] = [
      ({ root, targets }) => {
        for (const { signatures } of [root, targets])
          signatures.push({ keyid: 'f'.repeat(64), sig: '00'.repeat(300_000) });
      },
      (json) => Object.assign(json.root, { beside: 'x'.repeat(600_000) }),
      (json) => Object.assign(json.targets, { beside: deep }),
    ];
    for (const add of additions) {
      const { made, text } = await renewed();
      const json = JSON.parse(text) as Unsigned;
      add(json);
      await importing(made, parseStagedChange(JSON.stringify(json)));
      const { root, targets } = await made.read();
      for (const metadata of [root, targets]) {
        expect(metadata.toJSON()).to.have.all.keys('signed', 'signatures');
        expect(Object.keys(metadata.signatures)).to.have.length(1);
      }
    }

    const { made: whole, text } = await renewed();
    const change = parseStagedChange(text);
    await importing(whole, {
      ...change,
      targets: undefined,
      files: new Map([['trusted_root.json', 'evil']]),
    });
    expect(
      Buffer.from((await whole.read()).files.get('targets/trusted_root.json') ?? []).toString(),
    ).to.include('first');

    const large = new Map([['trusted_root.json', { text: 'x'.repeat(4 * 1024 * 1024 + 1) }]]);
    const many = new Map(
      Array.from(
        { length: 400 },
        (_, index) => [`target-${index}-${'x'.repeat(1500)}`, { text: '{}' }] as const,
      ),
    );
    for (const unreadable of [large, many]) {
      const { made, text: signed } = await renewed({ contents: unreadable });
      const names = readdirSync(made.directory, { recursive: true }).sort();
      const error = await failureOf(importing(made, parseStagedChange(signed)));
      expect(String(error)).to.match(/the change is not published: no client could read it/);
      expect(readdirSync(made.directory, { recursive: true }).sort()).to.deep.equal(names);
      await made.read();
    }
  });

  it('publishes no end that another client could not read, and no version of targets that the clock never reaches', async () => {
    const made = await testRepository(Date.now() - DAY);
    const online = [localSigner(made.onlineKey)];
    const signedWith = async (over: Readonly<Record<string, unknown>>): Promise<StagedChange> => {
      const staged = stageChange(await made.read(), request(), Date.now()) ?? fail();
      Object.assign(staged.targets?.signed ?? fail(), over);
      return signChange(staged, localSigner(made.rootKey));
    };
    for (const expires of [
      '2028-11-28 (any text\nof several lines)',
      '2028-11-28',
      '2028-11-28T00:00:00',
      '2028-11-28T00:00:00.000Z',
      '2028-11-28T00:00:00+00:00',
      '2028-11-28t00:00:00z',
      '2028-02-30T00:00:00Z',
      '+012028-11-28T00:00:00Z',
      '',
    ]) {
      const change = await signedWith({ expires });
      expect(() => parseStagedChange(encodeStagedChange(change)), expires).to.throw(
        /this is no usable targets metadata/,
      );
      expect(String(await failureOf(importChange(made.directory, change, online, Date.now())))).to.match(
        /the change is not published/,
      );
    }
    const seconds = Math.floor(Date.now() / 1000);
    for (const version of [Number.MAX_SAFE_INTEGER, seconds + 90_000]) {
      const change = await signedWith({ version });
      expect(String(await failureOf(importChange(made.directory, change, online, Date.now())))).to.match(
        /which the clock does not reach/,
      );
    }
    const near = await signedWith({ version: seconds + 3600 });
    await importChange(made.directory, near, online, Date.now());
    // With a clock that was set back there is always a next one.
    const back = Date.now() - 10 * DAY;
    const next = stageChange(await made.read(), request({ contents: contents('third') }), back) ?? fail();
    await importChange(made.directory, await signChange(next, localSigner(made.rootKey)), online, back);
    expect((await made.read()).targets.signed.version).to.equal(seconds + 3601);
  });

  it('counts no signature with something behind its digits, and keeps the right one of two', async () => {
    const made = await testRepository(Date.now() - DAY);
    const staged = stageChange(await made.read(), request({ renew: true }), Date.now()) ?? fail();
    const text = encodeStagedChange(await signChange(staged, localSigner(made.rootKey)));
    const [right, wrong] = [text, text.replaceAll(/("sig": "[0-9a-f]+)"/g, '$1 and more"')];
    const signed = (parts: readonly string[]): StagedChange => {
      const json = parts.map((part) => JSON.parse(part) as { before: unknown });
      const [{ before } = fail()] = json;
      return mergeSignatures(json.map((one) => parseStagedChange(JSON.stringify({ ...one, before }))));
    };
    expect(() => parseStagedChange(wrong)).to.throw(/what it says was in force is not signed/);
    const withBefore = JSON.stringify({
      ...(JSON.parse(wrong) as object),
      before: (JSON.parse(right) as { before: unknown }).before,
    });
    expect(signaturesMissing(parseStagedChange(withBefore))).to.have.length(3);
    for (const order of [
      [right, withBefore],
      [withBefore, right],
    ])
      expect(signaturesMissing(signed(order))).to.deep.equal([]);
  });

  it('says what is wrong with a repository, and does not read a file that is not what was signed', async () => {
    const made = await testRepository();
    const { targets, snapshot, files } = await made.read();
    const timestamp = newTimestamp(nextVersion(undefined, Date.now() + 5000), snapshot, Date.now());
    await signMetadata(timestamp, localSigner(await generateKey('p256')));
    await publish(made.directory, { targets, snapshot, timestamp });
    expect(String(await failureOf(made.read()))).to.match(/not signed by the keys of any of its roots/);
    writeFileSync(join(made.directory, 'timestamp.json'), files.get('timestamp.json') ?? '');
    await made.read();
    const [target = ''] = [...files.keys()].filter((name) => /^targets\/[0-9a-f]{64}\./.test(name));
    writeFileSync(join(made.directory, target), 'other');
    expect(String(await failureOf(made.read()))).to.match(/is not what was signed/);
    rmSync(join(made.directory, target));
    expect(String(await failureOf(made.read()))).to.match(/ENOENT/);
  });

  it('reads no root that the one before it did not sign, and no parts that do not belong together', async () => {
    const [made, other] = [await testRepository(), await testRepository()];
    await change(other, { renew: true });
    const file = (name: string): string => join(made.directory, name);
    cpSync(join(other.directory, '2.root.json'), file('2.root.json'));
    expect(String(await failureOf(readRepository(made.directory)))).to.match(
      /2\.root\.json does not follow the root before it/,
    );
    rmSync(file('2.root.json'));
    // The online key signed it, and the timestamp means another one of that version.
    const { snapshot, targets } = await made.read();
    const { version } = snapshot.signed;
    const twin = newSnapshot(version, targets, Date.now() + DAY);
    await signMetadata(twin, localSigner(made.onlineKey));
    writeFileSync(file(`${version}.snapshot.json`), encodeMetadata(twin));
    expect(String(await failureOf(readRepository(made.directory)))).to.match(/expected (?:hash|length)/i);
  });

  it('takes bytes for a target by both of its hashes', () => {
    const { path, length, hashes } = targetFile('a', { text: 'the target' });
    const bytes = Buffer.from('the target');
    expect(isTarget(new TargetFile({ path, length, hashes }), bytes)).to.equal(true);
    for (const algorithm of TARGET_HASHES) {
      const other = { ...hashes, [algorithm]: hash(algorithm, 'another', 'hex') };
      expect(isTarget(new TargetFile({ path, length, hashes: other }), bytes)).to.equal(false);
    }
  });

  it('reads no key under a foreign id, which a threshold would count twice', async () => {
    const { root } = await (await testRepository()).read();
    const json = JSON.parse(JSON.stringify(root.toJSON())) as {
      signed: { keys: Record<string, unknown>; roles: Record<string, { keyids: string[] }> };
    };
    const [[id, key] = ['', {}]] = Object.entries(json.signed.keys);
    const foreign = id.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    json.signed.keys[foreign] = key;
    json.signed.roles['root']?.keyids.push(foreign);
    expect(() => parseMetadata('root', Buffer.from(JSON.stringify(json)))).to.throw(
      /under an id that is not its own/,
    );
  });

  it('reads no targets that hand their role on', async () => {
    const { targets } = await (await testRepository()).read();
    const json = JSON.parse(JSON.stringify(targets.toJSON())) as { signed: Record<string, unknown> };
    json.signed['delegations'] = { keys: {}, roles: [] };
    expect(() => parseMetadata('targets', Buffer.from(JSON.stringify(json)))).to.throw(/it has delegations/);
  });

  it('reads no key twice in a role, in whatever form it is written', async () => {
    const { root } = await (await testRepository()).read();
    const forms: readonly ((key: Written) => void)[] = [
      ({ keyval }) => (keyval.public += '\n'),
      ({ keyval }) => (keyval.public = keyval.public.replaceAll('\n', '\r\n')),
      (key) => (key.keytype = 'ecdsa-sha2-nistp256'),
      (key) => (key['x-more'] = '1'),
      (key) => (key.keyval.public = pointOf(key).toString('hex')),
      (key) => (key.keyval.public = pointOf(key).toString('hex').toUpperCase()),
      (key) => (key.keyval.public = pointOf(key, 'compressed').toString('hex')),
      (key) => {
        const point = pointOf(key, 'compressed');
        const head = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex');
        key.keyval.public = encodePem('PUBLIC KEY', Buffer.concat([head, point]));
      },
    ];
    for (const rewrite of forms) {
      const json = JSON.parse(JSON.stringify(root.toJSON())) as {
        signed: { keys: Record<string, Written>; roles: Record<string, { keyids: string[] }> };
      };
      const [id = ''] = json.signed.roles['root']?.keyids ?? [];
      const key = structuredClone(json.signed.keys[id]) ?? fail();
      rewrite(key);
      const other = hash('sha256', canonicalKey(key), 'hex');
      json.signed.keys[other] = key;
      json.signed.roles['root']?.keyids.push(other);
      expect(() => parseMetadata('root', Buffer.from(JSON.stringify(json)))).to.throw(
        /a key stands twice among those of root/,
      );
    }
  });

  it('reads no key of another kind twice in a role', async () => {
    const { root } = await (await testRepository()).read();
    const pem = (key: KeyObject): string => String(key.export({ type: 'spki', format: 'pem' }));
    const ed25519 = generateKeyPairSync('ed25519').publicKey;
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    const numbers = rsa.export({ type: 'pkcs1', format: 'der' });
    const pss = Buffer.concat([Buffer.from('30820120300b06092a864886f70d01010a0382010f00', 'hex'), numbers]);
    const raw = ed25519.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
    const pairs: readonly (readonly [Written, Written])[] = [
      [
        { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: pem(ed25519) } },
        { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw } },
      ],
      [
        { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: pem(rsa) } },
        { keytype: 'rsa', scheme: 'rsassa-pss-sha512', keyval: { public: pem(rsa) } },
      ],
      [
        { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: pem(rsa) } },
        { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: encodePem('PUBLIC KEY', pss) } },
      ],
    ];
    for (const pair of pairs) {
      const json = JSON.parse(JSON.stringify(root.toJSON())) as {
        signed: { keys: Record<string, Written>; roles: Record<string, { keyids: string[] }> };
      };
      for (const key of pair) {
        const id = hash('sha256', canonicalKey(key), 'hex');
        json.signed.keys[id] = key;
        json.signed.roles['root']?.keyids.push(id);
      }
      expect(
        () => parseMetadata('root', Buffer.from(JSON.stringify(json))),
        String(pair[1]['scheme']),
      ).to.throw(/a key stands twice among those of root/);
    }
  });

  const pointOf = ({ keyval }: Written, form: 'compressed' | 'uncompressed' = 'uncompressed'): Buffer => {
    const der = createPublicKey(keyval.public).export({ type: 'spki', format: 'der' });
    return Buffer.from(
      ECDH.convertKey(der.subarray(-65), 'prime256v1', undefined, undefined, form) as Buffer,
    );
  };

  interface Written {
    keytype: string;
    keyval: { public: string };
    [more: string]: unknown;
  }

  const canonicalKey = (value: unknown): string =>
    typeof value === 'string'
      ? `"${value.replace(/[\\"]/g, '\\$&')}"`
      : `{${Object.entries(value as object)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, member]) => `${canonicalKey(name)}:${canonicalKey(member)}`)
          .join(',')}}`;

  it('is the service’s to write, also where the superuser made it', async function () {
    skipUnless(this, process.getuid?.() === 0, 'only the superuser can hand files to others');
    const parent = scratchDirectory();
    chownSync(parent, 65534, 65534);
    const [rootKey, onlineKey] = [await generateKey('p256'), await generateKey('p256')];
    const directory = join(parent, 'tuf');
    await createRepository(directory, { rootKey, onlineKey, contents: contents(), now: Date.now() });
    for (const name of ['.', '.lock', 'targets'])
      expect(statSync(join(directory, name)).uid, name).to.equal(65534);
  });

  it('lets one process write at a time', async () => {
    const directory = scratchDirectory();
    const order: string[] = [];
    await Promise.all(
      ['a', 'b'].map((name) =>
        whileLocked(directory, async () => {
          order.push(`${name} begins`);
          await new Promise((resolve) => setImmediate(resolve));
          order.push(`${name} ends`);
        }),
      ),
    );
    expect(order.map((line) => line.slice(2))).to.deep.equal(['begins', 'ends', 'begins', 'ends']);
  });
});
