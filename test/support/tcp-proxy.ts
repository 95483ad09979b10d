import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What becomes of the bytes of one direction. */
export type Passage = 'pass' | 'silence' | 'late' | 'cut' | 'twice' | 'again';

/** Milliseconds by which `late` holds bytes back. */
const LATE_MS = 400;

/** What a proxy does at the moment. `cut`: every connection ends as soon as there are bytes that way, which do not arrive; new ones, too. `twice`: the next bytes that way
 * arrive twice, once. `again`: they arrive once more right before the bytes that follow them, once. `silence`: bytes that way are kept, and arrive when it passes again. `late`: they arrive a while later, in their order. */
export interface Passages {
  readonly requests: Passage;
  readonly answers: Passage;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Of both directions, what has not arrived yet. */
  readonly kept: Record<keyof Passages, Buffer[]>;
  /** Of both directions, what arrives once more before what comes next. */
  readonly again: Record<keyof Passages, Buffer | undefined>;
  isAnswered: boolean;
}

/** A network on loopback to a port there, which fails as a test wants it. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #target: number;
  #passages: Passages = { requests: 'pass', answers: 'pass' };
  /** Bytes that went each way. */
  readonly passed = { requests: 0, answers: 0 };
  /** How often a client asked after an answer: the trips to the server, however much is asked at once. */
  trips = 0;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      const pair: Pair = {
        client,
        server: connect(this.#target, '127.0.0.1'),
        kept: { requests: [], answers: [] },
        again: { requests: undefined, answers: undefined },
        isAnswered: true,
      };
      this.#pairs.add(pair);
      for (const socket of [client, pair.server]) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#end(pair);
        });
      }
      client.on('data', (bytes) => {
        this.#pass(pair, 'requests', bytes);
      });
      pair.server.on('data', (bytes) => {
        this.#pass(pair, 'answers', bytes);
      });
    });
  }

  static async to(target: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target);
  }

  /** Another server is behind it from now on: connections end, and new ones lead to that port. */
  retarget(port: number): void {
    this.#target = port;
    for (const pair of this.#pairs) this.#end(pair);
  }

  /** From now on; what was kept goes on where it passes again. */
  set(passages: Partial<Passages>): void {
    this.#passages = { requests: 'pass', answers: 'pass', ...passages };
    for (const pair of this.#pairs)
      for (const way of ['requests', 'answers'] as const)
        if (!isHeld(this.#passages[way]))
          for (const bytes of pair.kept[way].splice(0)) this.#pass(pair, way, bytes);
  }

  #pass(pair: Pair, way: keyof Passages, bytes: Buffer): void {
    const passage = this.#passages[way];
    if (passage === 'cut') {
      this.#end(pair);
      return;
    }
    if (isHeld(passage)) {
      pair.kept[way].push(bytes);
      if (passage === 'late')
        setTimeout(() => {
          const due = pair.kept[way].shift();
          if (due !== undefined && this.#pairs.has(pair)) this.#arrive(pair, way, due);
        }, LATE_MS).unref();
      return;
    }
    const again = pair.again[way];
    pair.again[way] = undefined;
    this.#arrive(pair, way, again === undefined ? bytes : Buffer.concat([again, bytes]));
    if (passage !== 'twice' && passage !== 'again') return;
    if (passage === 'twice') this.#arrive(pair, way, bytes);
    else pair.again[way] = bytes;
    this.#passages = { ...this.#passages, [way]: 'pass' };
  }

  #arrive(pair: Pair, way: keyof Passages, bytes: Buffer): void {
    const to = way === 'requests' ? pair.server : pair.client;
    this.passed[way] += bytes.length;
    if (way === 'requests' && pair.isAnswered) this.trips++;
    pair.isAnswered = way === 'answers';
    to.write(bytes);
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) this.#end(pair);
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Whether bytes do not go on at once. */
const isHeld = (passage: Passage): boolean => passage === 'silence' || passage === 'late';
