/** Chain certificates: the CA certificates that entries refer to by hash. They are served before the first entry names
 * them. */
import { concat, equalBytes, toHex } from '../core/bytes.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { LogError } from '../tlog/core/log-error.ts';
import type { CompanionFiles } from '../tlog/log-kind.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TileStore } from '../tlog/store/tile-store.ts';

/** Folder of the certificates, by static-ct-api. */
export const CHAIN_FOLDER = 'issuer';

/** Path of the certificate with that hash, inside a log. */
export const chainCertificatePath = (hex: string): string => `${CHAIN_FOLDER}/${hex}`;

/** The chain of the CA whose certificates a log takes, and the certificates above those that others hand in. */
export class ChainCertificates implements CompanionFiles {
  readonly folder = CHAIN_FOLDER;
  readonly #files: { readonly path: string; readonly certificate: Uint8Array }[];
  readonly #fingerprints: Uint8Array;
  readonly #known: Set<string>;
  /** Of the log, once its own chain is there. */
  #tiles: TileStore | undefined;

  /** DER, issuing CA first, root last. */
  constructor(chain: readonly Uint8Array[]) {
    const hashes = chain.map(sha256);
    const names = hashes.map(toHex);
    this.#files = chain.map((certificate, i) => ({
      path: chainCertificatePath(names[i] ?? ''),
      certificate,
    }));
    this.#fingerprints = concat(hashes);
    this.#known = new Set(names);
  }

  /** Whether every certificate of the chain (n × 32 bytes, at least one) is one of these. */
  knows(fingerprints: Uint8Array): boolean {
    return equalBytes(fingerprints, this.#fingerprints) || this.#knowsEach(fingerprints);
  }

  #knowsEach(hashes: Uint8Array): boolean {
    if (hashes.length === 0 || hashes.length % HASH_LENGTH !== 0) return false;
    for (let at = 0; at < hashes.length; at += HASH_LENGTH)
      if (!this.#known.has(toHex(hashes.subarray(at, at + HASH_LENGTH)))) return false;
    return true;
  }

  async inspect(tiles: TileStore): Promise<void> {
    for (const { path, certificate } of this.#files) {
      const there = await tiles.get(path);
      if (there === undefined || equalBytes(there, certificate)) continue;
      throw new LogError('LOG_CORRUPT', `${path} is damaged: it is not the certificate of its name`, {
        hint: 'Nothing was changed. Move that file away and start again: it is written anew from the chain of the CA.',
      });
    }
  }

  async store(tiles: TileStore): Promise<void> {
    this.#tiles = tiles;
    for (const { path, certificate } of this.#files) await tiles.put(path, certificate);
  }

  /** Makes a certificate of another CA durable: entries may name it from then on. Only once the log is open. Throws LogError as its store does; then nothing changed,
   * and it can be tried again. */
  async admit(certificate: Uint8Array): Promise<void> {
    const name = toHex(sha256(certificate));
    if (this.#known.has(name)) return;
    if (this.#tiles === undefined) throw new TypeError('the log is not open');
    await this.#tiles.put(chainCertificatePath(name), certificate);
    this.#known.add(name);
  }
}
