/** Whether a certificate is in the log that its SCT is of. An SCT is a promise: who has stolen the log's key can sign one for a certificate that no log has, and nobody who watches the
 * log would see that certificate, but for this. */
import { equalBytes } from '../../core/bytes.ts';
import { findExtension, parseCertificate, type Certificate } from '../../core/certificate.ts';
import { FormatError } from '../../core/errors.ts';
import { encodeLeaf } from '../../ct-log/format/leaf.ts';
import { parseLeafIndex } from '../../ct-log/format/leaf-index.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from '../../ct-log/format/sct.ts';
import { loggedTbsOf } from '../../ct-log/logged-tbs.ts';
import type { LogReader } from '../../ct-log/reader.ts';
import { EntryError } from '../../rekor/entries/entry-error.ts';
import type { EntryVerifier } from '../../rekor/entries/proposed-entry.ts';
import { LogError, LogReadError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';

/** What a certificate has in its log. */
export interface CertificateIssuer {
  /** DER. */
  readonly subject: Uint8Array;
  /** SHA-256 of its key in DER. */
  readonly keyHash: Uint8Array;
}

/** Finds the certificate log of this CA with that id, in use or former; undefined where there is none. Rejects with LogError when it cannot be read. */
export type FindCertificateLog = (logId: Uint8Array) => Promise<Pick<LogReader, 'holds'> | undefined>;

/** Looks certificates up. */
export class LoggedCertificates {
  readonly #issuers: readonly CertificateIssuer[];
  readonly #find: FindCertificateLog;

  /** `issuers`: DER of the certificates of the CA that issue or issued. */
  constructor(issuers: readonly Uint8Array[], find: FindCertificateLog) {
    this.#issuers = issuers.map(issuerOf);
    this.#find = find;
  }

  /** Resolves where each certificate of an entry, which was found to be of this CA, is under the newest signed head of a log that it has an SCT of. Rejects with EntryError
   * `ENTRY_CERTIFICATE_UNLOGGED`, with LogError `LOG_BUSY` where that cannot be known yet, and as finding a log does. */
  async require(verifiers: readonly EntryVerifier[]): Promise<void> {
    for (const { parsed } of verifiers)
      if (parsed !== undefined && !(await this.#isLogged(parsed))) throw unlogged();
  }

  async #isLogged(certificate: Certificate): Promise<boolean> {
    for (const sct of sctsOf(certificate)) {
      const log = await this.#find(sct.logId);
      if (log === undefined) continue;
      for (const { subject, keyHash } of this.#issuers) {
        if (!equalBytes(subject, certificate.issuer)) continue;
        const leafHash = hashLeaf(sha256, sctLeaf(certificate, keyHash, sct));
        if (await holds(log, leafHash, parseLeafIndex(sct.extensions))) return true;
      }
    }
    return false;
  }
}

async function holds(
  log: Pick<LogReader, 'holds'>,
  leafHash: Uint8Array,
  index: number | undefined,
): Promise<boolean> {
  try {
    return await log.holds(leafHash, index);
  } catch (cause) {
    if (!(cause instanceof LogReadError) || cause.code !== 'NOT_READY') throw cause;
    const sentence = 'the index of the certificate log is being rebuilt, and nothing else says what it holds';
    throw new LogError('LOG_BUSY', sentence, { hint: 'Try again in a moment.', cause });
  }
}

/** What of an issuing certificate is in the entries of its certificates. */
export function issuerOf(der: Uint8Array): CertificateIssuer {
  const { subject, spki } = parseCertificate(der);
  return { subject, keyHash: sha256(spki) };
}

/** The SCTs in a certificate; none where its extension cannot be read. */
export function sctsOf(certificate: Certificate): readonly Sct[] {
  try {
    const extension = findExtension(certificate, SCT_LIST_OID);
    return extension === undefined ? [] : parseSctList(extension.value).map(parseSct);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

/** The leaf that an SCT is over, of the certificate that it stands in. Throws FormatError. */
export const sctLeaf = (
  certificate: Certificate,
  issuerKeyHash: Uint8Array,
  { timestamp, extensions }: Sct,
): Uint8Array => {
  const entry = { type: 'precert', issuerKeyHash, tbs: loggedTbsOf(certificate) } as const;
  return encodeLeaf({ entry, timestamp, extensions });
};

const unlogged = (): EntryError =>
  new EntryError(
    'ENTRY_CERTIFICATE_UNLOGGED',
    'the certificate has a good SCT, and the log that signed it does not hold the certificate',
    {
      hint: 'Report it to the operator: somebody else may have the keys of the CA and of its log.',
    },
  );
