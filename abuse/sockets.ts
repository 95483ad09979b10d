/** What attackers do with connections. Plain TCP, because HTTP clients are too polite. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What an attacker does with one connection. */
export type Behaviour = (socket: Socket) => Promise<void> | void;

let noteArrival: () => void = () => undefined;

/** Resolves when as many connections as an attack keeps have sent all that they were to send, or were closed for it. Of a process that makes one
 * attack. */
export const arrival = new Promise<void>((resolve) => {
  noteArrival = resolve;
});

/** Keeps `count` connections to `url` open until `until`: when one ends, another begins, at most `perSecond` of them. */
export async function keepOpen(
  url: string,
  { count, perSecond = 1000 }: { readonly count: number; readonly perSecond?: number },
  until: AbortSignal,
  behave: Behaviour,
): Promise<void> {
  const { hostname, port } = new URL(url);
  let missing = count;
  const noteSent = (): void => {
    if (--missing === 0) noteArrival();
  };
  const place = async (): Promise<void> => {
    while (!until.aborted) {
      await pace(perSecond);
      await oneConnection(Number(port), hostname, until, behave, noteSent);
    }
  };
  await Promise.all(Array.from({ length: count }, place));
}

/** Attackers have one address, and honest clients another: capacity for reading is shared by it. Of Linux' loopback
 * network every address can be used. */
const FROM = '127.0.0.2';
const isOwnLoopback = (host: string): boolean => process.platform === 'linux' && host.startsWith('127.');

let nextStart = 0;

/** Limits the rate of new connections. */
async function pace(perSecond: number): Promise<void> {
  const now = performance.now();
  nextStart = Math.max(now, nextStart + 1000 / perSecond);
  await sleep(nextStart - now);
}

async function oneConnection(
  port: number,
  host: string,
  until: AbortSignal,
  behave: Behaviour,
  noteSent: () => void,
): Promise<void> {
  const socket = connect({
    port,
    host,
    noDelay: true,
    ...(isOwnLoopback(host) ? { localAddress: FROM } : {}),
  });
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  socket.on('error', () => undefined);
  const end = (): void => {
    socket.destroy();
  };
  until.addEventListener('abort', end);
  try {
    const connected = await Promise.race([
      new Promise((resolve) =>
        socket.once('connect', () => {
          resolve(true);
        }),
      ),
      ended,
    ]);
    if (connected === true) {
      await behave(socket);
      while (socket.writableLength > 0 && !socket.destroyed) await sleep(20);
      noteSent();
    }
    await ended;
  } finally {
    until.removeEventListener('abort', end);
    socket.destroy();
  }
}

/** Sends, and never reads an answer: what the service sends stays in the buffers between. */
export const sendUnread = (socket: Socket, bytes: Buffer): void => {
  socket.pause();
  socket.write(bytes);
};

/** Reads of a connection that is paused `bytes` each `ms`, as long as it is there. */
export async function readSlowly(socket: Socket, bytes: number, ms: number): Promise<void> {
  while (!socket.destroyed) {
    socket.read(bytes);
    await sleep(ms);
  }
}

/** Sends one request after the other, each when the one before was answered; or `count` at once in `request`. */
export function inTurn(socket: Socket, request: Buffer, count = 1): void {
  let due = count;
  let head = '';
  let left: number | undefined;
  const take = (chunk: Buffer): void => {
    if (left !== undefined) left -= chunk.length;
    else {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [, length = '0'] = /content-length: *(\d+)/i.exec(head.slice(0, end)) ?? [];
      left = end + 4 + Number(length) - head.length;
    }
    if (left > 0) return;
    // What came behind this answer begins the next.
    const rest = chunk.subarray(chunk.length + left);
    [head, left] = ['', undefined];
    if (--due === 0) {
      due = count;
      socket.write(request);
    }
    if (rest.length > 0) take(rest);
  };
  socket.on('data', take);
  socket.write(request);
}

/** Writes `piece` again and again, one each `ms`, so many times or for ever. */
export async function trickle(
  socket: Socket,
  piece: string | Buffer,
  ms: number,
  times = Number.POSITIVE_INFINITY,
): Promise<void> {
  for (let i = 0; i < times && !socket.destroyed; i++) {
    socket.write(piece);
    await sleep(ms);
  }
}
