/**
 * Precertificates (RFC 6962 §3.1): the leaf as it will be, with a critical poison as the last extension, signed by
 * the CA's own key. The log keeps it as evidence of what the CA was about to issue.
 */
import { POISON_OID } from '../ct-log/format/sct.ts';
import type { PrecertificateEntry } from '../ct-log/format/leaf.ts';
import { Tag } from '../core/der-tag.ts';
import { oid } from '../core/der-writer.ts';
import type { Authority } from './authority.ts';
import { extension } from './extension-writer.ts';
import { isProven } from './possession.ts';
import type { LeafContent } from './profile.ts';
import { ReleaseError } from './release-error.ts';
import { assembleCertificate, assembleTbs, type SharedTbs } from './tbs-template.ts';

/** A signed precertificate, and what the final certificate needs of it. */
export interface Precertificate {
  /** What goes to the log. */
  readonly entry: PrecertificateEntry;
  readonly shared: SharedTbs;
  readonly content: LeafContent;
}

const POISON = extension(oid(POISON_OID), Uint8Array.of(Tag.null, 0), true);

/** Encodes and signs the precertificate of a leaf. Throws {@link RequestError} for an identity that cannot be
 * encoded; rejects with the signer's error when the CA key cannot be reached. */
export async function signPrecertificate(
  authority: Authority,
  content: LeafContent,
): Promise<Precertificate> {
  if (!isProven(content.key)) throw new ReleaseError('NOT_PROVEN', 'the key was never proven to be held');
  const shared = authority.profile(content);
  const tbs = assembleTbs(shared, POISON);
  const signature = await authority.signer.sign(tbs);
  const entry = {
    issuerKeyHash: authority.issuerKeyHash,
    tbs: assembleTbs(shared),
    precertificate: assembleCertificate(tbs, authority.algorithm, signature),
    chainFingerprints: authority.chainFingerprints,
  };
  return { entry, shared, content };
}
