/** The thread that talks to a bucket, so that signatures of requests, checksums and waiting cost the issuing thread nothing. Requests are worked on side by side. */
import { workerData } from 'node:worker_threads';
import { BucketError, openBucket, type BucketPlace } from '../../storage/bucket.ts';
import { answerSideBySide } from '../../storage/worker-channel.ts';
import { LogError } from '../core/log-error.ts';
import { BucketFiles, type BucketProbe, type BucketWrites } from './bucket-files.ts';

/** What the thread is started with. */
export interface BucketWorkerData {
  readonly place: BucketPlace;
  /** URL of what is in the bucket, for messages. */
  readonly name: string;
  readonly writes: BucketWrites;
}

/** Asks the thread. */
export type BucketRequest =
  | { readonly kind: 'put' | 'checkpoint' | 'description'; readonly path: string; readonly bytes: Uint8Array }
  | {
      readonly kind: 'swap';
      readonly path: string;
      readonly expected: Uint8Array | undefined;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'get' | 'list' | 'removeAll' | 'probe'; readonly path: string };

/** The thread's answer; instead of one it may throw {@link LogError}. */
export interface BucketReply {
  readonly bytes?: Uint8Array | undefined;
  readonly paths?: string[];
  readonly probe?: BucketProbe;
  readonly isSwapped?: boolean;
}

const { place, name, writes } = workerData as BucketWorkerData;

let opened: Promise<BucketFiles> | undefined;

/** One that could not be opened is opened again by the next request: the package may be installed by then. */
async function files(): Promise<BucketFiles> {
  opened ??= openBucket(place).then((bucket) => new BucketFiles(bucket, name, writes));
  try {
    return await opened;
  } catch (error) {
    opened = undefined;
    if (!(error instanceof BucketError)) throw error;
    throw new LogError('LOG_STORAGE', `${name} cannot be used: ${error.message}`, { hint: error.hint });
  }
}

async function answer(request: BucketRequest): Promise<BucketReply> {
  const { kind, path } = request;
  const there = await files();
  if (kind === 'get') return { bytes: await there.get(path) };
  if (kind === 'swap') return { isSwapped: await there.swap(path, request.expected, request.bytes) };
  if (kind === 'list') return { paths: await there.list(path) };
  if (kind === 'put') await there.put(path, request.bytes);
  else if (kind === 'checkpoint') await there.putCheckpoint(path, request.bytes);
  else if (kind === 'description') await there.putDescription(path, request.bytes);
  else if (kind === 'removeAll') await there.removeAll(path);
  else return { probe: await there.probe(path) };
  return {};
}

answerSideBySide(answer);
