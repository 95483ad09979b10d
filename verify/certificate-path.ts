/** The way from a leaf to a trusted root (RFC 5280 §6.1), by names and signatures. */
import { equalBytes } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey } from '../core/public-key.ts';
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
): Promise<readonly [issuer: Certificate, ...above: Certificate[]]> {
  checkValidity(leaf, time, 'the certificate');
  const search = new PathSearch(trust, time, crypto);
  const path = await search.above(leaf, []);
  if (path !== undefined) return path;
  throw search.reason ?? refused(`no trusted CA is named "${describeName(leaf.issuer)}"`);
}

type Path = readonly [issuer: Certificate, ...above: Certificate[]];

class PathSearch {
  /** Why the first way that led anywhere ended. */
  reason: VerifyError | FormatError | undefined;
  readonly #trust: PreparedTrust;
  readonly #time: number;
  readonly #crypto: VerifyCrypto;

  constructor(trust: PreparedTrust, time: number, crypto: VerifyCrypto) {
    this.#trust = trust;
    this.#time = time;
    this.#crypto = crypto;
  }

  /** A path from `child`, with the CAs of `below` between it and the leaf; each intermediate at most once. */
  async above(child: Certificate, below: readonly Certificate[]): Promise<Path | undefined> {
    for (const root of this.#trust.roots) {
      if (await this.#accepts(root, child, below.length)) return [root];
    }
    for (const intermediate of this.#trust.intermediates) {
      if (below.includes(intermediate) || !(await this.#accepts(intermediate, child, below.length))) continue;
      const rest = await this.above(intermediate, [...below, intermediate]);
      if (rest !== undefined) return [intermediate, ...rest];
      this.reason ??= refused(`no trusted root is named "${describeName(intermediate.issuer)}"`);
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
      this.reason ??= error;
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
  if (!(await crypto.verify(scheme, authority.spki, child.tbs, child.signature))) {
    throw refused(`the signature of ${who} over a certificate does not hold`);
  }
}
