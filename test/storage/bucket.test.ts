import { registerHooks } from 'node:module';
import { expect } from 'chai';
import { BucketError, openBucket, S3_PACKAGE } from '../../storage/bucket.ts';
import { failureAs } from '../support/failure.ts';
import { startFakeBucket, withBucketCredentials } from '../support/fake-bucket.ts';

// What a store is asked, and what becomes of its answers, is tested with test/tlog/store/bucket-tile-store.test.ts.
describe('storage/bucket', () => {
  it('says what to install where the client is missing, and needs nothing else once it is there', async () => {
    const hooks = registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== '@aws-sdk/client-s3') return next(specifier, context);
        throw Object.assign(new Error('not there'), { code: 'ERR_MODULE_NOT_FOUND' });
      },
    });
    const failure = await failureAs(BucketError, openBucket({ bucket: 'tiles', prefix: '' }));
    hooks.deregister();
    expect(failure.code).to.equal('BUCKET_PACKAGE_MISSING');
    expect(failure.hint).to.contain(`npm install --save-exact ${S3_PACKAGE}`);
    (await openBucket({ bucket: 'tiles', prefix: '' })).close();
  });

  it('reads no more than is asked for, and takes no bucket for no object', async () => {
    const restore = withBucketCredentials();
    const fake = await startFakeBucket();
    const place = { endpoint: fake.endpoint, prefix: 'a/', pathStyle: true };
    const bucket = await openBucket({ ...place, bucket: fake.bucket });
    const other = await openBucket({ ...place, bucket: 'other' });
    try {
      fake.objects.set('a/large', { bytes: Buffer.alloc(1000), headers: {} });
      expect((await bucket.get('large', 1000))?.bytes.length).to.equal(1000);
      expect((await failureAs(BucketError, bucket.get('large', 999))).code).to.equal('BUCKET_REFUSED');
      expect(await bucket.get('none', 9)).to.equal(undefined);
      expect((await failureAs(BucketError, other.get('none', 9))).code).to.equal('BUCKET_REFUSED');
      expect(await bucket.list('la')).to.deep.equal(['large']);
    } finally {
      bucket.close();
      other.close();
      await fake.close();
      restore();
    }
  });
});
