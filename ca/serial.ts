import { randomFillSync } from 'node:crypto';
import { toHex } from '../core/bytes.ts';

/** Octets of a serial number: as many as RFC 5280 allows. */
const SIZE = 20;
const POOLED = 256;
const pool = Buffer.alloc(SIZE * POOLED);
let used = POOLED;

/** A new serial number: 20 random bytes with the top bit cleared, so that it is positive, and never zero. Drawn from
 * a pool: one call of the generator for each number would cost more than the number's certificate template. */
export function newSerial(): Uint8Array {
  if (used === POOLED) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used++ * SIZE;
  const serial = Uint8Array.prototype.slice.call(pool, start, start + SIZE);
  pool.fill(0, start, start + SIZE);
  serial[0] = (serial[0] ?? 0) & 0x7f;
  return serial.some((byte) => byte !== 0) ? serial : newSerial();
}

/** Lower-case hexadecimal of a serial as certificates show it: without leading zero bytes. */
export const serialHex = (serial: Uint8Array): string => toHex(serial).replace(/^(?:00)+(?=..)/, '');
