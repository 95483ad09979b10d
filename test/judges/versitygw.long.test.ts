/** versitygw, a gateway of other people's that speaks S3 over files, as the bucket of a log. */
import { expect } from 'chai';
import { bucketTileStore, type BucketTileStore } from '../../tlog/store/bucket-tile-store.ts';
import { utf8 } from '../../core/bytes.ts';
import { withBucketCredentials } from '../support/fake-bucket.ts';
import { tileStoreContract } from '../tlog/store/tile-store-contract.ts';
import { needClient } from './support/stock-clients.ts';
import { Versitygw } from './support/versitygw.ts';

describe('versitygw', function () {
  this.timeout(1_200_000);
  let gateway: Versitygw | undefined;
  let restore: (() => void) | undefined;
  const opened: BucketTileStore[] = [];

  before(async function () {
    const program = await needClient(this, 'versitygw-1.8.0');
    gateway = await Versitygw.start(program);
    restore = withBucketCredentials();
  });
  after(async () => {
    await Promise.all(opened.map((store) => store.close()));
    restore?.();
    gateway?.remove();
  });

  let places = 0;
  const open = (prefix: string): BucketTileStore => {
    const { bucket, endpoint } = gateway ?? expect.fail('no gateway');
    const store = bucketTileStore({ bucket, prefix, endpoint, pathStyle: true });
    opened.push(store);
    return store;
  };

  tileStoreContract('a bucket of versitygw', () => {
    const prefix = `place${++places}/`;
    return Promise.resolve({ open: () => open(prefix), remove: () => Promise.resolve() });
  });

  it('is found to keep what a tile store rests on', async () => {
    expect(await open('probed/').probe()).to.equal(
      's3://tiles/probed stored one of 8 objects that were to be the only one, and compares checksums',
    );
  });

  it('keeps the larger of two checkpoints, and removes partial tiles', async () => {
    const { published } = open('published/');
    await published.putPartial('tile/0/000.p/7', Uint8Array.of(7));
    await published.putCheckpoint(utf8('log\n9\nroot\n'));
    await published.putCheckpoint(utf8('log\n10\nroot\n'));
    await published.putCheckpoint(utf8('log\n8\nroot\n'));
    expect(Buffer.from((await published.checkpoint()) ?? []).toString()).to.equal('log\n10\nroot\n');
    await published.removePartials('tile/0/000');
    await published.putPartial('tile/0/000.p/7', Uint8Array.of(8));
  });
});
