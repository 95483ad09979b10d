import { Server } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { lameDuck } from '../../../server/http/lame-duck.ts';
import { bodyV2, clientKey, emailToken, post, startTestService } from '../../support/test-service.ts';

const CLIENTS = 32;

/** Connects and asks from a thread of its own, while this one accepts nothing; the shared number is set when all have. */
const ASK = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, shared } } = require('node:worker_threads');
  const answers = [];
  const done = (text) => { if (answers.push(text) === ${CLIENTS}) parentPort.postMessage(answers); };
  let asked = 0;
  for (let i = 0; i < ${CLIENTS}; i++) {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n', () => {
      if (++asked < ${CLIENTS}) return;
      Atomics.store(shared, 0, 1);
      Atomics.notify(shared, 0);
    }));
    socket.on('data', (data) => { text += data; });
    socket.on('error', (error) => { text += error.code; });
    socket.on('close', () => done(text.split('\\r\\n')[0]));
  }
`;

describe('server: the end of a service that is asked meanwhile', () => {
  it('answers every request that was sent before it stopped accepting', async () => {
    const service = await startTestService();
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const port = Number(new URL(service.url).port);
    const worker = new Worker(ASK, { eval: true, workerData: { port, shared } });
    const answers = new Promise<string[]>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    // A busy event loop: the kernel holds the connections, with their requests.
    Atomics.wait(shared, 0, 0, 10_000);
    await service.close();
    expect(await answers).to.deep.equal(Array(CLIENTS).fill('HTTP/1.1 200 OK'));
  });

  it('is put off by clients that keep coming for a second, and no longer', async () => {
    const own = Object.getOwnPropertyDescriptor(performance, 'now');
    let time = 0;
    let rounds = 0;
    const server = new Server();
    const busy = (): void => {
      server.emit('connection', {});
      if (rounds++ < 100_000) setImmediate(busy);
    };
    Object.defineProperty(performance, 'now', { value: () => (time += 10), configurable: true });
    try {
      busy();
      await lameDuck(server, 0);
      expect(time).to.be.within(1_000, 1_100);
    } finally {
      Reflect.deleteProperty(performance, 'now');
      if (own !== undefined) Object.defineProperty(performance, 'now', own);
      rounds = Infinity;
    }
    expect(server.listenerCount('connection')).to.equal(0);
  });

  it('goes on as before for the delay, and says that it is not ready', async () => {
    const service = await startTestService(() => ({ shutdownDelay: 1.5 }));
    const body = bodyV2(await emailToken(service), clientKey());
    const closing = service.close();
    const ready = await fetch(`${service.url}/readyz`);
    expect([ready.status, await ready.text()]).to.deep.equal([503, '{"status":"NOT_READY"}']);
    expect((await fetch(`${service.metricsUrl}/readyz`)).status).to.equal(503);
    expect((await fetch(`${service.url}/healthz`)).status).to.equal(200);
    expect((await post(`${service.url}/api/v2/signingCert`, body)).status).to.equal(200);
    await closing;
    expect(await fetch(`${service.url}/healthz`).catch(() => 'refused')).to.equal('refused');
  });
});
