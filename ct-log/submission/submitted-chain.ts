/**
 * From the certificates that another CA hands in to an entry of the log (RFC 6962 §3.1, §4.1, §4.2): a certificate or a precertificate, and
 * the certificates above it in order, each of which signed the one before, up to a root that is listed.
 *
 * Times of validity are not looked at: a log is to hold what was issued, also when it has ended.
 */
import { verify } from 'node:crypto';
import { concat, equalBytes, toHex } from '../../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../../core/certificate.ts';
import { DerReader } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { FormatError } from '../../core/errors.ts';
import { keyWeakness } from '../../core/key-weakness.ts';
import { encodePem } from '../../core/pem.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import { SIGNATURE_SCHEMES } from '../../core/signature-algorithm.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import {
  ANY_USAGE,
  basicConstraints,
  extendedKeyUsage,
  KeyUsage,
  keyUsage,
} from '../../verify/standard-extensions.ts';
import { signedEntryOf, type CtLogEntry } from '../format/leaf.ts';
import { POISON_OID, SCT_LIST_OID } from '../format/sct.ts';
import { isPrecertificateSigner, loggedTbsOf } from '../logged-tbs.ts';
import { SubmissionError } from './submission-error.ts';

/** Certificates of a chain, bytes of one, and how deep and of how many values its DER may be. */
export const MAX_CHAIN = 8;
export const MAX_CERTIFICATE = 32 * 1024;
const MAX_DEPTH = 24;
const MAX_VALUES = 4096;

/** What a log takes. */
export interface SubmissionRules {
  /** Certificates that chains lead to. */
  readonly roots: readonly Certificate[];
  /** Object identifiers of uses, one of which a certificate must have; undefined: any will do. */
  readonly usages: ReadonlySet<string> | undefined;
  /** SHA-256 of the SubjectPublicKeyInfo of the log's own CAs, hexadecimal: nobody else hands in what they issued. */
  readonly ownKeys: ReadonlySet<string>;
}

/** Which of the two calls it came by. */
export type SubmissionKind = 'certificate' | 'precertificate';

/** What may be logged. */
export interface SubmittedEntry {
  readonly kind: SubmissionKind;
  readonly entry: CtLogEntry;
  /** SHA-256 of what makes it the same as another one: type and what is signed of it, without time and place. */
  readonly identity: Uint8Array;
  /** DER of the certificates above it, its issuer first, root last. */
  readonly issuers: readonly Uint8Array[];
  /** The certificate or precertificate. */
  readonly certificate: Certificate;
}

/** Reads chains of one log. Signatures of CA certificates over one another are checked once. */
export class SubmittedChains {
  readonly #rules: SubmissionRules;
  /** Pairs of fingerprints: the first is signed by the second. */
  readonly #signed = new Set<string>();

  constructor(rules: SubmissionRules) {
    this.#rules = rules;
  }

  /** Throws {@link SubmissionError}. `chain` is DER, the certificate first. */
  read(kind: SubmissionKind, chain: readonly Uint8Array[]): SubmittedEntry {
    if (chain.length === 0) throw malformed('the chain is empty');
    if (chain.length > MAX_CHAIN) throw tooLarge(`the chain has more than ${MAX_CHAIN} certificates`);
    const [leaf, ...presented] = chain.map(parse);
    if (leaf === undefined) throw malformed('the chain is empty');
    try {
      return this.#entry(kind, leaf, presented);
    } catch (error) {
      if (error instanceof FormatError) throw malformed(`an extension cannot be read: ${error.message}`);
      throw error;
    }
  }

  #entry(kind: SubmissionKind, leaf: Certificate, presented: readonly Certificate[]): SubmittedEntry {
    requireKind(kind, leaf);
    const path = this.#pathOf(leaf, presented);
    const [signer, above] = path;
    if (signer === undefined) throw unknownRoot(leaf);
    const signsForOther = kind === 'precertificate' && isPrecertificateSigner(signer);
    const issuer = signsForOther ? above : signer;
    if (issuer === undefined)
      throw broken(
        'a certificate for signing precertificates stands where its CA should be',
        'Have the CA issue it.',
      );
    this.#requireUsable(leaf, path, signsForOther);
    this.#requireSignatures(leaf, path);
    const issuerKeyHash = sha256(issuer.spki);
    if (this.#rules.ownKeys.has(toHex(issuerKeyHash))) throw own();
    const issuers = path.map(({ der }) => der);
    const chainFingerprints = concat(issuers.map(sha256));
    const entry: CtLogEntry =
      kind === 'certificate'
        ? { certificate: leaf.der, chainFingerprints }
        : {
            issuerKeyHash,
            tbs: loggedTbsOf(leaf, signsForOther ? signer : undefined),
            precertificate: leaf.der,
            chainFingerprints,
          };
    return { kind, entry, identity: sha256(signedEntryOf(entry)), issuers, certificate: leaf };
  }

  /** The certificates above `leaf`, root last, by their names. The root may be left out. */
  #pathOf(leaf: Certificate, presented: readonly Certificate[]): Certificate[] {
    const { roots } = this.#rules;
    const all = [leaf, ...presented];
    const isRoot = ({ der }: Certificate): boolean => roots.some((root) => equalBytes(root.der, der));
    if (isRoot(leaf)) throw broken('a root is no certificate to be logged', 'Send the certificate first.');
    const rootAt = all.findIndex(isRoot);
    if (rootAt >= 0 && rootAt < all.length - 1)
      throw broken('certificates follow the root', 'End the chain with the root, or before it.');
    for (const [i, parent] of presented.entries()) requireNamed(all[i] ?? leaf, parent);
    return rootAt < 0 ? [...presented, this.#rootOf(all.at(-1) ?? leaf)] : [...presented];
  }

  /** From the root down, when all of them are known to be CAs: so no key is used, and nothing is remembered, that a root does not vouch for. */
  #requireSignatures(leaf: Certificate, path: readonly Certificate[]): void {
    const children = [leaf, ...path];
    for (const [i, parent] of [...path.entries()].reverse()) {
      const child = children[i];
      if (child !== undefined) this.#requireSigned(child, parent);
    }
  }

  /** The root that signed the last certificate of a chain. */
  #rootOf(last: Certificate): Certificate {
    const named = this.#rules.roots.filter(({ subject }) => equalBytes(subject, last.issuer));
    const root = named.find((one) => this.#isSigned(last, one));
    if (root === undefined) throw unknownRoot(last);
    return root;
  }

  #requireSigned(child: Certificate, parent: Certificate): void {
    if (!this.#isSigned(child, parent))
      throw broken(
        `the signature of "${nameOf(parent.subject)}" over the certificate before it does not hold, or is of an unknown or weak algorithm`,
        'Send the certificate of the key that signed.',
      );
  }

  #isSigned(child: Certificate, parent: Certificate): boolean {
    const isCa = basicConstraints(child)?.ca === true;
    const pair = isCa ? `${toHex(sha256(child.der))}${toHex(sha256(parent.der))}` : undefined;
    if (pair !== undefined && this.#signed.has(pair)) return true;
    const holds = isSignedBy(child, parent);
    if (holds && pair !== undefined && this.#signed.size < MAX_SIGNED) this.#signed.add(pair);
    return holds;
  }

  /** `path` without `leaf`: CA certificates, the first of which may sign precertificates for the second. */
  #requireUsable(leaf: Certificate, path: readonly Certificate[], signsForOther: boolean): void {
    const { usages } = this.#rules;
    if (usages !== undefined && !isFor(leaf, usages))
      throw new SubmissionError(
        'SUBMISSION_USAGE',
        'the certificate is for none of the uses that this log takes',
        {
          hint: `It takes certificates with the extended key usage ${[...usages].join(' or ')}.`,
        },
      );
    for (const [i, authority] of path.entries()) {
      const who = `"${nameOf(authority.subject)}"`;
      if (findExtension(authority, POISON_OID) !== undefined)
        throw broken(`${who} is a precertificate`, 'Send the certificates of the CAs.');
      const constraints = basicConstraints(authority);
      if (constraints?.ca !== true || keyUsage(authority)?.has(KeyUsage.keyCertSign) === false)
        throw broken(`${who} is no CA that may sign certificates`, 'Send the certificates of the CAs.');
      // A certificate for signing precertificates stands below its CA, which may allow no further CA there.
      const below = signsForOther ? Math.max(0, i - 1) : i;
      if (constraints.pathLength !== undefined && constraints.pathLength < below)
        throw broken(`${who} allows fewer CAs below it`, 'Have it issued with a larger path length.');
      const limited = signsForOther && i === 0 ? undefined : extendedKeyUsage(authority);
      if (usages !== undefined && limited !== undefined && !isFor(authority, new Set([...usages, ANY_USAGE])))
        throw new SubmissionError(
          'SUBMISSION_USAGE',
          `${who} may not issue for the uses that this log takes`,
          {
            hint: `It takes certificates with the extended key usage ${[...usages].join(' or ')}.`,
          },
        );
    }
  }
}

function requireNamed(child: Certificate, parent: Certificate): void {
  if (equalBytes(child.issuer, parent.subject)) return;
  throw broken(
    `"${nameOf(child.issuer)}" issued a certificate, and "${nameOf(parent.subject)}" follows it`,
    'Send the certificate first, then its issuer, and so on up to the root.',
  );
}

/** Pairs that are remembered. */
const MAX_SIGNED = 4096;

const isFor = (certificate: Certificate, usages: ReadonlySet<string>): boolean =>
  [...(extendedKeyUsage(certificate) ?? [])].some((usage) => usages.has(usage));

/** Throws {@link SubmissionError} for what should have come by the other call. */
function requireKind(kind: SubmissionKind, certificate: Certificate): void {
  const poison = findExtension(certificate, POISON_OID);
  if (kind === 'certificate') {
    if (poison === undefined) return;
    throw new SubmissionError('SUBMISSION_TYPE', 'this is a precertificate', {
      hint: 'Send it to add-pre-chain.',
    });
  }
  if (poison === undefined)
    throw new SubmissionError('SUBMISSION_TYPE', 'this is no precertificate: it lacks the poison extension', {
      hint: 'Send a certificate to add-chain.',
    });
  const isNull = poison.value.length === 2 && poison.value[0] === Tag.null && poison.value[1] === 0;
  if (!poison.critical || !isNull)
    throw new SubmissionError(
      'SUBMISSION_TYPE',
      'the poison extension is not critical, or holds something else than NULL',
      {
        hint: 'RFC 6962 §3.1 says what it must be.',
      },
    );
  if (findExtension(certificate, SCT_LIST_OID) !== undefined)
    throw new SubmissionError('SUBMISSION_TYPE', 'a precertificate has SCTs', {
      hint: 'SCTs stand in the final certificate, in the place of the poison.',
    });
}

function parse(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE)
    throw tooLarge(`a certificate has more than ${MAX_CERTIFICATE / 1024} KiB`);
  try {
    requireShallow(der);
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw malformed(`a certificate of the chain cannot be read: ${error.message}`);
  }
}

/** Throws {@link SubmissionError} where DER nests deeper, or has more values, than certificates do: everybody who reads the log has to read it. */
function requireShallow(der: Uint8Array): void {
  const open: DerReader[] = [new DerReader(der)];
  let values = 0;
  for (let reader = open.at(-1); reader !== undefined; reader = open.at(-1)) {
    if (reader.done) {
      open.pop();
      continue;
    }
    const { tag, value } = reader.next();
    values++;
    if (values > MAX_VALUES) throw tooLarge(`a certificate has more than ${MAX_VALUES} values`);
    if ((tag & CONSTRUCTED) === 0) continue;
    if (open.length >= MAX_DEPTH) throw tooLarge(`a certificate is nested deeper than ${MAX_DEPTH}`);
    open.push(new DerReader(value));
  }
}

/** Bit of a tag whose content is values. */
const CONSTRUCTED = 0x20;

function isSignedBy(child: Certificate, parent: Certificate): boolean {
  const scheme = SIGNATURE_SCHEMES.get(child.signatureAlgorithm);
  if (scheme === undefined) return false;
  try {
    // Refuses what OpenSSL may take, and what takes long to check.
    const key = parsePublicKey(parent.spki);
    if (key.type !== scheme.keyType || keyWeakness(key) !== undefined) return false;
    return verify(scheme.hash, child.tbs, encodePem('PUBLIC KEY', parent.spki), child.signature);
  } catch {
    return false;
  }
}

function nameOf(name: Uint8Array): string {
  try {
    return describeName(name);
  } catch {
    return 'a name that cannot be read';
  }
}

const malformed = (sentence: string): SubmissionError =>
  new SubmissionError('SUBMISSION_MALFORMED', sentence, {
    hint: 'Send {"chain":[…]}: certificates in DER, base64, the certificate first (RFC 6962 §4.1).',
  });

const tooLarge = (sentence: string): SubmissionError =>
  new SubmissionError('SUBMISSION_TOO_LARGE', sentence, {
    hint: 'docs/bounds.md of the log has what it takes.',
  });

const broken = (sentence: string, hint: string): SubmissionError =>
  new SubmissionError('SUBMISSION_CHAIN', sentence, { hint });

const unknownRoot = ({ issuer }: Certificate): SubmissionError =>
  new SubmissionError(
    'SUBMISSION_ROOT_UNKNOWN',
    `no root that this log accepts is "${nameOf(issuer)}" and signed the end of the chain`,
    {
      hint: 'get-roots lists those that it accepts; its operator adds others (mayfly.log.submission.roots).',
    },
  );

const own = (): SubmissionError =>
  new SubmissionError(
    'SUBMISSION_OWN',
    'the certificate names the CA of this log as its issuer, and that logs what it issues itself',
    {
      hint: 'Its certificates carry the SCT already.',
    },
  );
