import { createPublicKey, verify } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromBase64, toBase64, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import type { ArtifactLog } from '../../rekor/artifact-log.ts';
import { endArtifactLog } from '../../rekor/end-artifact-log.ts';
import { artifactLogIdentity } from '../../rekor/log-identity.ts';
import { checkpointKey } from '../../rekor/log-key.ts';
import { artifactEntries } from '../../rekor/stored-artifact.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { verifyConsistency } from '../../tlog/format/merkle-verify.ts';
import { verifyCheckpoint } from '../../tlog/tree/verify-head.ts';
import { failureAs } from '../support/failure.ts';
import { vectorPath } from '../support/vectors.ts';
import { firstVectors, secondVectors, V1, V2 } from './format/support/rekor-vectors.ts';
import {
  artifact,
  expectCheckpoint,
  expectProven,
  rekorKey,
  rekorLog,
  type RekorLog,
} from './support/rekor-log.ts';

const numbered = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

const addAll = (log: ArtifactLog, from: number, to: number) =>
  Promise.all(numbered(from, to).map((i) => log.add(artifact(i))));

for (const api of [1, 2] as const)
  describe(`rekor/artifact-log for API ${api}`, function () {
    this.timeout(30_000);
    let test: RekorLog;
    beforeEach(async () => {
      test = await rekorLog(api);
    });
    afterEach(() => test.remove());

    it('begins with an entry of its own, so that nobody else has index 0', async () => {
      const log = await test.open();
      const first = await log.entryAt(0);
      if (first === undefined) throw new Error('there is no entry');
      const { kind, apiVersion } = JSON.parse(utf8Text(first.body)) as Record<string, unknown>;
      expect([kind, apiVersion]).to.deep.equal(['hashedrekord', api === 1 ? '0.0.1' : '0.0.2']);
      expectProven(test, { entry: first, proof: await log.proofOf(0) });
      expect(await log.entryAt(1)).to.equal(undefined);
      const added = await log.add(artifact(1));
      expect([added.entry.index, added.entry.logIndex, added.isNew]).to.deep.equal([1, 1, true]);
    });

    it('proves every entry under the checkpoint of the same answer', async () => {
      const log = await test.open();
      for (const [i, added] of (await addAll(log, 0, 300)).entries()) {
        expect(added.entry.index).to.equal(i + 1);
        expect(added.entry.treeId).to.equal(test.identity.treeId);
        expectProven(test, added);
      }
      const entry = await log.entryAt(7);
      if (entry === undefined) throw new Error('there is no entry');
      expectProven(test, { entry, proof: await log.proofOf(7) });
    });

    it('resolves with the entry that is there for one that is added again, and logs nothing', async () => {
      const log = await test.open();
      const { entry } = await log.add(artifact(1));
      await addAll(log, 2, 20);
      const again = await log.add({ ...artifact(1), namedDigests: [] });
      expect(again.isNew).to.equal(false);
      expect(again.entry).to.deep.equal(entry);
      expect(again.proof.size).to.equal(20);
      expectProven(test, again);
      expect(log.status().size).to.equal(20);
    });

    it('knows what it has after a restart, also without its index of hashes', async () => {
      let ahead = 0;
      const clock = (): number => Date.now() + ahead;
      const log = await test.open({ clock });
      const { entry } = await log.add(artifact(1));
      await addAll(log, 2, 300);
      await log.close();
      ahead = 60_000;
      for (const way of ['as it was', 'without index.db']) {
        if (way !== 'as it was') rmSync(join(test.directory, 'index.db'), { force: true });
        const opened = await test.open({ clock });
        const again = await opened.add(artifact(1));
        expect(again.isNew, way).to.equal(false);
        expect(again.entry, way).to.deep.equal(entry);
        expect(opened.status().size).to.equal(300);
        await opened.close();
      }
    });

    it('appends once what many add at the same time', async () => {
      const log = await test.open();
      const added = await Promise.all(numbered(0, 20).map(() => log.add(artifact(1))));
      expect(added.filter(({ isNew }) => isNew)).to.have.length(1);
      for (const one of added) {
        expect(one.entry.index).to.equal(1);
        expectProven(test, one);
      }
      expect(log.status().size).to.equal(2);
    });

    it('refuses a body that no client could have a proof for, and goes on', async () => {
      const log = await test.open();
      const body = (length: number) => ({ body: utf8('x'.repeat(length)), namedDigests: [] });
      for (const length of [0, 65_536, 1_000_000])
        expect((await failureAs(LogError, log.add(body(length)))).code).to.equal('LOG_ENTRY_REFUSED');
      expect((await log.add(body(65_535))).entry.index).to.equal(1);
      expect((await log.entryAt(1))?.body).to.have.length(65_535);
    });

    it('reads its entries back, one by one, by their hash and in pieces', async () => {
      const log = await test.open();
      const added = (await addAll(log, 0, 520)).map(({ entry }) => entry);
      await log.close();
      const opened = await test.open();
      const read = [];
      for (
        let piece = await opened.entriesFrom(1);
        piece.length > 0;
        piece = await opened.entriesFrom(read.length + 1)
      )
        read.push(...piece);
      expect(read).to.deep.equal(added);
      expect(await opened.entriesFrom(521)).to.deep.equal([]);
      for (const entry of [added[0], added[255], added[300], added[519]]) {
        expect(await opened.entryAt(entry?.index ?? 0)).to.deep.equal(entry);
        expect(await opened.entryByLeafHash(entry?.leafHash ?? new Uint8Array())).to.deep.equal(entry);
      }
      expect(await opened.entryByLeafHash(sha256(utf8('another')))).to.equal(undefined);
    });

    it('reads several at once in the order in which they are asked for, each bundle once', async () => {
      const log = await test.open();
      await addAll(log, 0, 520);
      const { tiles } = log.tree;
      const read: number[] = [];
      const entries = tiles.entries.bind(tiles);
      tiles.entries = (n, width) => {
        read.push(n);
        return entries(n, width);
      };
      const indexes = [300, 3, 520, 9999, 259, 3, -1, 0.5, 257, 0];
      const found = await log.entriesAt(indexes);
      expect(read).to.have.members([0, 1, 2]);
      expect(found.map((entry) => entry?.index)).to.deep.equal([
        ...[300, 3, 520, undefined, 259],
        ...[3, undefined, undefined, 257, 0],
      ]);
      for (const entry of found)
        if (entry !== undefined) expect(entry).to.deep.equal(await log.entryAt(entry.index));
      expect(await log.entriesAt([])).to.deep.equal([]);
    });

    it('proves that its trees grow out of each other', async () => {
      const log = await test.open();
      const heads = [log.tree.head().head];
      for (const i of [1, 2, 7]) {
        await addAll(log, i * 10, i * 10 + i);
        heads.push(log.tree.head().head);
      }
      const last = heads.at(-1) ?? heads[0];
      for (const head of heads) {
        const path = await log.consistency(head.size, last?.size ?? 0);
        expect(last && verifyConsistency(sha256, head, last, path)).to.equal(true);
      }
      expect(await log.consistency(3, 3)).to.deep.equal([]);
      for (const [first, second] of [
        [4, 3],
        [1, 99],
        [-1, 2],
      ] as const)
        expect((await failureAs(LogReadError, log.consistency(first, second))).code).to.equal(
          'BAD_PARAMETER',
        );
      expect((await failureAs(LogReadError, log.proofOf(99))).code).to.equal('BAD_PARAMETER');
    });

    it('serves checkpoint and tiles, partial ones too, and none that there is not', async () => {
      const log = await test.open();
      await addAll(log, 0, 299);
      const { head } = log.tree.head();
      expectCheckpoint(test, { ...head, checkpoint: utf8Text(log.checkpoint()) });
      expect(await log.tile('tile/0/000')).to.have.length(8192);
      expect(await log.tile('tile/0/001.p/44')).to.have.length(44 * 32);
      expect((await log.tile('tile/entries/001.p/2')).length).to.be.greaterThan(0);
      for (const path of ['tile/0/001.p/45', 'tile/0/002', 'tile/data/000', 'tile/x/000', '../log.json'])
        expect((await failureAs(LogReadError, log.tile(path))).code, path).to.equal('NOT_FOUND');
    });

    it('does not open with the key of another log', async () => {
      for (const other of [rekorKey(api), rekorKey(api === 1 ? 2 : 1)]) {
        const error = await failureAs(LogError, test.open({ signer: localSigner(other) }));
        expect(error.code).to.equal('LOG_WRONG_KEY');
      }
    });

    it('is read as before when it has ended, without a lock, and takes nothing', async () => {
      const log = await test.open();
      const { entry } = await log.add(artifact(1));
      const before = utf8Text(log.checkpoint());
      await log.close();
      const { frozenAt, head } = await endArtifactLog(test.directory, test.signer, Date.now);
      expect(head.size).to.equal(2);
      const [one, two] = [await test.open(), await test.open()];
      for (const ended of [one, two]) {
        expect(utf8Text(ended.checkpoint()).split('\n').slice(0, 3)).to.deep.equal(
          before.split('\n').slice(0, 3),
        );
        expect(await ended.entryByLeafHash(entry.leafHash)).to.deep.equal(entry);
        expectProven(test, { entry, proof: await ended.proofOf(1) });
        expect((await failureAs(LogError, ended.add(artifact(2)))).code).to.equal('LOG_FROZEN');
        // A client that did not get the answer then gets it now.
        const again = await ended.add(artifact(1));
        expect(again.isNew).to.equal(false);
        expect(again.entry).to.deep.equal(entry);
        expect(ended.refusal()?.code).to.equal('LOG_FROZEN');
        expect(ended.status()).to.include({ size: 2, frozenAt });
        expect(ended.warnings.join()).to.match(
          new RegExp(
            `^the log of artifacts for clients of Rekor v${api}, .* ended at .* it is served for reading$`,
          ),
        );
      }
      const wrong = await failureAs(LogError, test.open({ signer: localSigner(rekorKey(api)) }));
      expect(wrong.code).to.equal('LOG_WRONG_KEY');
    });

    it('returns no entry whose stored bytes were changed', async () => {
      const log = await test.open();
      await addAll(log, 0, 300);
      await log.close();
      const opened = await test.open();
      const file = join(test.directory, 'tile/entries/000');
      const bundle = readFileSync(file);
      const second = artifactEntries(api).parse(bundle, 0).next;
      const { next } = artifactEntries(api).parse(bundle, second);
      for (const at of [second + 10, ...(api === 1 ? [next - 6, next - 1] : [])]) {
        const changed = Uint8Array.from(bundle);
        changed[at] = (changed[at] ?? 0) ^ 1;
        writeFileSync(file, changed);
        expect((await failureAs(LogError, opened.entryAt(1))).code, String(at)).to.equal('LOG_CORRUPT');
      }
    });
  });

describe('rekor/artifact-log: what clients of the first API are promised', () => {
  it('reads an entry without what is kept beside those before it', async () => {
    const log = await test.open();
    await log.add({ ...artifact(1000), namedDigests: [`sha256:${'ab'.repeat(32)}`] });
    await addAll(log, 0, 300);
    await log.close();
    const opened = await test.open();
    const path = join(test.directory, 'tile/entries/000');
    const bundle = Uint8Array.from(readFileSync(path));
    const first = artifactEntries(1).parse(bundle, 0).next;
    const { next } = artifactEntries(1).parse(bundle, first);
    // Inside the digest: no UTF-8 any more.
    bundle[next - 6] = 0xff;
    writeFileSync(path, bundle);
    expect((await opened.entryAt(2))?.index).to.equal(2);
    expect((await failureAs(LogError, opened.entryAt(1))).code).to.equal('LOG_CORRUPT');
  });

  let test: RekorLog;
  beforeEach(async () => {
    test = await rekorLog(1, 40);
  });
  afterEach(() => test.remove());

  it('dates an entry by whole seconds of its own clock, for good', async () => {
    const log = await test.open({ clock: () => 1_900_000_000_999 });
    const { entry } = await log.add(artifact(1));
    expect(entry.integratedTime).to.equal(1_900_000_000);
    expect((await log.entryAt(1))?.integratedTime).to.equal(1_900_000_000);
  });

  it('keeps the digests that came with an entry', async () => {
    const log = await test.open();
    const namedDigests = [`sha256:${'a'.repeat(64)}`, `sha512:${'b'.repeat(128)}`];
    await log.add({ body: utf8('{}'), namedDigests });
    expect((await log.entryAt(1))?.namedDigests).to.deep.equal(namedDigests);
  });

  it('counts for clients over the trees before, and proves in its own', async () => {
    const log = await test.open();
    const added = await log.add(artifact(1));
    expect([added.entry.index, added.entry.logIndex]).to.deep.equal([1, 41]);
    expectProven(test, added);
    expect(test.identity.origin).to.match(/^rekor\.example\.org - [1-9]\d{0,18}$/);
  });

  it('signs the time and place of an entry', async () => {
    const log = await test.open();
    const { entry } = await log.add(artifact(1));
    const text = `{"body":"${toBase64(entry.body)}","integratedTime":${entry.integratedTime},"logID":"${toHex(test.identity.logId)}","logIndex":41}`;
    const key = createPublicKey(test.key);
    for (const signature of [await log.signEntryTimestamp(entry), await log.signEntryTimestamp(entry)])
      expect(verify('sha256', utf8(text), key, signature)).to.equal(true);
  });
});

/** The recorded log, by its public parts. */
const recorded = {
  1: artifactLogIdentity({
    api: 1,
    host: 'localhost',
    publicKey: new Uint8Array(createPublicKey(V1.log.publicKeyPem).export({ type: 'spki', format: 'der' })),
    treeId: 1190961610147097327n,
    createdAt: 0,
  }),
  2: artifactLogIdentity({
    api: 2,
    host: 'localhost',
    publicKey: fromBase64(V2.log.publicKeySpkiDer),
    createdAt: 0,
  }),
};

interface FirstAnswer {
  readonly logID: string;
  readonly verification: { readonly inclusionProof: { readonly checkpoint: string } };
}
interface SecondAnswer {
  readonly logId: { readonly keyId: string };
  readonly inclusionProof: { readonly checkpoint: { readonly envelope: string } };
}

describe('rekor/artifact-log beside recorded logs', () => {
  it('has the id of the first API, and reads its checkpoints', () => {
    for (const { answer, name } of firstVectors) {
      const [entry] = Object.values(JSON.parse(answer) as Record<string, FirstAnswer>);
      expect(entry?.logID, name).to.equal(toHex(recorded[1].logId));
      const { checkpoint = '' } = entry?.verification.inclusionProof ?? {};
      expect(verifyCheckpoint(utf8(checkpoint), [checkpointKey(recorded[1])]).origin).to.equal(
        recorded[1].origin,
      );
    }
  });

  it('has the id of the second API, and reads its checkpoints', () => {
    for (const { answer, name } of secondVectors) {
      const { logId, inclusionProof } = JSON.parse(answer) as SecondAnswer;
      expect(logId.keyId, name).to.equal(toBase64(recorded[2].logId));
      const { envelope } = inclusionProof.checkpoint;
      expect(verifyCheckpoint(utf8(envelope), [checkpointKey(recorded[2])]).origin).to.equal('localhost');
    }
  });

  for (const [api, vectors] of [
    [1, firstVectors],
    [2, secondVectors],
  ] as const)
    it(`finds the recorded leaf hashes for the bodies of API ${api}`, async () => {
      const test = await rekorLog(api);
      try {
        const log = await test.open();
        for (const { canonicalizedBody, leafHash, name } of vectors) {
          const { entry } = await log.add({ body: utf8(canonicalizedBody), namedDigests: [] });
          expect(toHex(entry.leafHash), name).to.equal(leafHash);
        }
      } finally {
        await test.remove();
      }
    });

  it('keeps entries of the second API in bundles as the recorded log does', () => {
    const { static: files } = JSON.parse(readFileSync(vectorPath('rekor/vectors-v2.json'), 'utf8')) as {
      readonly static: { readonly entryBundle: { readonly base64: string } };
    };
    const { encode } = artifactEntries(2);
    const bodies = V2.entries.map(({ canonicalizedBody }) => utf8(canonicalizedBody));
    const bundle = Buffer.concat(bodies.map((leaf) => encode({ leaf, namedDigests: [] })));
    expect(bundle.toString('base64')).to.equal(files.entryBundle.base64);
  });
});
