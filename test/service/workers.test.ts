/** The service with threads that take its connections: real threads, real HTTP, and what one thread promises. */
import { expect } from 'chai';
import dns from 'node:dns';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, Agent, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { loadConfig } from '../../config/load/load.ts';
import { ListenError } from '../../server/http/listen-address.ts';
import { openService, type RunningService } from '../../service/open-service.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { failureOf } from '../support/failure.ts';
import { runMayfly } from '../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { signatureOf } from '../support/logged-signature.ts';
import {
  bodyV1,
  bodyV2,
  clientKey,
  emailToken,
  type ClientKey,
  type Refusal,
} from '../support/test-service.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { requestFor } from '../tsa/support/test-authority.ts';
import { call, grpcClient } from '../server/grpc/support/grpc-client.ts';

type Options = Parameters<typeof openService>[0];

const LOCAL = { host: '127.0.0.1', port: 0 };

/** An answer, with its body as text. */
interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** One request on a connection of its own, so that the kernel deals it out to any of the threads. */
const ask = (
  url: string,
  method = 'GET',
  body: string | Uint8Array = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    const sent = httpRequest(
      url,
      { method, headers: { ...headers, ...length }, agent: new Agent({ keepAlive: false }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('latin1');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });

const JSON_TYPE = { 'content-type': 'application/json' };

/** The threads that take connections, as they are started: the messages to them are lists. */
class Threads {
  readonly all = new Set<Worker>();
  readonly restore: () => void;

  constructor() {
    this.restore = onPost((thread, message) => {
      if (Array.isArray(message)) this.all.add(thread);
    });
  }
}

type Item = readonly unknown[];

/** Holds back what the main thread says to the threads that take connections, as far as `isHeld` says so, until the function that
 * it returns is called. */
function holdMessages(isHeld: (item: Item, thread: Worker) => boolean): () => void {
  const own = Object.getOwnPropertyDescriptor(Worker.prototype, 'postMessage') ?? {};
  const post = own.value as (this: Worker, ...args: unknown[]) => void;
  const held: [thread: Worker, items: readonly Item[]][] = [];
  Object.defineProperty(Worker.prototype, 'postMessage', {
    ...own,
    value(this: Worker, message: unknown, ...rest: unknown[]) {
      if (!Array.isArray(message)) {
        post.call(this, message, ...rest);
        return;
      }
      const items = message as readonly Item[];
      held.push([this, items.filter((item) => isHeld(item, this))]);
      post.call(
        this,
        items.filter((item) => !isHeld(item, this)),
      );
    },
  });
  return () => {
    Object.defineProperty(Worker.prototype, 'postMessage', own);
    for (const [thread, items] of held) post.call(thread, items);
  };
}

interface Reported {
  readonly type: string;
  readonly id?: number;
  readonly url?: string;
}

/** Calls back with each thing that a thread reports from now on. */
function onReport(thread: Worker, reported: (message: Reported) => void): void {
  thread.on('message', (items: readonly Item[]) => {
    for (const [kind, message] of items) if (kind === 'report') reported(message as Reported);
  });
}

/** Calls back with each message to a thread, after it was posted, until the function that it returns is called. */
function onPost(posted: (thread: Worker, message: unknown) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(Worker.prototype, 'postMessage') ?? {};
  const post = own.value as (this: Worker, ...args: unknown[]) => void;
  Object.defineProperty(Worker.prototype, 'postMessage', {
    ...own,
    value(this: Worker, ...args: unknown[]) {
      post.apply(this, args);
      posted(this, args[0]);
    },
  });
  return () => {
    Object.defineProperty(Worker.prototype, 'postMessage', own);
  };
}

describe('service/workers', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let issuer: TestIssuer;
  let text: string;
  let services: RunningService[];
  let threads: Threads;
  let key: ClientKey;
  const lines = (): Record<string, unknown>[] =>
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const open = async (over: Partial<Options> = {}): Promise<RunningService> => {
    const service = await openService({
      data,
      listen: LOCAL,
      metricsListen: LOCAL,
      clock: Date.now,
      program: 'mayfly',
      workers: 2,
      logOutput: {
        write: (bytes) => {
          text += Buffer.from(bytes).toString();
          return Promise.resolve();
        },
        writeNow: (bytes) => void (text += Buffer.from(bytes).toString()),
      },
      ...over,
    });
    services.push(service);
    return service;
  };
  const configure = (mayfly: string): Promise<void> =>
    writeFile(join(data, 'config.yaml'), emailConfig(issuer.url, mayfly));
  const configureBlock = (block: string): Promise<void> =>
    writeFile(
      join(data, 'config.yaml'),
      emailConfig(issuer.url).replace('type: email\n', `type: email\n    mayfly: ${block}\n`),
    );
  const sign = (service: RunningService, token: string): Promise<Answer> =>
    ask(`${service.url}/api/v2/signingCert`, 'POST', JSON.stringify(bodyV2(token, key)), JSON_TYPE);
  const outcome = (answer: Answer): string =>
    answer.status === 200 ? 'issued' : (JSON.parse(answer.text) as Refusal).details[0].reason;
  const outcomes = async (answers: readonly Promise<Answer>[]): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const one of await Promise.all(answers)) counts[outcome(one)] = (counts[outcome(one)] ?? 0) + 1;
    return counts;
  };
  const times = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const metric = async (service: RunningService, name: string): Promise<number> => {
    const { text: all } = await ask(`${service.metricsUrl}/metrics`);
    return Number(
      all
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    );
  };
  const readiness = async (service: RunningService, name: string): Promise<unknown> => {
    const { text: all } = await ask(`${service.metricsUrl}/readyz`);
    return (JSON.parse(all) as { checks: { name: string }[] }).checks.find((check) => check.name === name);
  };
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await delay(20);
  };

  before(async () => {
    issuer = await startIssuer();
    key = clientKey();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    threads = new Threads();
    root = await mkdtemp(join(tmpdir(), 'mayfly-workers-'));
    data = join(root, 'data');
    text = '';
    services = [];
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
  });
  afterEach(async () => {
    for (const service of services) await service.close();
    threads.restore();
    await rm(root, { recursive: true, force: true });
  });

  it('issues by both versions and over gRPC, into one log, and counts all of it once', async () => {
    const service = await open({ grpcListen: LOCAL });
    const token = await emailToken({ issuer });
    const v1 = (): Promise<Answer> =>
      ask(`${service.url}/api/v1/signingCert`, 'POST', JSON.stringify(bodyV1(key)), {
        ...JSON_TYPE,
        authorization: `Bearer ${token}`,
      });
    const answers = await Promise.all([
      ...times(20).map(() => sign(service, token)),
      ...times(20).map(() => v1()),
    ]);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([
      ...times(20).map(() => 200),
      ...times(20).map(() => 201),
    ]);
    const client = grpcClient('dev.sigstore.fulcio.v2.CA', service.grpcListen ?? '');
    const { publicKey, proofOfPossession } = bodyV2(token, key)['publicKeyRequest'] as Record<
      string,
      unknown
    >;
    const issued = await call(client, 'CreateSigningCertificate', {
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: { publicKey, proofOfPossession: Buffer.from(String(proofOfPossession), 'base64') },
    });
    client.close();
    expect(issued).to.have.property('signedCertificateEmbeddedSct');
    const indexes = (): number[] =>
      lines()
        .filter(({ event }) => event === 'issued')
        .map(({ leafIndex }) => Number(leafIndex));
    await until(() => indexes().length >= 41);
    expect(indexes().sort((a, b) => a - b)).to.deep.equal(times(41));
    const { text: checkpoint } = await ask(`${service.url}/log/2026/checkpoint`);
    expect(checkpoint.split('\n')[1]).to.equal('41');
    expect(await metric(service, 'fulcio_new_certs')).to.equal(41);
    expect(await metric(service, 'mayfly_workers')).to.equal(2);
    expect(await metric(service, 'mayfly_signing_requests')).to.equal(0);
    expect(await readiness(service, 'workers')).to.deep.include({ ok: true });
  });

  it('lets a token through once that comes to all threads at once, and counts its refusals against no limit', async () => {
    await configureBlock('{ replay-guard: token, rate-limit: { principal: { per-minute: 1, burst: 2 } } }');
    const service = await open();
    const token = await emailToken({ issuer });
    expect(await outcomes(times(24).map(() => sign(service, token)))).to.deep.equal({
      issued: 1,
      TOKEN_REPLAYED: 23,
    });
    const second = await emailToken({ issuer }, { jti: 'second' });
    expect(outcome(await sign(service, second))).to.equal('issued');
    const third = await emailToken({ issuer }, { jti: 'third' });
    expect(outcome(await sign(service, third))).to.equal('PRINCIPAL_RATE_LIMITED');
  });

  it('counts a limit over all threads, to the request', async () => {
    await configureBlock('{ rate-limit: { principal: { per-minute: 1, burst: 7 } } }');
    const service = await open();
    const token = await emailToken({ issuer });
    expect(await outcomes(times(40).map(() => sign(service, token)))).to.deep.equal({
      issued: 7,
      PRINCIPAL_RATE_LIMITED: 33,
    });
  });

  it('puts a rule that denies in force in every thread, while requests are under way', async () => {
    await configureBlock('{ rate-limit: { principal: off } }');
    const service = await open();
    const token = await emailToken({ issuer });
    let isStopped = false;
    const seen: string[] = [];
    const clients = times(8).map(async () => {
      while (!isStopped) seen.push(outcome(await sign(service, token)));
    });
    await until(() => seen.length > 40);
    await configureBlock('{ rules: [{ name: nobody, deny: "true" }] }');
    await service.reload();
    await until(() => lines().some(({ event }) => /^configuration/.test(String(event))));
    // From here on, also for what a thread had under way.
    const from = seen.length;
    const later = await outcomes(times(30).map(() => sign(service, token)));
    expect(later).to.deep.equal({ RULE_DENIED: 30 });
    isStopped = true;
    await Promise.all(clients);
    expect([...new Set(seen)].sort()).to.deep.equal(['RULE_DENIED', 'issued']);
    // Each client had one answer under way at most.
    expect(seen.slice(from).filter((one) => one === 'issued').length).to.be.at.most(8);
  });

  it('goes on with the configuration before where one thread cannot take a new one', async () => {
    const service = await open();
    const token = await emailToken({ issuer });
    await configureBlock('{ rules: [{ name: nobody, deny: "true" }] }');
    const [thread] = threads.all;
    // Its answer is a refusal, as of a thread that has no memory left for it.
    const listeners = thread?.listeners('message') as ((items: unknown[]) => void)[];
    thread?.removeAllListeners('message');
    thread?.on('message', (items: unknown[][]) => {
      const changed = items.map((item) =>
        item[0] === 'reply' && item[2] === undefined
          ? ['fail', item[1], { id: -1, name: 'RangeError', message: 'out of memory' }]
          : item,
      );
      for (const listener of listeners) listener(changed);
    });
    await service.reload();
    await until(() =>
      lines().some(({ event, level }) => /^configuration/.test(String(event)) && level === 'error'),
    );
    expect(await outcomes(times(20).map(() => sign(service, token)))).to.deep.equal({ issued: 20 });
    expect(await readiness(service, 'configuration')).to.deep.include({ ok: false });
  });

  it('decides nothing by a configuration that was dropped while a thread prepared it', async () => {
    const service = await open();
    const token = await emailToken({ issuer });
    await configureBlock('{ rules: [{ name: nobody, deny: "true" }] }');
    const config = await loadConfig(join(data, 'config.yaml'));
    const [thread] = threads.all;
    const replies = new Set<unknown>();
    thread?.on('message', (items: readonly Item[]) => {
      for (const [kind, id] of items) if (kind !== 'report') replies.add(id);
    });
    thread?.postMessage([
      ['ask', -1, { type: 'prepare', config }],
      ['report', { type: 'keep' }],
    ]);
    await until(() => replies.has(-1));
    thread?.postMessage([['ask', -2, { type: 'switch' }]]);
    await until(() => replies.has(-2));
    expect(await outcomes(times(20).map(() => sign(service, token)))).to.deep.equal({ issued: 20 });
  });

  it('starts beside a client that connects while it looks for its addresses', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    await new Promise((resolve) => other.close(resolve));
    let socket: Socket | undefined;
    // The second address has a name, and the client comes to the first one while that is looked up.
    const { lookup } = dns;
    Object.defineProperty(dns, 'lookup', {
      value: (...args: Parameters<typeof lookup>) => {
        if (args[0] !== 'localhost' || socket !== undefined) {
          lookup(...args);
          return;
        }
        socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.once('connect', () =>
          setTimeout(() => {
            lookup(...args);
          }, 50),
        );
      },
    });
    try {
      await open({ listen: { ...LOCAL, port }, grpcListen: { host: 'localhost', port: 0 } });
    } finally {
      Object.defineProperty(dns, 'lookup', { value: lookup });
      socket?.destroy();
    }
    expect(socket).to.not.equal(undefined);
  });

  it('loses the requests of a thread that is killed and no others, and replaces it', async () => {
    const audit = join(root, 'audit.jsonl');
    await configure(
      `{ audit: { file: { path: "${audit}" } }, limits: { max-in-flight: 16 }, rate-limit: { principal: off } }`,
    );
    const service = await open();
    const token = await emailToken({ issuer });
    let isStopped = false;
    let broken = 0;
    const serials = new Set<string>();
    const refused: string[] = [];
    const clients = times(8).map(async () => {
      while (!isStopped) {
        try {
          const answer = await sign(service, token);
          if (answer.status === 200) serials.add(answer.text);
          else refused.push(outcome(answer));
        } catch {
          broken++;
        }
      }
    });
    await until(() => serials.size > 40);
    const [victim] = threads.all;
    await victim?.terminate();
    await until(() => lines().some(({ event }) => event === 'worker replaced'));
    const before = serials.size;
    await until(() => serials.size > before + 40);
    isStopped = true;
    await Promise.all(clients);
    expect(refused).to.deep.equal([]);
    // A client has one request under way; those that the kernel had dealt out to it are lost, too.
    expect(broken).to.be.at.most(16);
    expect(await readiness(service, 'workers')).to.deep.include({ ok: true });
    expect(await metric(service, 'mayfly_workers_ended_total')).to.equal(1);
    // Nothing that it held is held for ever.
    expect(await metric(service, 'mayfly_signing_requests')).to.equal(0);
    await service.close();
    const records = (await readFile(audit, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; leafIndex: number; time: string })
      .filter(({ event }) => event === 'issued');
    expect(records.length).to.be.at.least(serials.size);
    expect(new Set(records.map(({ leafIndex }) => leafIndex)).size).to.equal(records.length);
    expect(records.map(({ time }) => time)).to.deep.equal(records.map(({ time }) => time).sort());
    services = [];
    // The log has no gap, and every answer is in it.
    const checked = await runMayfly(['log', 'check', '--data', data, '--json']);
    expect(checked.code, checked.stdout + checked.stderr).to.equal(0);
    expect((JSON.parse(checked.stdout) as { size: number }).size).to.be.at.least(records.length);
  });

  it('answers 503 while the log cannot take entries, and issues again when it can', async () => {
    const service = await open();
    const token = await emailToken({ issuer });
    expect(outcome(await sign(service, token))).to.equal('issued');
    // The thread that commits: the one that is asked to.
    let killed = 0;
    const restore = onPost((thread, message) => {
      if ((message as { kind?: unknown }).kind === 'commit' && killed++ === 0) void thread.terminate();
    });
    const answers = await Promise.all(times(10).map(() => sign(service, token)));
    restore();
    expect(killed).to.be.at.least(1);
    for (const answer of answers) {
      expect(answer.status).to.be.oneOf([200, 503]);
      if (answer.status === 503) expect(answer.headers).to.have.property('retry-after');
    }
    expect(answers.some(({ status }) => status === 503)).to.equal(true);
    await until(async () => outcome(await sign(service, token)) === 'issued');
  });

  it('replaces a thread that is stuck', async () => {
    const service = await open();
    const [thread] = threads.all;
    // What it says is not heard any more.
    thread?.removeAllListeners('message');
    await until(() => lines().some(({ event }) => event === 'worker replaced'));
    expect(lines().find(({ event }) => event === 'worker ended')).to.deep.include({
      sentence: 'it was ended: it did nothing any more',
    });
    const token = await emailToken({ issuer });
    expect(await outcomes(times(20).map(() => sign(service, token)))).to.deep.equal({ issued: 20 });
  });

  it('holds back a certificate until a fail-closed audit has its line', async () => {
    const audit = join(root, 'audit.jsonl');
    await configure(`{ audit: { fail-closed: true, file: { path: "${audit}" } } }`);
    const service = await open();
    const token = await emailToken({ issuer });
    const answers = times(12).map(async () => {
      const answer = await sign(service, token);
      expect(outcome(answer)).to.equal('issued');
      return (await readFile(audit, 'utf8')).trim().split('\n').length;
    });
    const counts = await Promise.all(answers);
    expect(Math.max(...counts)).to.equal(12);
    const file = (await readFile(audit, 'utf8')).trim().split('\n');
    expect(file.length).to.equal(12);
  });

  it('ends in order: answers what is under way, and leaves no thread', async () => {
    const service = await open();
    const token = await emailToken({ issuer });
    const answers = times(8).map(() => sign(service, token));
    await until(() => lines().some(({ event }) => event === 'issued'));
    const [ended] = await Promise.all([service.close(), Promise.allSettled(answers)]);
    expect(ended).to.equal(undefined);
    services = [];
    expect(lines().at(-1)).to.deep.include({ event: 'closed' });
    expect([...threads.all].map(({ threadId }) => threadId)).to.deep.equal([-1, -1]);
  });

  it('refuses to start where another program listens, and leaves nothing open', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const failure = await failureOf(open({ listen: { ...LOCAL, port } }));
    expect(failure).to.be.instanceOf(ListenError);
    expect(failure).to.have.property('code', 'ADDRESS_IN_USE');
    other.close();
  });

  it('speaks TLS in every thread, by the newest pair', async () => {
    const [first, second] = [await selfSigned('localhost'), await selfSigned('localhost')];
    const tls = { certFile: join(root, 'cert.pem'), keyFile: join(root, 'key.pem') };
    const write = async ({ cert, key: privateKey }: typeof first): Promise<void> => {
      await writeFile(tls.certFile, cert);
      await writeFile(tls.keyFile, privateKey);
    };
    await write(first);
    const service = await open({ tls });
    expect(service.url).to.match(/^https:/);
    const { port } = new URL(service.url);
    const served = async (ca: string): Promise<boolean> => {
      const { connect: connectTls } = await import('node:tls');
      return new Promise((resolve) => {
        const socket = connectTls(
          { host: '127.0.0.1', port: Number(port), ca, servername: 'localhost' },
          () => {
            resolve(true);
            socket.destroy();
          },
        );
        socket.on('error', () => {
          resolve(false);
        });
      });
    };
    for (const one of await Promise.all(times(12).map(() => served(first.cert)))) expect(one).to.equal(true);
    await write(second);
    await service.checkTls();
    await until(async () => (await Promise.all(times(12).map(() => served(second.cert)))).every(Boolean));
  });

  it('says so, and goes on with one thread, for one worker', async () => {
    const service = await open({ workers: 1 });
    expect(threads.all.size).to.equal(0);
    expect(await readiness(service, 'workers')).to.equal(undefined);
  });

  describe('of a whole service', () => {
    let whole: string;
    let folder: string;
    const LARGE = 'x'.repeat(300 * 1024);

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mayfly-workers-whole-'));
      whole = join(folder, 'data');
      const made = await runMayfly(['init', '--data', whole, '--keep-root-key', '--json']);
      expect(made.code, made.stderr).to.equal(0);
    });
    after(() => rm(folder, { recursive: true, force: true }));

    /** What does not depend on the moment. */
    const lasting = ({ status, headers, text: body }: Answer): unknown => {
      const rest = Object.entries(headers).filter(
        ([name]) => !['date', 'x-request-id', 'content-length', 'etag'].includes(name),
      );
      const changing = /"requestId":"[^"]*"|:\d{4,5}|"signedTreeHead":"[^"]*"/g;
      return { status, headers: Object.fromEntries(rest), body: body.replace(changing, '') };
    };

    it('answers every other call as one thread does', async () => {
      await writeFile(join(whole, 'config.yaml'), emailConfig(issuer.url));
      const requests: readonly (readonly [method: string, path: string, body?: string, type?: string])[] = [
        ['GET', '/healthz'],
        ['HEAD', '/healthz'],
        ['GET', '/readyz'],
        ['POST', '/readyz', '{}'],
        ['GET', '/api/v2/configuration'],
        ['GET', '/api/v2/trustBundle'],
        ['GET', '/api/v1/rootCert'],
        ['GET', '/api/v2/signingCert'],
        ['PUT', '/api/v2/signingCert', '{}'],
        ['POST', '/api/v2/signingCert', 'not JSON'],
        ['POST', '/api/v2/signingCert', LARGE],
        ['OPTIONS', '/api/v2/signingCert'],
        ['GET', '/nothing'],
        ['GET', '//healthz'],
        ['POST', '/nothing', LARGE],
        ['DELETE', '/log/'],
        ['GET', '/log/'],
        ['GET', '/log/none/checkpoint'],
        ['GET', '/trust/'],
        ['GET', '/trust/trusted_root.json'],
        ['GET', '/tuf/root.json'],
        ['GET', '/api/v1/timestamp/certchain'],
        ['POST', '/api/v1/timestamp', 'not DER', 'application/timestamp-query'],
        ['POST', '/api/v1/timestamp', LARGE, 'application/timestamp-query'],
        ['GET', '/api/v1/timestamp'],
        ['POST', '/api/v2/log/entries', 'not JSON'],
        ['POST', '/api/v1/log/entries', '{}'],
        ['GET', '/api/v1/log'],
        ['GET', '/api/v1/log/entries?logIndex=7'],
        ['POST', '/api/v1/index/retrieve', '{}'],
        ['GET', '/%zz'],
      ];
      const answersOf = async (workers: number): Promise<unknown[]> => {
        const service = await open({ data: whole, workers });
        const answers: unknown[] = [];
        for (const [method, path, body = '', type = 'application/json'] of requests)
          answers.push([
            method,
            path,
            lasting(await ask(`${service.url}${path}`, method, body, { 'content-type': type })),
          ]);
        await service.close();
        return answers;
      };
      const [one, two] = [await answersOf(1), await answersOf(2)];
      for (const [i, answer] of one.entries()) expect(two[i]).to.deep.equal(answer);
    });

    it('grants timestamps, logs signatures, and serves what is large', async () => {
      await writeFile(join(whole, 'config.yaml'), emailConfig(issuer.url));
      const service = await open({ data: whole });
      const query = requestFor(Buffer.from('data'));
      const stamps = await Promise.all(
        times(20).map(() =>
          ask(`${service.url}/api/v1/timestamp`, 'POST', query, {
            'content-type': 'application/timestamp-query',
          }),
        ),
      );
      expect(stamps.map(({ status }) => status)).to.deep.equal(times(20).map(() => 201));
      const { first, second } = await signatureOf({ url: service.url, issuer }, 'text');
      for (const [path, body] of [
        ['/api/v1/log/entries', first],
        ['/api/v2/log/entries', second],
      ] as const)
        expect((await ask(`${service.url}${path}`, 'POST', body, JSON_TYPE)).status, path).to.equal(201);
      // Enough for a tile of some hundred kilobytes, which is sent in pieces.
      const token = await emailToken({ issuer });
      for (let done = 0; done < 150; done += 25) await outcomes(times(25).map(() => sign(service, token)));
      const { text: checkpoint } = await ask(`${service.logUrl}/checkpoint`);
      const size = Number(checkpoint.split('\n')[1]);
      const tile = await ask(`${service.logUrl}/tile/data/000.p/${size}`);
      expect(tile.status).to.equal(200);
      expect(tile.text.length).to.be.above(128 * 1024);
      expect(String(tile.text.length)).to.equal(tile.headers['content-length']);
    });

    it('reads the longest body with many threads, too', async () => {
      await writeFile(join(whole, 'config.yaml'), emailConfig(issuer.url));
      const service = await open({ data: whole, workers: 4 });
      const answer = await ask(`${service.url}/api/v1/log/entries`, 'POST', 'x'.repeat(15 << 20), JSON_TYPE);
      expect(answer.text).to.include('invalid character');
    });

    it('holds no body for a client that does not take its answer', async () => {
      await writeFile(join(whole, 'config.yaml'), emailConfig(issuer.url));
      const service = await open({ data: whole });
      const { port } = new URL(service.url);
      const firsts = new Set<unknown>();
      let requests = 0;
      for (const thread of threads.all)
        onReport(thread, ({ type, id, url }) => {
          if (type === 'request') requests++;
          if (url === '/healthz') firsts.add(`${thread.threadId} ${id}`);
        });
      // The answers behind it wait, as if the client did not read it.
      const release = holdMessages(([, message], thread) =>
        firsts.has(`${thread.threadId} ${(message as { id?: number }).id}`),
      );
      const body = Buffer.alloc(1 << 20, 'x');
      const head = `POST /api/v1/log/entries HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
      const post = Buffer.concat([Buffer.from(head), body]);
      const sockets: Socket[] = [];
      try {
        for (let round = 1; round <= 12; round++) {
          const socket = connect(Number(port), '127.0.0.1');
          sockets.push(socket);
          socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
          for (let sent = 0; sent < 4; sent++) socket.write(post);
          await until(() => requests >= 5 * round);
        }
        for (const large of await Promise.all(
          times(4).map(() =>
            ask(`${service.url}/api/v1/log/entries`, 'POST', 'x'.repeat(2 << 20), JSON_TYPE),
          ),
        ))
          expect(large.text).to.include('invalid character');
      } finally {
        for (const socket of sockets) socket.destroy();
        release();
      }
    });

    it('frees what is held for clients that go away', async () => {
      await writeFile(join(whole, 'config.yaml'), emailConfig(issuer.url));
      const service = await open({ data: whole });
      const { port } = new URL(service.url);
      await Promise.all(
        times(30).map(
          (i) =>
            new Promise<void>((resolve) => {
              const socket = connect(Number(port), '127.0.0.1', () => {
                const head = i % 2 === 0 ? 'GET /log/' : 'POST /api/v1/log/entries';
                socket.write(`${head} HTTP/1.1\r\nHost: a\r\nContent-Length: ${i % 2 === 0 ? 0 : 9}\r\n\r\n`);
                setImmediate(() => {
                  socket.destroy();
                  resolve();
                });
              });
            }),
        ),
      );
      expect((await ask(`${service.url}/log/`)).status).to.equal(200);
    });
  });
});
