/** Known weaknesses of RSA moduli that show in the public key alone. */

import { toHex } from './bytes.ts';

/** A weakness: what is said of a key that has it, and the test. */
type Weakness = readonly [reason: string, present: (modulus: bigint) => boolean];

/** The first weakness of the modulus (unsigned, big-endian), as the end of a sentence that begins with "the key";
 * undefined if none is known. Takes some 0.2 ms for 2,048 bits and 1 ms for 8,192; a modulus from outside is to be no longer. {@link smallFactor} and a test for
 * being a prime find more and take longer. */
export function rsaWeakness(modulus: Uint8Array): string | undefined {
  const n = toBigInt(modulus);
  return WEAKNESSES.find(([, present]) => present(n))?.[0];
}

/** A prime factor of the modulus (unsigned, big-endian) below 65,536. Takes some 0.7 ms. */
export function smallFactor(modulus: Uint8Array): number | undefined {
  const n = toBigInt(modulus);
  for (const { product, parts } of (sieve ??= makeSieve())) {
    const residue = n % product;
    for (const part of parts) {
      const rest = Number(residue % part.product);
      const found = part.primes.find((prime) => rest % prime === 0);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x0${toHex(bytes)}`);

/** Primes whose product a number holds exactly. */
interface Part {
  readonly product: bigint;
  readonly primes: readonly number[];
}

/** Parts together: one division of a long number for some seventy primes. */
interface Sieve {
  readonly product: bigint;
  readonly parts: readonly Part[];
}

const MAX_SMALL = 65_536;
const PARTS = 24;
let sieve: readonly Sieve[] | undefined;

function makeSieve(): Sieve[] {
  const parts: Part[] = [];
  let [product, primes]: [number, number[]] = [1, []];
  for (const prime of primesBelow(MAX_SMALL)) {
    if (product * prime > Number.MAX_SAFE_INTEGER) {
      parts.push({ product: BigInt(product), primes });
      [product, primes] = [1, []];
    }
    product *= prime;
    primes.push(prime);
  }
  parts.push({ product: BigInt(product), primes });
  return Array.from({ length: Math.ceil(parts.length / PARTS) }, (_, i) => {
    const some = parts.slice(i * PARTS, (i + 1) * PARTS);
    return { product: some.reduce((all, part) => all * part.product, 1n), parts: some };
  });
}

function primesBelow(limit: number): number[] {
  const composite = new Uint8Array(limit);
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) {
    if (composite[n] === 1) continue;
    primes.push(n);
    for (let multiple = n * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  return primes;
}

/** What moduli are compared with. */
interface Tables {
  /** The primes below 752. */
  readonly primes: readonly number[];
  readonly primorial: bigint;
  /** The 38 odd primes up to 167, each with the residues that powers of 65537 reach. */
  readonly rocaResidues: readonly (readonly [prime: number, reached: ReadonlySet<number>])[];
  /** Squares modulo 64 and modulo 45045 = 3²·5·7·11·13 are rare: two cheap looks spare almost every root. */
  readonly squares64: ReadonlySet<number>;
  readonly squares45045: ReadonlySet<number>;
}

let made: Tables | undefined;

/** Made for the first RSA key: that takes milliseconds, and many a process sees none. */
const tables = (): Tables => (made ??= makeTables());

function makeTables(): Tables {
  const primes = primesBelow(752);
  return {
    primes,
    primorial: primes.reduce((product, prime) => product * BigInt(prime), 1n),
    rocaResidues: primes
      .filter((prime) => prime > 2 && prime <= 167)
      .map((prime) => [prime, powersModulo(prime)]),
    squares64: squaresModulo(64),
    squares45045: squaresModulo(45045),
  };
}

function powersModulo(prime: number): Set<number> {
  const reached = new Set<number>();
  for (let power = 1; !reached.has(power); power = (power * 65537) % prime) reached.add(power);
  return reached;
}

const squaresModulo = (modulus: number): Set<number> =>
  new Set(Array.from({ length: modulus }, (_, i) => (i * i) % modulus));

const hasSmallFactor = (n: bigint): boolean => {
  const { primes, primorial } = tables();
  const residue = n % primorial;
  return primes.some((prime) => residue % BigInt(prime) === 0n);
};

/** The fingerprint of the "Return of Coppersmith's attack" (CVE-2017-15361): primes of the form
 * k·M + (65537^a mod M) leave a modulus that is a power of 65537 modulo every small prime. */
const hasRocaFingerprint = (n: bigint): boolean => {
  const { primorial, rocaResidues } = tables();
  const residue = n % primorial;
  return rocaResidues.every(([prime, reached]) => reached.has(Number(residue % BigInt(prime))));
};

const FERMAT_ROUNDS = 100;

/** Fermat's factorisation finds prime factors that lie close together: n = a² − b² with a just above √n. */
const hasCloseFactors = (n: bigint): boolean => {
  let a = squareRoot(n);
  if (a * a < n) a++;
  let difference = a * a - n;
  for (let round = 0; round < FERMAT_ROUNDS; round++) {
    if (isSquare(difference)) return true;
    difference += 2n * a + 1n;
    a++;
  }
  return false;
};

/** ⌊√n⌋ by Newton's method from above. */
function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let guess = 1n << BigInt(Math.ceil(n.toString(16).length * 2));
  for (;;) {
    const next = (guess + n / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

function isSquare(n: bigint): boolean {
  const { squares64, squares45045 } = tables();
  if (!squares64.has(Number(n & 63n)) || !squares45045.has(Number(n % 45045n))) return false;
  const root = squareRoot(n);
  return root * root === n;
}

const WEAKNESSES: readonly Weakness[] = [
  ['has a modulus with a prime factor below 752', (n) => hasSmallFactor(n)],
  ['was made by a generator with the ROCA weakness (CVE-2017-15361)', (n) => hasRocaFingerprint(n)],
  ['has prime factors that lie too close together', (n) => hasCloseFactors(n)],
];
