/** The settings of sessions of HTTP/2, and the limits that the runtime holds by itself. */
import type { ServerOptions, Settings } from 'node:http2';
import { LIMITS } from './frame-meter.ts';

/** Requests of one connection under way, and those whose answer is not read, as over HTTP/1; and of one on which a certificate was issued. A
 * client queues what is beyond. */
export const MAX_STREAMS = { unproven: 8, proven: 32, proxied: 128 } as const;

/** Bytes of the headers of one request, when they are uncompressed, with 32 for each (RFC 9113 §6.5.2): a token of 32 KiB may be among
 * them. */
const MAX_HEADER_BYTES = 48 * 1024;

/** Headers of one request. A call has ten, and some more behind proxies. */
const MAX_HEADERS = 64;

const SETTINGS: Settings = {
  maxConcurrentStreams: MAX_STREAMS.unproven,
  maxHeaderListSize: MAX_HEADER_BYTES,
  enablePush: false,
};

/** For the connection of one client. */
export const OPTIONS: ServerOptions = {
  settings: SETTINGS,
  maxHeaderListPairs: MAX_HEADERS,
  // In megabytes, what one session may hold of heads and answers that are not sent.
  maxSessionMemory: 4,
  maxSessionInvalidFrames: 32,
  maxSessionRejectedStreams: 32,
  // Beneath the meter, for what a client has the runtime reset.
  streamResetBurst: 100,
  streamResetRate: 10,
};

/** For the connection of a trusted proxy: what one client has refused or takes back says nothing about the others. */
export const PROXIED_OPTIONS: ServerOptions = {
  ...OPTIONS,
  settings: { ...SETTINGS, maxConcurrentStreams: MAX_STREAMS.proxied },
  maxSessionMemory: 16,
  maxSessionRejectedStreams: 1_000_000,
  streamResetBurst: LIMITS.proxied.capacity,
  streamResetRate: LIMITS.proxied.perSecond,
};
