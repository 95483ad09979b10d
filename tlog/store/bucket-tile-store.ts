import { randomBytes } from 'node:crypto';
import type { BucketPlace } from '../../storage/bucket.ts';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';
import { LogError } from '../core/log-error.ts';
import type { BucketWrites } from './bucket-files.ts';
import type { BucketReply, BucketRequest, BucketWorkerData } from './bucket-worker.ts';
import { CHECKPOINT_FILE } from './checkpoint-file.ts';
import type { TilePlace } from './store-places.ts';
import {
  DESCRIPTION_FILE,
  hashesAmong,
  requireStorePath,
  type ListedTileStore,
  type PublishedFiles,
} from './tile-store.ts';

/** A tile store in a bucket. */
export interface BucketTileStore extends ListedTileStore {
  readonly published: PublishedFiles;
  readonly probe: () => Promise<string>;
  readonly close: () => Promise<void>;
}

const PARTIAL = /^tile\/(?:data|entries|[0-9]{1,2})(?:\/x[0-9]{3})*\/[0-9]{3}\.p\/[1-9][0-9]{0,2}$/;

/** A tile store in the bucket at `place`, whose prefix is that of one log. Its thread is started by the first request, keeps no process alive, and is started
 * again when it ended. Bytes that were put cannot be taken back: caches and readers have them. */
export function bucketTileStore(place: BucketPlace, writes: BucketWrites = 'conditional'): BucketTileStore {
  const name = nameOf(place);
  const { ask, close } = startBucket(place, writes);
  const get = async (path: string): Promise<Uint8Array | undefined> =>
    (await ask({ kind: 'get', path })).bytes;
  const put = async (path: string, bytes: Uint8Array): Promise<void> => {
    await ask({ kind: 'put', path, bytes });
  };
  return {
    async get(path) {
      requireStorePath(path);
      return get(path);
    },
    async put(path, bytes) {
      requireStorePath(path);
      await put(path, bytes);
    },
    async names(folder) {
      const { paths = [] } = await ask({ kind: 'list', path: `${folder}/` });
      return hashesAmong(paths.map((path) => path.slice(folder.length + 1)));
    },
    published: {
      name,
      checkpoint: () => get(CHECKPOINT_FILE),
      async putCheckpoint(bytes) {
        await ask({ kind: 'checkpoint', path: CHECKPOINT_FILE, bytes });
      },
      description: () => get(DESCRIPTION_FILE),
      async putDescription(bytes) {
        await ask({ kind: 'description', path: DESCRIPTION_FILE, bytes });
      },
      async putPartial(path, bytes) {
        if (!PARTIAL.test(path))
          throw new LogError('LOG_STORAGE', `"${path}" is not the path of a partial tile`);
        await put(path, bytes);
      },
      async removePartials(path) {
        requireStorePath(path);
        await ask({ kind: 'removeAll', path: `${path}.p/` }).catch(() => undefined);
      },
    },
    async probe() {
      const path = `probe/${randomBytes(8).toString('hex')}`;
      const { probe } = await ask({ kind: 'probe', path });
      return sentence(name, writes, probe?.checks === true, probe?.rivals ?? 0);
    },
    close,
  };
}

const URL_OF_BUCKET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._/-]{1,512}))?$/;

/** The bucket at a place whose URL is `s3://BUCKET[/PREFIX]`; undefined for another URL, or another addressing than is known. */
export function bucketOf({ url, endpoint, region, addressing }: TilePlace): BucketPlace | undefined {
  const [, bucket, path = ''] = URL_OF_BUCKET.exec(url) ?? [];
  if (bucket === undefined || ![undefined, 'path', 'host'].includes(addressing)) return undefined;
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`;
  return { bucket, prefix, endpoint, region, pathStyle: addressing === 'path' };
}

/** The store at a place whose URL is `s3://BUCKET[/PREFIX]`; undefined for another URL, or what is not known of the rest. */
export function bucketStoreAt(tiles: TilePlace): BucketTileStore | undefined {
  const place = bucketOf(tiles);
  const { writes = 'conditional' } = tiles;
  if (place === undefined || (writes !== 'plain' && writes !== 'conditional')) return undefined;
  return bucketTileStore(place, writes);
}

function sentence(name: string, writes: BucketWrites, checks: boolean, rivals: number): string {
  const sums = checks ? 'and compares checksums' : 'and compares no checksums: what is put is read back';
  if (writes === 'plain')
    return `${name} is written to without conditions, as one process alone may, ${sums}`;
  return `${name} stored one of ${rivals} objects that were to be the only one, ${sums}`;
}

/** What talks to a bucket. */
interface BucketThread {
  readonly ask: (request: BucketRequest) => Promise<BucketReply>;
  /** Ends the thread. Idempotent. */
  readonly close: () => Promise<void>;
}

/** The thread of a bucket: started by the first request, keeps no process alive, and started again when it ended. */
export function startBucket(place: BucketPlace, writes: BucketWrites): BucketThread {
  const workerData: BucketWorkerData = { place, name: nameOf(place), writes };
  let channel: WorkerChannel<BucketRequest, BucketReply> | undefined;
  let isClosed = false;
  return {
    ask(request) {
      if (isClosed) return Promise.reject(new LogError('LOG_CLOSED', 'the log is closed'));
      if (channel?.isGone !== false) channel = start(workerData);
      return channel.ask(request);
    },
    async close() {
      isClosed = true;
      await channel?.terminate();
    },
  };
}

const nameOf = ({ bucket, prefix }: BucketPlace): string => `s3://${bucket}/${prefix}`.replace(/\/$/, '');

const start = (workerData: BucketWorkerData): WorkerChannel<BucketRequest, BucketReply> =>
  startWorker({
    beside: import.meta.url,
    name: 'bucket-worker',
    workerData,
    errors: LogError,
    gone: (reason) => new LogError('LOG_STORAGE', reason),
    isIdleWhenUnasked: true,
  });
