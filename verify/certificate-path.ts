/** The way from a leaf to a trusted root (RFC 5280 §6.1), by names and signatures. */
import { equalBytes } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { rsaWeakness } from '../core/rsa-weakness.ts';
import { SIGNATURE_SCHEMES } from '../core/signature-algorithm.ts';
import { checkAuthority, checkValidity } from './certificate-rules.ts';
import type { VerifyCrypto } from './crypto.ts';
import type { PreparedTrust } from './trust.ts';
import { refused, VerifyError } from './verify-error.ts';

const MIN_RSA_BITS = 2048;
const EMPTY_NAME_LENGTH = 2;

/** The CA certificates above `leaf` at `time` (milliseconds), issuing CA first, root last. Throws a refusal with the
 * reason why the most promising way ended when there is none. */
export async function findPath(
  leaf: Certificate,
  trust: PreparedTrust,
  time: number,
  crypto: VerifyCrypto,
): Promise<ValidPath> {
  checkValidity(leaf, time, 'the certificate');
  const search = new PathSearch(trust, time, crypto);
  const path = await search.from(leaf);
  if (path !== undefined) return path;
  throw search.reason ?? refused(`no trusted CA is named "${describeName(leaf.issuer)}"`);
}

/** The CA certificates above a leaf, issuing CA first, root last; at least the root. */
export type ValidPath = readonly [...intermediates: Certificate[], root: Certificate];

/** Goes up one CA at a time on all ways at once, and to each intermediate by its shortest way only: with fewer CAs below
 * it, it allows no less. So the work is bounded by the square of the number of CAs, also where they sign each other. */
class PathSearch {
  /** For each number of CAs that were passed, why the first way ended there. */
  readonly #reasons: (VerifyError | FormatError | undefined)[] = [];
  readonly #trust: PreparedTrust;
  readonly #time: number;
  readonly #crypto: VerifyCrypto;

  constructor(trust: PreparedTrust, time: number, crypto: VerifyCrypto) {
    this.#trust = trust;
    this.#time = time;
    this.#crypto = crypto;
  }

  /** Why the way that led furthest ended. */
  get reason(): VerifyError | FormatError | undefined {
    return this.#reasons.findLast((reason) => reason !== undefined);
  }

  /** The shortest path from `leaf` to a root. */
  async from(leaf: Certificate): Promise<ValidPath | undefined> {
    const unused = new Set(this.#trust.intermediates);
    for (let ways: readonly Certificate[][] = [[]]; ways.length > 0;) {
      const further: Certificate[][] = [];
      for (const way of ways) {
        const child = way.at(-1) ?? leaf;
        for (const root of this.#trust.roots)
          if (await this.#accepts(root, child, way.length)) return [...way, root];
        for (const intermediate of unused) {
          if (!(await this.#accepts(intermediate, child, way.length))) continue;
          unused.delete(intermediate);
          further.push([...way, intermediate]);
        }
        if (way.length > 0)
          this.#reasons[way.length] ??= refused(`no trusted root is named "${describeName(child.issuer)}"`);
      }
      ways = further;
    }
    return undefined;
  }

  async #accepts(authority: Certificate, child: Certificate, below: number): Promise<boolean> {
    if (!equalBytes(authority.subject, child.issuer)) return false;
    try {
      await checkSignature(child, authority, this.#crypto);
      checkAuthority(authority, below, this.#time);
      return true;
    } catch (error) {
      if (!(error instanceof VerifyError) && !(error instanceof FormatError)) throw error;
      this.#reasons[below] ??= error;
      return false;
    }
  }
}

/** Throws a refusal unless `authority` signed `child`. */
async function checkSignature(
  child: Certificate,
  authority: Certificate,
  crypto: VerifyCrypto,
): Promise<void> {
  if (authority.subject.length <= EMPTY_NAME_LENGTH) throw refused('a CA has an empty name');
  const who = `the CA "${describeName(authority.subject)}"`;
  const scheme = SIGNATURE_SCHEMES.get(child.signatureAlgorithm);
  if (scheme === undefined) {
    throw refused(`a certificate is signed by the unknown or weak algorithm ${child.signatureAlgorithm}`);
  }
  const key = parsePublicKey(authority.spki);
  if (key.type !== scheme.keyType) throw refused(`the key of ${who} does not fit the signature below it`);
  if (key.type === 'rsa' && key.bits < MIN_RSA_BITS) throw refused(`the key of ${who} is too short`);
  const weakness = key.type === 'rsa' ? rsaWeakness(key.modulus) : undefined;
  if (weakness !== undefined) throw refused(`the key of ${who} ${weakness}`);
  if (!(await crypto.verify(scheme, authority.spki, child.tbs, child.signature))) {
    throw refused(`the signature of ${who} over a certificate does not hold`);
  }
}
