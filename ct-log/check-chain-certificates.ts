import { toHex } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { CheckFailure } from './check-failure.ts';
import { parseCertificate } from '../core/certificate.ts';
import { readCaKey, type CaKey } from './entry-check.ts';
import { isPrecertificateSigner } from './logged-tbs.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';

/** Certificates that a chain may have, and all chains of a log: what a log names is fetched and kept. */
const MAX_CHAIN = 16;
const MAX_CERTIFICATES = 1000;

/** The chain certificates that entries name, each fetched and checked once. */
export class CheckedChainCertificates {
  readonly #source: LogSource;
  readonly #known = new Map<string, CaKey>();

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** How many different ones there were. */
  get count(): number {
    return this.#known.size;
  }

  /** The key of the first certificate of a chain (n × 32 bytes), all of which must be there and hash to their names;
   * undefined when the chain is empty. `locate` says where the fingerprint at an offset of the chain is written.
   * Throws {@link CheckFailure}. */
  async ofChain(fingerprints: Uint8Array, locate: (at: number) => string): Promise<CaKey | undefined> {
    if (fingerprints.length > MAX_CHAIN * HASH_LENGTH)
      throw new CheckFailure(locate(MAX_CHAIN * HASH_LENGTH), `has more than ${MAX_CHAIN} certificates`);
    for (let at = 0; at < fingerprints.length; at += HASH_LENGTH) {
      const hex = toHex(fingerprints.subarray(at, at + HASH_LENGTH));
      if (this.#known.has(hex)) continue;
      if (this.#known.size >= MAX_CERTIFICATES)
        throw new CheckFailure(locate(at), `is the chain certificate beyond ${MAX_CERTIFICATES} others`);
      this.#known.set(hex, await this.#fetch(hex, () => locate(at)));
    }
    const [first, second] = [0, 1].map((place) =>
      this.#known.get(toHex(fingerprints.subarray(place * HASH_LENGTH, (place + 1) * HASH_LENGTH))),
    );
    // It signs in the name of the CA above it.
    const isInTheNameOfOther = first?.precertificateSigner !== undefined && second !== undefined;
    return isInTheNameOfOther ? { ...first, keyHash: second.keyHash } : first;
  }

  async #fetch(hex: string, namedAt: () => string): Promise<CaKey> {
    const path = chainCertificatePath(hex);
    const der = await this.#source.chainCertificate(hex).catch((error: unknown) => {
      if (!(error instanceof LogReadError)) throw error;
      throw new CheckFailure(path, `is missing, but named in ${namedAt()}`);
    });
    const hash = toHex(sha256(der));
    if (hash !== hex) throw new CheckFailure(`${path} at byte 0`, `its SHA-256 is ${hash}, not its name`);
    try {
      const parsed = parseCertificate(der);
      const isForOther = isPrecertificateSigner(parsed);
      return { ...readCaKey(der), ...(isForOther ? { precertificateSigner: parsed } : {}) };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new CheckFailure(`${path} at byte 0`, error.message);
    }
  }
}
