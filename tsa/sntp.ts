/**
 * One question to a time server (SNTP, RFC 4330): how far the clock is from that of the server. The answer is not
 * authenticated; what is random in the question keeps out who cannot see it.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Clock } from '../core/clock.ts';

/** What a server said. */
export interface TimeAnswer {
  /** Milliseconds by which the clock is behind the server; negative where it is ahead. */
  readonly offset: number;
  /** Milliseconds that question and answer took on their way: the offset is known to half of that. */
  readonly delay: number;
}

const SIZE = 48;
/** Leap indicator 0, version 4, mode 3 (client). */
const QUESTION = 0x23;
const SERVER_MODE = 4;
/** Seconds from 1900 to 1970. */
const NTP_EPOCH = 2_208_988_800;
/** Era 0 of NTP ends in 2036; what has the top bit clear is of era 1. */
const ERA = 2 ** 32;

/** Seconds by which a server may be off from what it has its time of (half the root delay and the root dispersion), as chrony has it. */
const MAX_DISTANCE = 3;
/** Milliseconds by which two clocks may differ over one exchange. */
const HELD_SLACK = 100;

/** Where a time server listens. */
export interface TimeServer {
  /** Host name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Asks a server. Rejects with an Error that says why there is no answer. `timeoutMs` begins when its address is known. */
export async function askTimeServer(
  { host, port }: TimeServer,
  clock: Clock,
  timeoutMs: number,
): Promise<TimeAnswer> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    return await exchange(socket, { address, port }, clock, timeoutMs);
  } finally {
    socket.removeAllListeners();
    // What comes afterwards is nobody's.
    socket.on('error', () => undefined);
    socket.close();
  }
}

function exchange(
  socket: Socket,
  server: { readonly address: string; readonly port: number },
  clock: Clock,
  timeoutMs: number,
): Promise<TimeAnswer> {
  const question = Buffer.alloc(SIZE);
  question[0] = QUESTION;
  // In place of the own time, which is nobody's business: the server sends it back.
  const cookie = randomBytes(8);
  question.set(cookie, 40);
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(why));
    };
    const timer = setTimeout(() => {
      fail('it did not answer in time');
    }, timeoutMs);
    socket.on('error', (error) => {
      fail(error.message);
    });
    let sent = NaN;
    socket.on('message', (message) => {
      const received = clock();
      // Somebody else's, or somebody's guess.
      if (message.length < SIZE || !message.subarray(24, 32).equals(cookie)) return;
      const fault = faultOf(message) ?? faultOfTimes(message, received - sent);
      if (fault !== undefined) {
        fail(fault);
        return;
      }
      clearTimeout(timer);
      resolve(answerOf(message, sent, received));
    });
    // Connected, so that datagrams of others do not arrive and a refusal does.
    socket.connect(server.port, server.address, () => {
      sent = clock();
      socket.send(question);
    });
  });
}

function faultOf(message: Buffer): string | undefined {
  const first = message.readUInt8(0);
  const stratum = message.readUInt8(1);
  if ((first & 7) !== SERVER_MODE) return 'what answered is no time server';
  return first >> 6 === 3 || stratum === 0 || stratum > 15 ? 'it has no time itself' : undefined;
}

/** What RFC 4330 §5 and RFC 5905 §7.3 have a client discard. `elapsed`: milliseconds from the question to the answer. */
function faultOfTimes(message: Buffer, elapsed: number): string | undefined {
  // Read as a time, zero would be the first moment of the next era, in 2036.
  if (isUnset(message, 32) || isUnset(message, 40)) return 'it left its time out';
  const distance = shortTime(message, 4) / 2 + shortTime(message, 8);
  if (distance > MAX_DISTANCE) return `its own time may be off by ${distance.toFixed(1)} s`;
  const held = ntpTime(message, 40) - ntpTime(message, 32);
  if (held < 0) return 'it says that it answered before it was asked';
  return held > elapsed + HELD_SLACK ? 'it says that it took longer than its answer did' : undefined;
}

const isUnset = (message: Buffer, at: number): boolean => message.readBigUInt64BE(at) === 0n;

/** Seconds of the four octets there, of which two are a fraction. */
const shortTime = (message: Buffer, at: number): number => message.readUInt32BE(at) / 2 ** 16;

function answerOf(message: Buffer, sent: number, received: number): TimeAnswer {
  const [arrived, left] = [ntpTime(message, 32), ntpTime(message, 40)];
  return {
    offset: (arrived - sent + (left - received)) / 2,
    delay: Math.max(0, received - sent - (left - arrived)),
  };
}

/** Milliseconds since the epoch of the eight octets there. */
function ntpTime(message: Buffer, at: number): number {
  const seconds = message.readUInt32BE(at);
  const era = seconds < ERA / 2 ? ERA : 0;
  return (seconds + era - NTP_EPOCH) * 1000 + (message.readUInt32BE(at + 4) / ERA) * 1000;
}
