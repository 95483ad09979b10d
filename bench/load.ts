/**
 * The load generator, a process of its own so that it can sit on another core than the server. Plain sockets and
 * prepared requests: it must cost less than what it measures. Reads its orders as one JSON line on stdin, holds the
 * bodies in memory, and answers each order with one JSON line.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

/** One measurement to make. `bodies` names a file with one body a line: JSON, or base64 of another type; for GET, one path a line. */
export interface Order {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Default: POST. */
  readonly method?: 'GET' | undefined;
  readonly bodies: string;
  /** Of bodies in base64; undefined for JSON. */
  readonly contentType?: string | undefined;
  readonly connections: number;
  readonly seconds: number;
  /** Milliseconds that each connection waits between an answer and its next request; default 0. */
  readonly pause?: number | undefined;
}

/** What was measured; latencies in milliseconds. */
export interface LoadMeasurement {
  /** Answers with 200 or 201, certificates or timestamps. */
  readonly certificates: number;
  readonly failures: number;
  readonly firstFailure: string;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
}

const prepared = new Map<string, Buffer[]>();
let next = 0;

function requestsOf(order: Order): Buffer[] {
  const known = prepared.get(order.bodies);
  if (known !== undefined) return known;
  const { contentType } = order;
  const type = contentType ?? 'application/json';
  const head = `POST ${order.path} HTTP/1.1\r\nHost: ${order.host}\r\nContent-Type: ${type}\r\n`;
  const lines = readFileSync(order.bodies, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  if (order.method === 'GET')
    return lines.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${order.host}\r\n\r\n`));
  const requests = lines
    .map((line) => Buffer.from(line, contentType === undefined ? 'utf8' : 'base64'))
    .map((body) => Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]));
  prepared.set(order.bodies, requests);
  return requests;
}

interface Results {
  readonly until: number;
  readonly latencies: number[];
  failures: number;
  firstFailure: string;
}

/** Sends one request after the other on a connection until the time is over. */
async function drive(order: Order, requests: readonly Buffer[], results: Results): Promise<void> {
  const socket = connect({ host: order.host, port: order.port, noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  while (performance.now() < results.until) {
    const request = requests[next++ % requests.length] ?? Buffer.alloc(0);
    const begin = performance.now();
    const answer = await exchange(socket, request);
    if (/^HTTP\/1\.1 20[01] /.test(answer)) results.latencies.push(performance.now() - begin);
    else {
      results.failures++;
      results.firstFailure ||= answer;
    }
    if (order.pause !== undefined) await setTimeout(order.pause);
  }
  socket.destroy();
}

/** One request, one whole response; resolves with its beginning. */
function exchange(socket: Socket, request: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = 0;
    let expected = -1;
    let head = '';
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      if (expected < 0) {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        expected = end + 4 + Number(/content-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? Number.NaN);
        if (Number.isNaN(expected)) expected = head.includes('0\r\n\r\n', end) ? received : -1;
      }
      if (received >= expected && expected >= 0) {
        socket.off('data', onData).off('error', reject).off('close', onClose);
        resolve(head.slice(0, 600));
      }
    };
    const onClose = (): void => {
      reject(new Error('the server closed the connection'));
    };
    socket.on('data', onData).once('error', reject).once('close', onClose);
    socket.write(request);
  });
}

async function measure(order: Order): Promise<LoadMeasurement> {
  const requests = requestsOf(order);
  const begin = performance.now();
  const results: Results = {
    until: begin + order.seconds * 1000,
    latencies: [],
    failures: 0,
    firstFailure: '',
  };
  await Promise.all(Array.from({ length: order.connections }, () => drive(order, requests, results)));
  const sorted = results.latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? -1;
  const { failures, firstFailure } = results;
  const seconds = (performance.now() - begin) / 1000;
  return {
    certificates: sorted.length,
    failures,
    firstFailure,
    seconds,
    p50: at(0.5),
    p99: at(0.99),
    slowest: at(1),
  };
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line) as Order))}\n`);
}
