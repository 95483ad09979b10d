/**
 * Ed25519 public keys that are none (RFC 8032 §5.1). For a point of small order anybody can make signatures that hold,
 * for any text; OpenSSL before 3.5, and so Node 22, takes them. And a number beyond the field's prime is a second
 * spelling of another key.
 */
import { fromHex, toHex } from './bytes.ts';

const LENGTH = 32;

/** 2^255 − 19, little-endian. */
const PRIME = fromHex(`ed${'ff'.repeat(30)}7f`);

/** The y coordinates of the eight points whose order divides 8: that of order 4 (two points), 1, 2, and 8 (four). */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '00'.repeat(LENGTH),
  `01${'00'.repeat(LENGTH - 1)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

/** What is wrong with the raw key, as the end of a sentence that begins with "an Ed25519 key"; undefined when nothing
 * is. Whether there is a point of that coordinate is checked where the key is imported. */
export function ed25519Fault(key: Uint8Array): string | undefined {
  if (key.length !== LENGTH) return 'has 32 bytes';
  const y = Uint8Array.from(key);
  y[LENGTH - 1] = (key[LENGTH - 1] ?? 0) & 0x7f;
  if (!isBelow(y, PRIME)) return 'has one spelling only';
  return SMALL_ORDER.has(toHex(y)) ? 'must not be a point of small order' : undefined;
}

/** Both little-endian and of one length. */
function isBelow(value: Uint8Array, bound: Uint8Array): boolean {
  for (let i = LENGTH - 1; i >= 0; i--) {
    const difference = (value[i] ?? 0) - (bound[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
