/** Whose entries an artifact log takes. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { equalBytes, toBase64 } from '../../core/bytes.ts';
import { parseCertificate, type Certificate } from '../../core/certificate.ts';
import type { Clock } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import { SIGNATURE_SCHEMES } from '../../core/signature-algorithm.ts';
import { TLS_ECDSA, TLS_SHA256 } from '../../ct-log/format/digitally-signed.ts';
import type { Sct } from '../../ct-log/format/sct.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import type { EntryVerifier } from '../../rekor/entries/proposed-entry.ts';
import { issuerOf, sctLeaf, sctsOf, type CertificateIssuer } from './logged-certificates.ts';

/** Whose entries are taken. Asked for each key or certificate of a request before a signature by it is checked: throws EntryError `ENTRY_NOT_ADMITTED` for one whose entries are
 * never taken, and returns one for what makes no new entry any more, or not yet, and may be in the log. */
export type Admission = (verifier: EntryVerifier) => EntryError | undefined;

/** Admits everybody. */
export const admitEverybody: Admission = () => undefined;

/** Whom a log of a private CA admits. */
export interface OwnSigners {
  /** DER of the issuing certificates of the CA: of its chain, and of those that issued before or will issue next. */
  readonly issuers: readonly Uint8Array[];
  /** Its certificate logs: the one in use, and those before it, whose last certificates are still valid. */
  readonly logs: () => readonly { readonly logId: Uint8Array; readonly publicKey: Uint8Array }[];
  /** DER SubjectPublicKeyInfo of keys that may log without a certificate. */
  readonly keys: readonly Uint8Array[];
  readonly clock: Clock;
}

interface Issuer extends CertificateIssuer {
  readonly key: KeyObject;
}

/**
 * Admits certificates that this CA issued, that have an SCT of its log and are valid now, and the listed keys. Whether the log does hold them is asked later (`LoggedCertificates`).
 */
export function admitOwnSigners({ issuers, logs, keys, clock }: OwnSigners): Admission {
  const known = issuers.map(readIssuer);
  const logKeys = new LogKeys(logs);
  const listed = new Set(keys.map(toBase64));
  return ({ parsed, spki }) => {
    if (parsed === undefined) {
      if (!listed.has(toBase64(spki))) throw refused('the key is not among those that the operator lists');
      return undefined;
    }
    const issuer = known.find((one) => isIssuedBy(parsed, one));
    if (issuer === undefined) throw refused('the certificate was not issued by this CA');
    if (!isLogged(parsed, issuer, logKeys)) throw refused('the certificate has no SCT of a log of this CA');
    return invalidity(parsed, clock());
  };
}

/** The keys of the certificate logs, each read once. */
class LogKeys {
  readonly #logs: OwnSigners['logs'];
  readonly #keys = new Map<string, KeyObject>();

  constructor(logs: OwnSigners['logs']) {
    this.#logs = logs;
  }

  /** Undefined for an id of another log. */
  of(logId: Uint8Array): KeyObject | undefined {
    const id = toBase64(logId);
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const log = this.#logs().find((one) => equalBytes(one.logId, logId));
    if (log === undefined) return undefined;
    const key = keyOf(log.publicKey);
    this.#keys.set(id, key);
    return key;
  }
}

const readIssuer = (der: Uint8Array): Issuer => ({
  ...issuerOf(der),
  key: keyOf(parseCertificate(der).spki),
});

const keyOf = (spki: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });

function isIssuedBy({ issuer, tbs, signature, signatureAlgorithm }: Certificate, by: Issuer): boolean {
  const scheme = SIGNATURE_SCHEMES.get(signatureAlgorithm);
  if (scheme === undefined || !equalBytes(issuer, by.subject)) return false;
  return scheme.keyType === by.key.asymmetricKeyType && signs(by.key, scheme.hash ?? null, tbs, signature);
}

function signs(key: KeyObject, hash: string | null, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(hash, data, key, signature);
  } catch {
    // OpenSSL could not make sense of the signature.
    return false;
  }
}

/** Milliseconds of its validity that a certificate must have left: an entry may wait as long for its time, and one with a time after the end of its certificate is
 * refused by every verifier for good. */
const LEAST_LEFT = 5_000;

function invalidity({ notBefore, notAfter }: Certificate, now: number): EntryError | undefined {
  if (now < notBefore) return refused('the certificate is not valid yet');
  // Valid up to and including the last second.
  const left = notAfter + 1000 - now;
  if (left <= 0) return refused('the certificate is not valid any more');
  if (left <= LEAST_LEFT) return refused('the certificate ends before its entry would have its time');
  return undefined;
}

function isLogged(certificate: Certificate, issuer: Issuer, logKeys: LogKeys): boolean {
  return sctsOf(certificate).some((sct) => {
    const logKey = logKeys.of(sct.logId);
    return logKey !== undefined && isSigned(sct, certificate, issuer, logKey);
  });
}

function isSigned(sct: Sct, certificate: Certificate, { keyHash }: Issuer, logKey: KeyObject): boolean {
  if (sct.hashAlgorithm !== TLS_SHA256 || sct.signatureAlgorithm !== TLS_ECDSA) return false;
  try {
    return signs(logKey, 'sha256', sctLeaf(certificate, keyHash, sct), sct.signature);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

const refused = (sentence: string): EntryError =>
  new EntryError('ENTRY_NOT_ADMITTED', sentence, {
    hint: 'This log takes entries by certificates of its own CA while they are valid, and by the keys that its operator lists in artifact-log.keys.',
  });
