/**
 * What a log keeps of a certificate. `ca/without-extension.ts` does the same on purpose: that one walks offsets and is
 * for bytes of our own making, once for every certificate; this one parses, for bytes from anywhere. Neither knows the
 * templates that issue, so each can judge them, and a fault in one shows against the other.
 */
import { concat } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { DerReader, readOnly } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { explicit, sequence } from '../core/der-writer.ts';
import { POISON_OID, SCT_LIST_OID } from './format/sct.ts';

const EXTENSIONS = contextTag(3, true);

/** The TBSCertificate of a precertificate or of its final certificate without poison and SCT list (RFC 6962 §3.2):
 * the bytes that the log's entry of either holds. Throws FormatError. */
export const loggedTbs = (certificate: Uint8Array): Uint8Array => loggedTbsOf(parseCertificate(certificate));

/** The same of one that was parsed. Throws FormatError. */
export function loggedTbsOf({ tbs, extensions }: Certificate): Uint8Array {
  const content = readOnly(tbs, Tag.sequence).value;
  const reader = new DerReader(content);
  let front = 0;
  while (!reader.done && reader.peek() !== EXTENSIONS) front += reader.next().raw.length;
  const kept = extensions.filter(({ oid }) => oid !== POISON_OID && oid !== SCT_LIST_OID);
  const list = explicit(3, sequence(concat(kept.map(({ raw }) => raw))));
  return sequence(content.subarray(0, front), ...(kept.length === 0 ? [] : [list]));
}
