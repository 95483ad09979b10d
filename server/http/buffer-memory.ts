/** The memory under buffers that were read. The garbage collector does not know how much of it a few small objects hold, and lets hundreds of megabytes pile up. */

/** Bytes of a buffer that is worth freeing at once: more than an honest body has. */
export const LARGER = 12 * 1024;

/** Frees the memory of a buffer of at least so many bytes at once, if nothing else is in it. Nobody may use the buffer any more. */
export function freeMemory({ buffer, length }: Buffer, least = LARGER): void {
  if (length >= least && buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0);
}

/** The bytes in memory of their own. Over HTTP/2 the chunk of a body is a part of all that was read with it, other frames too, which as much as a byte of it would keep: what a body
 * holds is what it counts for. */
export function onItsOwn(chunk: Buffer): Buffer {
  if (chunk.buffer.byteLength === chunk.length) return chunk;
  const copy = Buffer.allocUnsafeSlow(chunk.length);
  copy.set(chunk);
  return copy;
}
