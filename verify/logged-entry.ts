/** The log entry that an SCT in a certificate speaks of, rebuilt from the certificate alone (RFC 6962 §3.2). */
import { concat } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { DerReader } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { sequence, tlv } from '../core/der-writer.ts';
import { encodeLeaf } from '../ct-log/format/leaf.ts';
import { SCT_LIST_OID, type Sct } from '../ct-log/format/sct.ts';
import type { VerifyCrypto } from './crypto.ts';

const EXTENSIONS = contextTag(3, true);

/** The MerkleTreeLeaf that the SCT signed: issuer's key, and the certificate as it was before the SCT came into it. */
export function loggedLeaf(
  certificate: Certificate,
  issuer: Certificate,
  sct: Sct,
  crypto: VerifyCrypto,
): Uint8Array {
  return encodeLeaf({
    entry: { type: 'precert', issuerKeyHash: crypto.sha256(issuer.spki), tbs: tbsWithoutScts(certificate) },
    timestamp: sct.timestamp,
    extensions: sct.extensions,
  });
}

/** TBSCertificate without the list of SCTs; every other byte as it was, but for the lengths around it. */
function tbsWithoutScts(certificate: Certificate): Uint8Array {
  const kept = certificate.extensions.filter(({ oid }) => oid !== SCT_LIST_OID).map(({ raw }) => raw);
  const reader = new DerReader(certificate.tbs).enter(Tag.sequence);
  const parts: Uint8Array[] = [];
  while (!reader.done) {
    const { tag, raw } = reader.next();
    parts.push(tag === EXTENSIONS ? tlv(EXTENSIONS, sequence(...kept)) : raw);
  }
  return sequence(concat(parts));
}
