/**
 * A bucket of an S3-compatible object store, by the client of AWS, whose chains find the credentials. The package is loaded when the first
 * bucket is opened: who has none need not install it. Every request is sent once and has a time limit: whether and when to ask again
 * depends on what was asked, and is the caller's.
 */
import type * as ClientPackage from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { MayflyError, messageOf, systemCode } from '../core/errors.ts';

/** The version of the client that is tested. */
export const S3_PACKAGE = '@aws-sdk/client-s3@3.1175.0';

/** Where a bucket is. */
export interface BucketPlace {
  readonly bucket: string;
  /** What every key begins with: empty, or with a slash at its end. */
  readonly prefix: string;
  /** URL of the server; undefined for AWS itself. */
  readonly endpoint?: string | undefined;
  /** Undefined for what the client finds in its environment. */
  readonly region?: string | undefined;
  /** Whether the bucket's name is the first part of the path, and not of the host. */
  readonly pathStyle?: boolean | undefined;
}

/**
 * - `BUCKET_PASSING`: no answer, or one that says "later". What was asked may have been done, or be done yet: also after this error.
 * - `BUCKET_REFUSED`: the store does not do it: no such bucket, no right, a request that it does not know.
 * - `BUCKET_PACKAGE_MISSING`: the client is not installed.
 */
export type BucketReason = 'BUCKET_PASSING' | 'BUCKET_REFUSED' | 'BUCKET_PACKAGE_MISSING';

/** What a bucket did not do. The message says which key and why. */
export class BucketError extends MayflyError<BucketReason> {}

/** An object as it was read. */
export interface BucketObject {
  readonly bytes: Uint8Array;
  /** What names these bytes to the store. */
  readonly etag: string;
}

/** What must hold for an object to be put: nothing is there, or what has that ETag. */
export type PutCondition = 'absent' | { readonly etag: string };

/** What became of a put. `unmet`: the condition does not hold. `conflict`: another request for the key was under way, and nothing was done. */
export type PutOutcome = 'stored' | 'unmet' | 'conflict';

/** What goes with the bytes of an object. */
export interface PutOptions {
  readonly contentType: string;
  readonly cacheControl: string;
  readonly condition?: PutCondition | undefined;
  /** SHA-256 of the bytes, which the store compares. */
  readonly sha256?: Uint8Array | undefined;
}

/** Milliseconds for one request. */
const REQUEST_MS = 10_000;
const CONNECT_MS = 3_000;

/** An open bucket. Every function rejects with {@link BucketError}. */
export interface Bucket {
  /** Undefined when there is no such object, or none yet: after a put without an answer, one may come. `limit`: the most bytes that are read. */
  get(key: string, limit: number): Promise<BucketObject | undefined>;
  put(key: string, bytes: Uint8Array, options: PutOptions): Promise<PutOutcome>;
  /** Removes objects, also such as are not there. */
  remove(key: string): Promise<void>;
  /** Keys that begin with `start`, at most a thousand. */
  list(start: string): Promise<string[]>;
  /** Drops its connections. */
  close(): void;
}

/** Opens a bucket; asks nothing of it yet. Keys are without its prefix. Rejects with {@link BucketError} `BUCKET_PACKAGE_MISSING`. */
export async function openBucket(place: BucketPlace): Promise<Bucket> {
  const sdk = await loadClient();
  const client = new sdk.S3Client(settingsOf(place));
  const at = (key: string) => ({ Bucket: place.bucket, Key: place.prefix + key });
  const get: Bucket['get'] = async (key, limit) => {
    try {
      const { Body, ETag } = await client.send(new sdk.GetObjectCommand(at(key)), timeLimit());
      return { bytes: await readBody(key, Body as AsyncIterable<Uint8Array>, limit), etag: ETag ?? '' };
    } catch (error) {
      // That there is no bucket is no answer about an object.
      if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return undefined;
      throw faultOf(key, 'read', error);
    }
  };
  return {
    get,
    async put(key, bytes, { contentType, cacheControl, condition, sha256 }) {
      const command = new sdk.PutObjectCommand({
        ...at(key),
        Body: bytes,
        ContentLength: bytes.length,
        ContentType: contentType,
        CacheControl: cacheControl,
        ...(condition === 'absent' && { IfNoneMatch: '*' }),
        ...(typeof condition === 'object' && { IfMatch: condition.etag }),
        ...(sha256 !== undefined && { ChecksumSHA256: Buffer.from(sha256).toString('base64') }),
      });
      try {
        await client.send(command, timeLimit());
        return 'stored';
      } catch (error) {
        return unstored(key, error, condition);
      }
    },
    async remove(key) {
      try {
        await client.send(new sdk.DeleteObjectCommand(at(key)), timeLimit());
      } catch (error) {
        if (statusOf(error) !== 404 || nameOf(error) === 'NoSuchBucket') throw faultOf(key, 'removed', error);
      }
    },
    async list(start) {
      const asked = { Bucket: place.bucket, Prefix: place.prefix + start };
      try {
        const { Contents = [] } = await client.send(new sdk.ListObjectsV2Command(asked), timeLimit());
        return Contents.flatMap(({ Key }) =>
          Key?.startsWith(place.prefix) === true ? [Key.slice(place.prefix.length)] : [],
        );
      } catch (error) {
        throw faultOf(start, 'listed', error);
      }
    },
    close() {
      client.destroy();
    },
  };
}

const timeLimit = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(REQUEST_MS) });

async function loadClient(): Promise<typeof ClientPackage> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    if (systemCode(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new BucketError(
      'BUCKET_PACKAGE_MISSING',
      `${S3_PACKAGE} is not installed, which a bucket is used by`,
      {
        hint: `Install it beside Mayfly: npm install --save-exact ${S3_PACKAGE}`,
        cause,
      },
    );
  }
}

/** One attempt for each request: a put that is sent again after a lost answer would find its own bytes. Checksums of the client's own choice are not understood by every store. */
function settingsOf({ endpoint, region, pathStyle = false }: BucketPlace): S3ClientConfig {
  // Stores other than AWS have one region, by any name, which still is part of every signature.
  const known = region ?? process.env['AWS_REGION'] ?? (endpoint === undefined ? undefined : 'us-east-1');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(known === undefined ? {} : { region: known }),
    forcePathStyle: pathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
    },
  };
}

async function readBody(key: string, body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) throw new BucketError('BUCKET_REFUSED', `${key} is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? new Uint8Array()) : Buffer.concat(chunks);
}

/** What an answer other than success says of a put. */
function unstored(key: string, error: unknown, condition: PutCondition | undefined): PutOutcome {
  const status = statusOf(error);
  if (status === 412) return 'unmet';
  if (status === 409) return 'conflict';
  // Of an object that is to be replaced, and is gone.
  if (status === 404 && nameOf(error) === 'NoSuchKey' && typeof condition === 'object') return 'unmet';
  throw faultOf(key, 'written', error);
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** Statuses of 4xx that pass by themselves: too slow, too early, too many. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

function faultOf(key: string, what: string, error: unknown): BucketError {
  if (error instanceof BucketError) return error;
  const status = statusOf(error);
  const isPassing = status === undefined ? !isOfCredentials(error) : status >= 500 && status !== 501;
  const isRefused = !isPassing && !PASSING.has(status ?? 0);
  const why = status === undefined ? messageOf(error) || nameOf(error) : `${status} ${nameOf(error)}`;
  return new BucketError(
    isRefused ? 'BUCKET_REFUSED' : 'BUCKET_PASSING',
    `${key} could not be ${what}: ${why}`,
    {
      cause: error,
      ...(status !== undefined && { metadata: { status: String(status) } }),
      ...(isRefused && { hint: 'Check the bucket, its region, the credentials and what they allow.' }),
    },
  );
}

/** Whether the client has nothing to sign with, or no region: no request was sent. */
const isOfCredentials = (error: unknown): boolean =>
  nameOf(error) === 'CredentialsProviderError' || /region is missing/i.test(messageOf(error));
