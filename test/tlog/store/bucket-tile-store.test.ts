import { expect } from 'chai';
import { utf8 } from '../../../core/bytes.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { bucketTileStore, type BucketTileStore } from '../../../tlog/store/bucket-tile-store.ts';
import {
  startFakeBucket,
  withBucketCredentials,
  type BucketFault,
  type FakeBucket,
} from '../../support/fake-bucket.ts';
import { failureOf } from '../../support/failure.ts';
import { tileStoreContract } from './tile-store-contract.ts';

const PREFIX = 'log/2026/';

const placeOf = ({ bucket, endpoint }: FakeBucket) => ({ bucket, endpoint, prefix: PREFIX, pathStyle: true });

for (const writes of ['conditional', 'plain'] as const)
  tileStoreContract(`tlog/store/bucket-tile-store (${writes})`, async () => {
    const restore = withBucketCredentials();
    const fake = await startFakeBucket();
    const opened: BucketTileStore[] = [];
    return {
      open() {
        const store = bucketTileStore(placeOf(fake), writes);
        opened.push(store);
        return store;
      },
      async remove() {
        await Promise.all(opened.map((store) => store.close()));
        await fake.close();
        restore();
      },
    };
  });

describe('tlog/store/bucket-tile-store', () => {
  const PATH = 'tile/0/000';
  const KEY = `${PREFIX}${PATH}`;
  const BYTES = new Uint8Array(8192).fill(1);
  let fake: FakeBucket;
  let store: BucketTileStore;
  let restore: () => void;
  beforeEach(async () => {
    restore = withBucketCredentials();
    fake = await startFakeBucket();
    store = bucketTileStore(placeOf(fake));
  });
  afterEach(async () => {
    await store.close();
    await fake.close();
    restore();
  });

  /** Faults of the first puts, one after the other. */
  const firstPuts = (...faults: readonly BucketFault[]): void => {
    const left = [...faults];
    fake.fault = ({ method }) => (method === 'PUT' ? left.shift() : undefined);
  };

  const stored = (): Uint8Array => Uint8Array.from(fake.objects.get(KEY)?.bytes ?? []);

  for (const fault of ['lose', 'late', 'fail', 'deny', 'conflict'] as const)
    it(`puts a tile although its first put does this: ${fault}`, async () => {
      firstPuts(fault, fault);
      await store.put(PATH, BYTES);
      expect(stored()).to.deep.equal(BYTES);
      fake.landLate();
      expect(stored()).to.deep.equal(BYTES);
      await store.put(PATH, BYTES);
    });

  it('believes a success only when the tile can be read', async () => {
    let lost = 1;
    fake.fault = ({ method }) => {
      if (method === 'GET' && lost-- > 0) fake.objects.delete(KEY);
      return undefined;
    };
    await store.put(PATH, BYTES);
    expect(stored()).to.deep.equal(BYTES);
  });

  it('finds the bytes of another writer that came first', async () => {
    const other = BYTES.with(5, 9);
    fake.fault = ({ method }) => {
      if (method === 'PUT') fake.objects.set(KEY, { bytes: Buffer.from(other), headers: {} });
      return undefined;
    };
    const failure = await failureOf(store.put(PATH, BYTES));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_CORRUPT');
    expect(stored()).to.deep.equal(other);
  });

  it('gives up at once where it may not write, in words without a credential', async () => {
    fake.fault = () => 'forbid';
    const failure = await failureOf(store.put(PATH, BYTES));
    expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_STORAGE');
    expect((failure as LogError).message).to.equal(
      's3://tiles/log/2026/tile/0/000 could not be written: 403 AccessDenied',
    );
    expect(fake.requests.length).to.equal(1);
  });

  it('works on other requests while one takes long', async () => {
    await store.put(PATH, BYTES);
    fake.fault = ({ key }) => (key.endsWith('tile/1/000') ? 'hang' : undefined);
    const slow = store.put('tile/1/000', BYTES);
    expect((await store.get(PATH))?.length).to.equal(BYTES.length);
    fake.fault = () => undefined;
    fake.answerHeld();
    await slow;
  });

  it('says what a file is, and for how long it may be kept', async () => {
    await store.put(PATH, BYTES);
    await store.put(`issuer/${'ab'.repeat(32)}`, BYTES);
    await store.published.putCheckpoint(utf8('log\n1\nroot\n'));
    const headers = [...fake.objects].map(([key, object]) => [
      key.slice(PREFIX.length, PREFIX.length + 6),
      object.headers,
    ]);
    const immutable = 'public, max-age=604800, immutable';
    expect(headers).to.deep.equal([
      ['tile/0', { 'content-type': 'application/octet-stream', 'cache-control': immutable }],
      ['issuer', { 'content-type': 'application/pkix-cert', 'cache-control': immutable }],
      ['checkp', { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'public, max-age=2' }],
    ]);
  });

  it('replaces a checkpoint by a larger one only, of any writer and however late', async () => {
    const checkpoint = (size: number): Uint8Array => utf8(`log\n${size}\nroot\n`);
    const there = async (): Promise<string> =>
      Buffer.from((await store.published.checkpoint()) ?? []).toString();
    firstPuts('late');
    await store.published.putCheckpoint(checkpoint(7));
    await store.published.putCheckpoint(checkpoint(9));
    fake.landLate();
    expect(await there()).to.contain('\n9\n');
    await store.published.putCheckpoint(checkpoint(8));
    expect(await there()).to.contain('\n9\n');
    firstPuts('late');
    const tenth = store.published.putCheckpoint(checkpoint(10));
    await tenth;
    await store.published.putCheckpoint(checkpoint(11));
    fake.landLate();
    expect(await there()).to.contain('\n11\n');
  });

  it('removes the partial tiles of a full one, and nothing else', async () => {
    await store.published.putPartial('tile/0/000.p/7', BYTES);
    await store.published.putPartial('tile/0/001.p/7', BYTES);
    await store.put(PATH, BYTES);
    await store.published.removePartials(PATH);
    expect([...fake.objects.keys()]).to.deep.equal([`${PREFIX}tile/0/001.p/7`, KEY]);
    fake.fault = () => 'forbid';
    await store.published.removePartials(PATH);
  });

  describe('probe', () => {
    it('says what a store keeps, and leaves nothing in it', async () => {
      expect(await store.probe()).to.equal(
        's3://tiles/log/2026 stored one of 8 objects that were to be the only one, and compares checksums',
      );
      expect(fake.objects.size).to.equal(0);
    });

    it('refuses a store that takes several writers for the first one', async () => {
      fake.rivals = 8;
      const failure = await failureOf(store.probe());
      expect(failure).to.be.instanceOf(LogError).with.property('code', 'LOG_UNSUITABLE_STORAGE');
    });

    it('refuses a store that knows no conditions, unless its operator asked for plain writes', async () => {
      fake.isLax = true;
      expect(await failureOf(store.probe())).to.have.property('code', 'LOG_UNSUITABLE_STORAGE');
      const plain = bucketTileStore(placeOf(fake), 'plain');
      expect(await plain.probe()).to.equal(
        's3://tiles/log/2026 is written to without conditions, as one process alone may, and compares no checksums: what is put is read back',
      );
      await plain.put(PATH, BYTES);
      expect(await failureOf(plain.put(PATH, BYTES.with(0, 9)))).to.have.property('code', 'LOG_CORRUPT');
      await plain.close();
    });

    it('says that the store does not answer, where that is all', async () => {
      fake.fault = () => 'deny';
      expect(await failureOf(store.probe())).to.have.property('code', 'LOG_STORAGE');
    });
  });
});
