import { expect } from 'chai';
import { ed25519Fault } from '../../core/ed25519-point.ts';
import { generateKeyPairSync } from 'node:crypto';

/** The curve by its definition (RFC 8032 §5.1), in affine coordinates and large numbers. */
const P = 2n ** 255n - 19n;
/** The order of the subgroup that keys are from. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (a: bigint): bigint => ((a % P) + P) % P;
const power = (base: bigint, exponent: bigint): bigint => {
  let [out, factor] = [1n, mod(base)];
  for (let e = exponent; e > 0n; e >>= 1n) {
    if ((e & 1n) === 1n) out = mod(out * factor);
    factor = mod(factor * factor);
  }
  return out;
};
const inverse = (a: bigint): bigint => power(a, P - 2n);
const D = mod(-121665n * inverse(121666n));
type Point = readonly [x: bigint, y: bigint];
const IDENTITY: Point = [0n, 1n];

function add([x1, y1]: Point, [x2, y2]: Point): Point {
  const product = mod(D * x1 * x2 * y1 * y2);
  const x = mod((x1 * y2 + x2 * y1) * inverse(1n + product));
  return [x, mod((y1 * y2 + x1 * x2) * inverse(mod(1n - product)))];
}

function times(factor: bigint, point: Point): Point {
  let [out, step] = [IDENTITY, point];
  for (let f = factor; f > 0n; f >>= 1n) {
    if ((f & 1n) === 1n) out = add(out, step);
    step = add(step, step);
  }
  return out;
}

/** A point with that y, if there is one. */
function pointOf(y: bigint): Point | undefined {
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n));
  const root = power(square, (P + 3n) / 8n);
  for (const x of [root, mod(root * power(2n, (P - 1n) / 4n))]) if (mod(x * x) === square) return [x, y];
  return undefined;
}

/** `y` as it stands in a key: also one beyond the prime. */
function encoded(y: bigint, isOdd: boolean): Uint8Array {
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = Number((y >> BigInt(8 * i)) & 0xffn);
  if (isOdd) out[31] = (out[31] ?? 0) | 0x80;
  return out;
}

/** All points whose order divides 8: L times any point is one of them. */
function torsion(): Point[] {
  const found = new Map<string, Point>();
  for (let y = 2n; found.size < 8; y++) {
    const point = pointOf(y);
    if (point === undefined) continue;
    let sum = IDENTITY;
    const one = times(L, point);
    for (let i = 0; i < 8; i++) {
      found.set(String(sum), sum);
      sum = add(sum, one);
    }
  }
  return [...found.values()];
}

describe('core/ed25519-point', () => {
  it('takes the keys that OpenSSL makes', () => {
    for (let i = 0; i < 20; i++) {
      const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
      expect(ed25519Fault(Buffer.from(x ?? '', 'base64url'))).to.equal(undefined);
    }
  });

  it('refuses all eight points with which anybody can sign, with either sign', () => {
    const points = torsion();
    expect(points).to.have.length(8);
    for (const point of points) {
      expect(times(8n, point)).to.deep.equal(IDENTITY);
      for (const isOdd of [false, true])
        expect(ed25519Fault(encoded(point[1], isOdd)), String(point)).to.equal(
          'must not be a point of small order',
        );
    }
  });

  it('refuses every second spelling of a key, and takes the last first one', () => {
    for (let y = P; y < 2n ** 255n; y++)
      for (const isOdd of [false, true])
        expect(ed25519Fault(encoded(y, isOdd))).to.equal('has one spelling only');
    expect(ed25519Fault(encoded(P - 2n, false))).to.equal(undefined);
    expect(ed25519Fault(encoded(2n, true))).to.equal(undefined);
  });

  it('refuses what has another length', () => {
    for (const length of [0, 31, 33, 57])
      expect(ed25519Fault(new Uint8Array(length))).to.equal('has 32 bytes');
  });
});
