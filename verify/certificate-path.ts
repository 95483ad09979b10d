/** The way from a leaf to a trusted root (RFC 5280 §6.1), by names and signatures. */
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { SIGNATURE_SCHEMES, type SignatureScheme } from '../core/signature-algorithm.ts';
import { checkAuthority, checkValidity, type Purpose } from './certificate-rules.ts';
import type { VerifyCrypto } from './crypto.ts';
import { nameText, publicKeyOf, weaknessOf } from './read-once.ts';
import { authorityKeyId, subjectKeyId } from './standard-extensions.ts';
import type { PreparedTrust } from './trust.ts';
import { refused, VerifyError } from './verify-error.ts';

const EMPTY_NAME_LENGTH = 2;

/** What a path is looked for with. */
export interface PathRequest {
  readonly trust: PreparedTrust;
  /** What came with the leaf: ways to a trusted root, never such a root. */
  readonly presented: readonly Certificate[];
  /** Milliseconds since the epoch, at least one: at each of them every certificate of the path must be valid, and trusted. */
  readonly times: readonly number[];
  /**
   * When the log says that it logged the leaf, if it does: every CA must be trusted then too. Of all times that a certificate of a stolen
   * key carries, it is the only one that is not the thief's to choose.
   */
  readonly loggedAt: number | undefined;
  /** What the CAs must be for; code signing by default. */
  readonly purpose?: Purpose | undefined;
  /** The trusted CA, root or intermediate, that the path must have in it; any path will do without it. */
  readonly through?: Certificate | undefined;
  readonly crypto: VerifyCrypto;
}

/** The CA certificates above `leaf`, issuing CA first, root last. Throws a refusal with the
 * reason why the most promising way ended when there is none. */
export async function findPath(leaf: Certificate, request: PathRequest): Promise<ValidPath> {
  if (request.times.length === 0) throw new RangeError('a path is judged at some time');
  for (const time of request.times) checkValidity(leaf, time, 'the certificate');
  const search = new PathSearch(request);
  const path = await search.from(leaf);
  if (path !== undefined) return path;
  throw search.reason ?? search.unnamed(`no trusted CA is named "${nameText(leaf.issuer)}"`);
}

/** The CA certificates above a leaf, issuing CA first, root last; at least the root. */
export type ValidPath = readonly [...intermediates: Certificate[], root: Certificate];

/** Goes up one CA at a time on all ways at once, and to each intermediate by its shortest way only: with fewer CAs below
 * it, it allows no less. So the work is bounded by the square of the number of CAs, also where they sign each other. */
class PathSearch {
  /** For each number of CAs that were passed, why the most promising way ended there. */
  readonly #ends: (WayEnd | undefined)[] = [];
  readonly #request: PathRequest;

  constructor(request: PathRequest) {
    this.#request = request;
  }

  /** Why the way that led furthest ended. */
  get reason(): VerifyError | FormatError | undefined {
    return this.#ends.findLast((end) => end !== undefined)?.reason;
  }

  /** The refusal for a CA that nothing names: newer trust may. */
  unnamed(sentence: string): VerifyError {
    return refused([sentence, ...this.#request.trust.unusable].join('; '), 'trust');
  }

  /** The shortest path from `leaf` to a root. */
  async from(leaf: Certificate): Promise<ValidPath | undefined> {
    const { trust, presented } = this.#request;
    const unused = new Set([...trust.intermediates, ...presented.filter(isNewTo(trust))]);
    for (let ways: readonly Certificate[][] = [[]]; ways.length > 0;) {
      const further: Certificate[][] = [];
      for (const way of ways) {
        const child = way.at(-1) ?? leaf;
        for (const root of trust.roots) if (await this.#acceptsRoot(root, child, way)) return [...way, root];
        for (const intermediate of unused) {
          if (!(await this.#accepts(intermediate, child, way.length))) continue;
          unused.delete(intermediate);
          further.push([...way, intermediate]);
        }
        if (way.length > 0)
          this.#ends[way.length] ??= {
            isSigned: false,
            reason: this.unnamed(`no trusted root is named "${nameText(child.issuer)}"`),
          };
      }
      ways = further;
    }
    return undefined;
  }

  async #acceptsRoot(root: Certificate, child: Certificate, way: readonly Certificate[]): Promise<boolean> {
    if (!(await this.#accepts(root, child, way.length))) return false;
    const { through } = this.#request;
    if (through === undefined || root === through || way.includes(through)) return true;
    const sentence = `the way to the root "${nameText(root.subject)}" does not go through the trusted CA "${nameText(through.subject)}"`;
    this.#ends[way.length] = { isSigned: true, reason: refused(sentence) };
    return false;
  }

  async #accepts(authority: Certificate, child: Certificate, below: number): Promise<boolean> {
    if (!equalBytes(authority.subject, child.issuer)) return false;
    let isSigned = false;
    try {
      await checkSignature(child, authority, this.#request.crypto);
      isSigned = true;
      this.#checkAuthority(authority, below);
      return true;
    } catch (error) {
      if (!(error instanceof VerifyError) && !(error instanceof FormatError)) throw error;
      // What is wrong with the CA that did sign says more than that its namesakes did not.
      if (this.#ends[below] === undefined || (isSigned && !this.#ends[below].isSigned))
        this.#ends[below] = { isSigned, reason: error };
      return false;
    }
  }

  #checkAuthority(authority: Certificate, below: number): void {
    const { loggedAt, trust, purpose } = this.#request;
    for (const time of this.#request.times) checkAuthority(authority, below, time, purpose);
    const times = loggedAt === undefined ? this.#request.times : [...this.#request.times, loggedAt];
    trust.windows.require(authority, times);
    // Which certificates for timestamps count, and when, the trust says of each itself.
    if (below === 0 && purpose === undefined) trust.windows.requireIssuing(authority, times);
  }
}

interface WayEnd {
  /** Whether the CA at which it ended signed what is below it. */
  readonly isSigned: boolean;
  readonly reason: VerifyError | FormatError;
}

const isNewTo =
  ({ roots, intermediates }: PreparedTrust) =>
  ({ der }: Certificate): boolean =>
    ![...roots, ...intermediates].some((known) => equalBytes(known.der, der));

/** Throws a refusal unless `authority` signed `child`. */
async function checkSignature(
  child: Certificate,
  authority: Certificate,
  crypto: VerifyCrypto,
): Promise<void> {
  if (authority.subject.length <= EMPTY_NAME_LENGTH) throw refused('a CA has an empty name');
  const who = `the CA "${nameText(authority.subject)}"`;
  const scheme = SIGNATURE_SCHEMES.get(child.signatureAlgorithm);
  if (scheme === undefined) {
    throw refused(`a certificate is signed by the unknown or weak algorithm ${child.signatureAlgorithm}`);
  }
  const key = publicKeyOf(authority.spki);
  if (key.type !== scheme.keyType) {
    requireNamed(child, authority, who);
    throw refused(`the key of ${who} does not fit the signature below it`);
  }
  const weakness = weaknessOf(key);
  if (weakness !== undefined) throw refused(`the key of ${who} ${weakness}`);
  if (await isSignedBy(child, authority, scheme, crypto)) return;
  requireNamed(child, authority, who);
  throw refused(`the signature of ${who} over a certificate does not hold`);
}

/** Certificates of a trust, which stay as they were read. */
const KEPT = new WeakSet<Certificate>();

/** Lets the signatures of certificates of a trust over each other be checked once, and not for everything that is verified under it. */
export function keep<T extends Certificate | undefined>(certificate: T): T {
  if (certificate !== undefined) KEPT.add(certificate);
  return certificate;
}

/** Of kept certificates: cryptography → child → authority → whether that one signed it. */
const SIGNED = new WeakMap<
  VerifyCrypto,
  WeakMap<Certificate, WeakMap<Certificate, boolean | Promise<boolean>>>
>();

function isSignedBy(
  child: Certificate,
  authority: Certificate,
  scheme: SignatureScheme,
  crypto: VerifyCrypto,
): boolean | Promise<boolean> {
  const check = (): boolean | Promise<boolean> =>
    crypto.verify(scheme, authority.spki, child.tbs, child.signature);
  if (!KEPT.has(child) || !KEPT.has(authority)) return check();
  const known = remembered(remembered(SIGNED, crypto.base ?? crypto), child);
  const found = known.get(authority) ?? check();
  known.set(authority, found);
  return found;
}

function remembered<K extends object, L extends object, V>(
  map: WeakMap<K, WeakMap<L, V>>,
  key: K,
): WeakMap<L, V> {
  const found = map.get(key) ?? new WeakMap<L, V>();
  map.set(key, found);
  return found;
}

/** Throws a refusal that blames the trust where `child` itself says that another CA of that name issued it: one that followed, or came
 * before. */
function requireNamed(child: Certificate, authority: Certificate, who: string): void {
  const [asked, has] = [authorityKeyId(child), subjectKeyId(authority)];
  if (asked === undefined || has === undefined || equalBytes(asked, has)) return;
  const sentence = `${who} that is trusted has the key id ${toHex(has)}, and ${toHex(asked)} issued what is below it`;
  throw refused(sentence, 'trust');
}
