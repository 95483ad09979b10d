/** Processes that write one log in PostgreSQL while they, the server and the network between them fail. A ledger keeps every answer and every signed head. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fromHex } from '../../core/bytes.ts';
import { migrate } from '../../tlog/store/postgres-schema.ts';
import { readStorePlaces, writeStorePlaces } from '../../tlog/store/store-places.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { Ledger } from './support/ledger.ts';
import { newKeyTexts, signersOf } from './support/log-keys.ts';
import { testLog, type TestLog } from './support/test-log.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const REPLICA = fileURLToPath(new URL(`./support/replica-process.${extension}`, import.meta.url));

/** One process, and what it said. */
class Replica {
  readonly child: ChildProcess;
  readonly refusals: { readonly code: string; readonly ms: number }[] = [];
  answers = 0;
  #isOpen = false;

  constructor(args: readonly string[], ledger: Ledger) {
    this.child = spawn(process.execPath, [REPLICA, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('no output');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const [kind, number = '', time = '', hash = ''] = line.split(' ');
      if (kind === 'open') this.#isOpen = true;
      else if (kind === 'head')
        ledger.heads.push({ size: Number(number), timestamp: Number(time), root: hash });
      else if (kind === 'entry') {
        this.answers++;
        ledger.answers.push({ index: Number(number), timestamp: Number(time), leafHash: fromHex(hash) });
      } else this.refusals.push({ code: number, ms: Number(time) });
    });
  }

  /** Until it has answered `more` than now. */
  async progress(more: number): Promise<void> {
    const goal = this.answers + more;
    while (!this.#isOpen || this.answers < goal) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`the replica ended: ${this.child.exitCode ?? this.child.signalCode ?? ''}`);
      await delay(10);
    }
  }

  /** Until it has refused `more` than now. */
  async refuses(more: number): Promise<void> {
    const goal = this.refusals.length + more;
    while (this.refusals.length < goal) await delay(10);
  }

  async end(signal: 'SIGKILL' | 'stop'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGCONT');
    if (signal === 'SIGKILL') this.child.kill('SIGKILL');
    else this.child.stdin?.write('stop\n');
    await exited;
  }
}

describe('a log in PostgreSQL that several processes write', function () {
  this.timeout(180_000);
  let server: PostgresServer | undefined;
  let schemas = 0;
  let test: TestLog;
  let ledger: Ledger;
  const replicas: Replica[] = [];
  const proxies: TcpProxy[] = [];
  before(async function () {
    server = await PostgresServer.start(this);
  });
  after(() => server?.remove());
  const running = (): PostgresServer => server ?? expect.fail('no server');

  beforeEach(async () => {
    const schema = `log_${schemas++}`;
    const place = { url: running().url({ schema }), passwordFile: running().passwordFile };
    await migrate(place);
    const keys = newKeyTexts();
    test = await testLog({ signers: signersOf(keys), places: { commits: place } });
    writeFileSync(join(test.root, 'keys.json'), JSON.stringify(keys), { mode: 0o600 });
    ledger = new Ledger();
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.end('SIGKILL');
    for (const proxy of proxies.splice(0)) await proxy.close();
    await test.remove();
  });

  /** A replica with a directory of its own, which reaches the server at `port`. */
  const replica = async (name: string, { width = 8, port = running().port } = {}): Promise<Replica> => {
    const directory = join(test.root, name);
    cpSync(test.directory, directory, { recursive: true, force: false });
    const { commits, ...places } = await readStorePlaces(test.directory);
    if (commits === undefined) throw new Error('the log is not in a database');
    const url = commits.url.replace(`:${running().port}/`, `:${port}/`);
    await writeStorePlaces(directory, { ...places, commits: { ...commits, url } });
    const args = [directory, test.directory, join(test.root, 'keys.json'), String(width)];
    const started = new Replica([...args, String(replicas.length)], ledger);
    replicas.push(started);
    return started;
  };

  const proxied = async (): Promise<TcpProxy> => {
    const proxy = await TcpProxy.to(running().port);
    proxies.push(proxy);
    return proxy;
  };

  /** Ends the replicas in order, and holds the log to all that they said. */
  const settle = async (): Promise<void> => {
    for (const one of replicas.splice(0)) await one.end('stop');
    await ledger.expectKept(test.directory);
  };

  /** Whatever is refused is refused soon. */
  const expectPrompt = (): void => {
    for (const { refusals } of replicas) for (const { ms } of refusals) expect(ms).to.be.below(4_000);
  };

  it('goes on without one that is killed, and with its successor', async () => {
    const [a, b, c] = [await replica('a'), await replica('b'), await replica('c')];
    await Promise.all([a, b, c].map((one) => one.progress(100)));
    await b.end('SIGKILL');
    await Promise.all([a, c].map((one) => one.progress(100)));
    const again = await replica('b');
    await Promise.all([a, again, c].map((one) => one.progress(100)));
    for (const { refusals } of replicas) expect(refusals).to.deep.equal([]);
    await settle();
  });

  it('goes on beside one that is stopped, wherever that stands, and lets it in again when it wakes', async () => {
    const [a, b, c] = [await replica('a'), await replica('b'), await replica('c')];
    await Promise.all([a, b, c].map((one) => one.progress(50)));
    for (let round = 0; round < 8; round++) {
      b.child.kill('SIGSTOP');
      await Promise.all([a, c].map((one) => one.progress(60)));
      b.child.kill('SIGCONT');
      await b.progress(10);
    }
    await settle();
  });

  it('loses nothing when the server is killed, refuses meanwhile, and is back by itself', async () => {
    const [a, b, c] = [await replica('a'), await replica('b'), await replica('c')];
    for (let round = 0; round < 3; round++) {
      await Promise.all([a, b, c].map((one) => one.progress(50)));
      await running().kill();
      await Promise.all([a, b, c].map((one) => one.refuses(10)));
      await running().up();
    }
    await Promise.all([a, b, c].map((one) => one.progress(50)));
    expectPrompt();
    for (const { refusals } of replicas)
      expect(new Set(refusals.map(({ code }) => code))).to.deep.equal(new Set(['LOG_UNAVAILABLE']));
    await settle();
  });

  for (const [name, passages] of [
    ['requests do not arrive and the connection ends', { requests: 'cut' }],
    ['answers do not arrive and the connection ends', { answers: 'cut' }],
    ['requests do not arrive, in silence', { requests: 'silence' }],
    ['answers do not arrive, in silence', { answers: 'silence' }],
    ['nothing arrives, in silence', { requests: 'silence', answers: 'silence' }],
  ] as const)
    it(`keeps every promise while ${name}, and others go on meanwhile`, async () => {
      const proxy = await proxied();
      const [a, b] = [await replica('a', { port: proxy.port }), await replica('b')];
      for (let round = 0; round < 3; round++) {
        await Promise.all([a, b].map((one) => one.progress(40)));
        proxy.set(passages);
        await a.refuses(8);
        await b.progress(40);
        proxy.set({});
      }
      await a.progress(40);
      expect(b.refusals).to.deep.equal([]);
      expectPrompt();
      await settle();
    });

  it('keeps every promise while bytes arrive twice in either direction, and goes on by itself', async () => {
    const proxy = await proxied();
    const [a, b] = [await replica('a', { port: proxy.port }), await replica('b')];
    await Promise.all([a, b].map((one) => one.progress(20)));
    for (const passage of ['twice', 'again'] as const)
      for (const way of ['answers', 'requests'] as const)
        for (let round = 0; round < 5; round++) {
          proxy.set({ [way]: passage });
          await Promise.all([a, b].map((one) => one.progress(20)));
        }
    expect(b.refusals).to.deep.equal([]);
    expectPrompt();
    for (const { refusals } of replicas)
      expect(refusals.filter(({ code }) => code !== 'LOG_UNAVAILABLE')).to.deep.equal([]);
    await settle();
  });
});
