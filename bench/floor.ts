/**
 * The floor: what the unavoidable cryptography of one certificate costs in raw OpenSSL on one core. Token signature,
 * proof, three P-256 signatures (precertificate, SCT, certificate) and SHA-256 over the 7.6 KB that are hashed on the
 * way. Everything that a CA does besides is its own doing.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, hash, sign, verify } from 'node:crypto';
import type { TokenAlgorithm } from './corpus.ts';
import { median, pinned } from './process.ts';

/** Microseconds per operation. */
export interface RawCosts {
  readonly source: string;
  readonly p256Sign: number;
  readonly p256Verify: number;
  readonly rsa2048Verify: number;
  readonly sha256PerKilobyte: number;
}

const HASHED_KILOBYTES = 7.6;

/** Measures with `openssl speed`, or through node:crypto (slower, so a lower floor) when that program is missing. */
export function measureRawCosts(core: number, seconds: number): RawCosts {
  try {
    return fromOpenssl(core, seconds);
  } catch {
    return fromNode();
  }
}

/** The median of several measurements, made between those of the systems: the machine drifts. */
export function medianCosts(all: readonly RawCosts[]): RawCosts {
  const of = (pick: (costs: RawCosts) => number): number => median(all.map(pick));
  return {
    source: all[0]?.source ?? '',
    p256Sign: of((costs) => costs.p256Sign),
    p256Verify: of((costs) => costs.p256Verify),
    rsa2048Verify: of((costs) => costs.rsa2048Verify),
    sha256PerKilobyte: of((costs) => costs.sha256PerKilobyte),
  };
}

/** Certificates per second that the floor allows on one core. */
export function floorOf(costs: RawCosts, algorithm: TokenAlgorithm): number {
  const token = algorithm === 'RS256' ? costs.rsa2048Verify : costs.p256Verify;
  const hashing = HASHED_KILOBYTES * costs.sha256PerKilobyte;
  return 1e6 / (token + costs.p256Verify + 3 * costs.p256Sign + hashing);
}

function fromOpenssl(core: number, seconds: number): RawCosts {
  const speed = (...what: string[]): string[] => {
    const [command, ...args] = pinned(core, [
      'openssl',
      'speed',
      '-mr',
      '-seconds',
      String(seconds),
      ...what,
    ]);
    const out = execFileSync(command ?? '', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return out.split('\n').filter((line) => line.startsWith('+F'));
  };
  // Machine-readable rows: "+F4:3:256:<signs/s>:<verifies/s>", RSA "+F2:…" alike, digests "+F:25:sha256:<bytes/s>".
  const ecdsa =
    speed('ecdsap256')
      .find((line) => line.startsWith('+F4'))
      ?.split(':') ?? [];
  const rsa =
    speed('rsa2048')
      .find((line) => line.startsWith('+F2'))
      ?.split(':') ?? [];
  const digest =
    speed('-bytes', '1024', '-evp', 'sha256')
      .find((line) => line.startsWith('+F:'))
      ?.split(':') ?? [];
  const costs = {
    source: execFileSync('openssl', ['version'], { encoding: 'utf8' }).trim(),
    p256Sign: 1e6 / Number(ecdsa[3]),
    p256Verify: 1e6 / Number(ecdsa[4]),
    rsa2048Verify: 1e6 / Number(rsa[4]),
    sha256PerKilobyte: (1e6 * 1024) / Number(digest.at(-1)),
  };
  if (Object.values(costs).some((value) => typeof value === 'number' && !(value > 0 && value < 1e4))) {
    throw new Error('openssl speed printed something unexpected');
  }
  return costs;
}

function fromNode(): RawCosts {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const data = new Uint8Array(1024);
  const ecSignature = sign('sha256', data, ec.privateKey);
  const rsaSignature = sign('sha256', data, rsa.privateKey);
  const microseconds = (run: () => unknown): number => {
    const begin = process.hrtime.bigint();
    let rounds = 0;
    while (process.hrtime.bigint() - begin < 500_000_000n) for (let i = 0; i < 64; i++, rounds++) run();
    return Number(process.hrtime.bigint() - begin) / 1000 / rounds;
  };
  return {
    source: `node:crypto of Node ${process.versions.node} (no openssl program here)`,
    p256Sign: microseconds(() => sign('sha256', data, ec.privateKey)),
    p256Verify: microseconds(() => verify('sha256', data, ec.publicKey, ecSignature)),
    rsa2048Verify: microseconds(() => verify('sha256', data, rsa.publicKey, rsaSignature)),
    sha256PerKilobyte: microseconds(() => hash('sha256', data, 'buffer')),
  };
}
