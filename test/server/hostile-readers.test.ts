import { expect } from 'chai';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { changedPolicy, refusalOf, startTestService, type TestService } from '../support/test-service.ts';

const MIB = 1024 * 1024;

/** What a client behind the test's proxy sends: a test has one address, and the proxy says whose request it is. */
const from = (client: string): Record<string, string> => ({ 'x-forwarded-for': client });
const HONEST = '198.51.100.1';

const status = async (url: string, client: string): Promise<number> => {
  const response = await fetch(url, { headers: from(client) });
  await response.arrayBuffer();
  return response.status;
};

/** Asks `times` over one connection, and reads nothing. */
async function askAndStall(url: URL, client: string, times: number): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname).on('error', () => undefined);
  const head = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nX-Forwarded-For: ${client}\r\n\r\n`;
  socket.write(head.repeat(times));
  await once(socket, 'readable');
  return socket;
}

describe('server: readers that take more than their share', () => {
  const smallPaths = ['checkpoint', 'ct/v1/get-sth', 'log.v3.json', 'ct/v1/get-roots', ''];

  describe('because they do not read', () => {
    const tile = Buffer.alloc(5 * MIB);
    let service: TestService;
    let stalled: Socket[];
    beforeEach(async () => {
      stalled = [];
      service = await startTestService(({ log }) => ({
        trustedProxies: ['127.0.0.1'],
        limits: { maxInFlight: 4, readConcurrency: 4 },
        log: { ...log, reader: { ...log.reader, tile: () => Promise.resolve(tile) } },
      }));
    });
    afterEach(async () => {
      for (const socket of stalled) socket.destroy();
      await service.close();
    });

    it('leave the tiles to others, however often they ask', async () => {
      const url = new URL(`${service.logUrl}/tile/0/000`);
      // Some of them pipeline; all of them together ask for 160 MiB.
      for (let i = 0; i < 16; i++) stalled.push(await askAndStall(url, '203.0.113.7', i % 4 === 0 ? 5 : 1));
      for (let i = 0; i < 3; i++) expect(await status(url.href, HONEST)).to.equal(200);
      for (const path of smallPaths)
        expect(await status(`${service.logUrl}/${path}`, HONEST), path).to.equal(200);
    });

    it('leave the tiles to others, from however many networks they ask', async () => {
      const url = new URL(`${service.logUrl}/tile/0/000`);
      // A client has 16 MiB, and what it does not take from the kernel's buffers counts: four answers each.
      for (let i = 0; i < 24; i++) stalled.push(await askAndStall(url, `2001:db8:0:${i % 8}::${i}`, 4));
      expect(await status(url.href, HONEST)).to.equal(200);
      for (const path of smallPaths)
        expect(await status(`${service.logUrl}/${path}`, HONEST), path).to.equal(200);
    });
  });

  it('because they do not read put the end of the service off by seconds alone', async function () {
    this.timeout(60_000);
    const tile = Buffer.alloc(3 * MIB);
    const service = await startTestService(({ log }) => ({
      log: { ...log, reader: { ...log.reader, tile: () => Promise.resolve(tile) } },
    }));
    const stalled = await askAndStall(new URL(`${service.logUrl}/tile/0/000`), HONEST, 3);
    const began = performance.now();
    await service.close();
    // Three seconds, and not the 25 that answers have which are being made.
    expect(performance.now() - began).to.be.below(15_000);
    stalled.destroy();
  });

  it('because they go away while they wait are counted nowhere', async () => {
    let end: () => void = () => undefined;
    const service = await startTestService(({ log }) => ({
      limits: { maxInFlight: 4, readConcurrency: 1 },
      log: {
        ...log,
        reader: {
          ...log.reader,
          tile: () =>
            new Promise<Uint8Array>(
              (resolve) =>
                (end = () => {
                  resolve(Buffer.alloc(32));
                }),
            ),
        },
      },
    }));
    const url = new URL(`${service.logUrl}/tile/0/000`);
    const first = status(url.href, HONEST);
    const gone = connect(Number(url.port), url.hostname).on('error', () => undefined);
    gone.write(`GET ${url.pathname} HTTP/1.1\r\nHost: a\r\n\r\n`);
    // The one runs, the other waits.
    expect(await queued(service, first)).to.equal(true);
    gone.destroy();
    await status(`${service.logUrl}/checkpoint`, HONEST);
    end();
    expect(await first).to.equal(200);
    const { metricsUrl } = service;
    const text = await (await fetch(metricsUrl)).text();
    expect(text).to.match(/mayfly_log_reads_total\{[^}]*tile[^}]*200[^}]*\} 1\n/);
    expect(text).to.not.match(/mayfly_log_reads_total\{[^}]*tile[^}]*503/);
    await service.close();
  });

  it('because they leave a long configuration unread leave it to others', async () => {
    const service = await startTestService((values) => ({
      trustedProxies: ['127.0.0.1'],
      ...changedPolicy(values, ({ issuers }) => ({
        issuers: Array.from({ length: 60_000 }, () => issuers).flat(),
      })),
    }));
    const url = new URL(`${service.url}/api/v2/configuration`);
    const stalled: Socket[] = [];
    for (let i = 0; i < 4; i++) stalled.push(await askAndStall(url, '203.0.113.7', 2));
    const refused = await fetch(url, { headers: from('203.0.113.7') });
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([503, '1']);
    expect((await refusalOf(refused)).details[0].reason).to.equal('TOO_BUSY');
    const answer = await fetch(url, { headers: from(HONEST) });
    expect(answer.status).to.equal(200);
    expect((await answer.arrayBuffer()).byteLength).to.be.above(5 * MIB);
    for (const socket of stalled) socket.destroy();
    await service.close();
  });

  it('because they have many connections delay another client by one read, and small answers not at all', async () => {
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const service = await startTestService(({ log }) => ({
      trustedProxies: ['127.0.0.1'],
      limits: { maxInFlight: 4, readConcurrency: 1 },
      log: {
        ...log,
        reader: {
          ...log.reader,
          tile: async (path) => {
            begun.push(path);
            await new Promise<void>((resolve) => ends.push(resolve));
            return Buffer.alloc(32);
          },
        },
      },
    }));
    const greedy = Array.from({ length: 24 }, () => status(`${service.logUrl}/tile/0/000`, '203.0.113.7'));
    // One runs, four wait, all others are refused with Retry-After.
    const refused: number[] = [];
    for (const one of greedy) void one.then((code) => refused.push(code));
    while (refused.length < 19) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(refused)).to.deep.equal(new Set([503]));
    for (const path of smallPaths) {
      for (const client of [HONEST, '203.0.113.7'])
        expect(await status(`${service.logUrl}/${path}`, client), path).to.equal(200);
    }
    const honest = status(`${service.logUrl}/tile/0/001`, HONEST);
    // It has to be in the queue before the read that runs ends.
    while (begun.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const entered = await queued(service, honest);
    expect(entered).to.equal(true);
    while (!begun.includes('tile/0/001')) {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(begun.indexOf('tile/0/001')).to.be.at.most(2);
    const timer = setInterval(() => ends.shift()?.(), 1);
    expect(await honest).to.equal(200);
    expect((await Promise.all(greedy)).filter((code) => code === 200)).to.have.length(5);
    clearInterval(timer);
    await service.close();
  });
});

/** Whether a read is still unanswered after the service answered a later request. */
async function queued(service: TestService, read: Promise<number>): Promise<boolean> {
  let isAnswered = false;
  void read.then(() => (isAnswered = true));
  for (let i = 0; i < 5; i++) await status(`${service.logUrl}/checkpoint`, HONEST);
  return !isAnswered;
}
