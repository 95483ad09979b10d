/** Limits on a request, whatever version of HTTP it comes by. */

/** Milliseconds a client may take for a request, head and body together, and for a handshake before its first one. An honest request is a few
 * kilobytes. */
export const REQUEST_TIMEOUT = 10_000;

/** Milliseconds that a client may take nothing of an answer. */
export const SILENCE_TIMEOUT = 60_000;

/** Bytes of one head as it is sent. A token of 32 KiB may travel in a header. */
export const MAX_HEAD = 64 * 1024;
