import { randomFillSync } from 'node:crypto';
import { toHex } from '../core/bytes.ts';

/** Octets of a serial number: as many as RFC 5280 allows. */
const SIZE = 20;
const POOLED = 256;

/** A source of serial numbers: 20 random bytes with the top bit cleared, so that they are positive, and never zero.
 * Drawn from a pool that `fill` makes random: one call of the generator for each number would cost more than the
 * number's certificate template. What was used is wiped, so that no number can come twice. */
export function serialSource(fill: (pool: Uint8Array) => void): () => Uint8Array {
  const pool = Buffer.alloc(SIZE * POOLED);
  let used = POOLED;
  const next = (): Uint8Array => {
    if (used === POOLED) {
      fill(pool);
      used = 0;
    }
    const start = used++ * SIZE;
    const serial = Uint8Array.prototype.slice.call(pool, start, start + SIZE);
    pool.fill(0, start, start + SIZE);
    serial[0] = (serial[0] ?? 0) & 0x7f;
    return serial.some((byte) => byte !== 0) ? serial : next();
  };
  return next;
}

/** A new serial number from the system's generator. */
export const newSerial = serialSource(randomFillSync);

/** Lower-case hexadecimal of a serial as certificates show it: without leading zero bytes. */
export const serialHex = (serial: Uint8Array): string => toHex(serial).replace(/^(?:00)+(?=..)/, '');
