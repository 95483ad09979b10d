/**
 * An S3-compatible store over HTTP with one bucket in memory, which does what goes wrong between a client and a store: answers that are lost, writes
 * that land late, failures after success. It keeps what real ones keep: conditions are decided for one request at a time.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What becomes of a request. `lose`: done, and the connection ends without an answer. `late`: the connection ends, and it is done when {@link FakeBucket.landLate} is called.
 * `fail`: done, and answered with 500. `deny`: not done, 503. `conflict`: not done, 409. `forbid`: not done, 403. `hang`: done, and answered by {@link FakeBucket.answerHeld}.
 */
export type BucketFault = 'lose' | 'late' | 'fail' | 'deny' | 'conflict' | 'forbid' | 'hang';

/** An object as it was put. */
export interface StoredObject {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** One request. */
export interface BucketRequestLine {
  readonly method: string;
  /** Without the bucket. */
  readonly key: string;
}

/** A running store. */
export interface FakeBucket {
  /** Where it listens. */
  readonly endpoint: string;
  readonly bucket: string;
  /** URL of an object, as a reader asks for it. */
  readonly url: string;
  readonly objects: Map<string, StoredObject>;
  readonly requests: BucketRequestLine[];
  /** Asked about each request; undefined: it is done and answered. */
  fault: (request: BucketRequestLine) => BucketFault | undefined;
  /** How many puts are decided at the same moment, and so do not see each other; a put waits for that many. */
  rivals: number;
  /** Whether conditions and checksums are ignored. */
  isLax: boolean;
  /** Does what came late. */
  landLate(): void;
  /** Sends the answers that were held. */
  answerHeld(): void;
  close(): Promise<void>;
}

/** Starts one. */
export async function startFakeBucket(): Promise<FakeBucket> {
  const bucket = 'tiles';
  const late: (() => unknown)[] = [];
  const held: (() => void)[] = [];
  const rivals: (() => void)[] = [];
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeBucket = {
    endpoint,
    bucket,
    url: `${endpoint}/${bucket}`,
    objects: new Map(),
    requests: [],
    fault: () => undefined,
    rivals: 1,
    isLax: false,
    landLate() {
      for (const land of late.splice(0)) land();
    },
    answerHeld() {
      for (const answer of held.splice(0)) answer();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', endpoint);
    const [, name, ...rest] = decodeURIComponent(url.pathname).split('/');
    const line = { method: request.method ?? '', key: rest.join('/') };
    fake.requests.push(line);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (name !== bucket) {
      answer(response, { status: 404, code: 'NoSuchBucket' });
      return;
    }
    const seen =
      line.method === 'PUT' && fake.rivals > 1 ? await seenWithRivals(request, line.key) : undefined;
    const act = (): Answer => perform(request, line.key, Buffer.concat(chunks), seen, url);
    const fault = fake.fault(line);
    if (fault === undefined) {
      answer(response, act());
      return;
    }
    if (fault === 'deny') {
      answer(response, { status: 503, code: 'SlowDown' });
      return;
    }
    if (fault === 'conflict') {
      answer(response, { status: 409, code: 'ConditionalRequestConflict' });
      return;
    }
    if (fault === 'forbid') {
      answer(response, { status: 403, code: 'AccessDenied' });
      return;
    }
    if (fault === 'late') late.push(act);
    else {
      const done = act();
      if (fault === 'fail') {
        answer(response, { status: 500, code: 'InternalError' });
        return;
      }
      if (fault === 'hang') {
        held.push(() => {
          answer(response, done);
        });
        return;
      }
    }
    request.socket.destroy();
  }

  /** Whether the condition holds before any of the rivals is stored. */
  async function seenWithRivals(request: IncomingMessage, key: string): Promise<boolean> {
    const holds = conditionHolds(request, key);
    await new Promise<void>((resolve) => {
      if (rivals.push(resolve) < fake.rivals) return;
      for (const go of rivals.splice(0)) go();
    });
    return holds;
  }

  function conditionHolds({ headers }: IncomingMessage, key: string): boolean {
    const there = fake.objects.get(key);
    if (headers['if-none-match'] === '*' && there !== undefined) return false;
    const etag = headers['if-match'];
    return etag === undefined || (there !== undefined && etag === etagOf(there.bytes));
  }

  function perform(
    request: IncomingMessage,
    key: string,
    bytes: Buffer,
    seen: boolean | undefined,
    url: URL,
  ): Answer {
    const there = fake.objects.get(key);
    if (request.method === 'GET' && key === '') return list(url.searchParams.get('prefix') ?? '');
    if (request.method === 'GET')
      return there === undefined
        ? { status: 404, code: 'NoSuchKey' }
        : { status: 200, body: there.bytes, headers: { ...there.headers, etag: etagOf(there.bytes) } };
    if (request.method === 'DELETE') fake.objects.delete(key);
    if (request.method !== 'PUT') return { status: 204 };
    const sum = request.headers['x-amz-checksum-sha256'];
    if (!fake.isLax && typeof sum === 'string' && sum !== createHash('sha256').update(bytes).digest('base64'))
      return { status: 400, code: 'BadDigest' };
    if (!fake.isLax && !(seen ?? conditionHolds(request, key)))
      return there === undefined
        ? { status: 404, code: 'NoSuchKey' }
        : { status: 412, code: 'PreconditionFailed' };
    const { 'content-type': type, 'cache-control': cache } = request.headers;
    fake.objects.set(key, { bytes, headers: { 'content-type': type, 'cache-control': cache } });
    return { status: 200, headers: { etag: etagOf(bytes) } };
  }

  function list(prefix: string): Answer {
    const keys = [...fake.objects.keys()].filter((key) => key.startsWith(prefix));
    const contents = keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('');
    return { status: 200, body: Buffer.from(`<ListBucketResult>${contents}</ListBucketResult>`) };
  }

  return fake;
}

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly body?: Buffer;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;

function answer(response: ServerResponse, { status, code, body, headers = {} }: Answer): void {
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) response.setHeader(name, value);
  const text = code === undefined ? undefined : Buffer.from(`<Error><Code>${code}</Code></Error>`);
  response.writeHead(status).end(body ?? text);
}

/** What a process needs in its environment. */
export const BUCKET_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'testtest',
  AWS_REGION: 'us-east-1',
} as const;

/** Sets what the client of AWS signs with, for a test; call the result to set it back. */
export function withBucketCredentials(): () => void {
  const values = BUCKET_CREDENTIALS;
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  return () => {
    for (const [name, value] of before)
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  };
}
