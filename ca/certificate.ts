/**
 * The final certificate: the logged TBSCertificate with the SCT as its last extension. It is made only from a
 * {@link Logged}, and only after the log's own words were checked against what was logged.
 */
import { hash } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { oid } from '../core/der-writer.ts';
import { encodeHashInput } from '../ct-log/format/leaf.ts';
import { encodeSctList, parseSct, SCT_LIST_OID } from '../ct-log/format/sct.ts';
import type { Authority } from './authority.ts';
import { extension } from './extension-writer.ts';
import type { Precertificate } from './precertificate.ts';
import { isUnlogged, type Unlogged } from './no-log.ts';
import { isLogged, type Logged } from './precertificate-log.ts';
import { ReleaseError } from './release-error.ts';
import { assembleCertificate, assembleTbs } from './tbs-template.ts';
import { withoutExtension } from './without-extension.ts';

const SCT_LIST = oid(SCT_LIST_OID);

/** Embeds the SCT, where there is a log, checks and signs. The answer is the DER of the certificate. Rejects with {@link ReleaseError} when
 * a check fails: then nothing was signed. */
export async function signCertificate(
  authority: Authority,
  precertificate: Precertificate,
  logged: Logged,
): Promise<Uint8Array> {
  if (!isLogged(logged)) {
    throw new ReleaseError('NOT_COMMITTED', 'the entry is not known to be committed to the log');
  }
  const tbs = isUnlogged(logged) ? precertificate.entry.tbs : tbsWithSct(precertificate, logged);
  return assembleCertificate(tbs, authority.algorithm, await authority.signer.sign(tbs));
}

type WithSct = Exclude<Logged, Unlogged>;

/** The TBSCertificate with the SCT, checked. */
function tbsWithSct(precertificate: Precertificate, logged: WithSct): Uint8Array {
  const list = extension(SCT_LIST, encodeSctList([logged.receipt.sct]));
  const tbs = assembleTbs(precertificate.shared, list);
  checkRelease(tbs, precertificate, logged);
  return tbs;
}

/**
 * What a verifier will do with the certificate, done here first and from the final bytes: take the SCT list out, and
 * hash what is left with the SCT's own time and extensions. It must be the leaf that the log committed.
 */
function checkRelease(tbs: Uint8Array, { entry, content }: Precertificate, logged: WithSct): void {
  const plain = withoutExtension(tbs, SCT_LIST);
  if (plain === undefined || Buffer.compare(plain, entry.tbs) !== 0) {
    throw new ReleaseError('TBS_MISMATCH', 'the certificate is not the one that was logged');
  }
  const sct = parseSct(logged.receipt.sct);
  const { issuerKeyHash } = entry;
  const hashInput = encodeHashInput({ issuerKeyHash, tbs: plain }, sct.timestamp, sct.extensions);
  if (!equalBytes(hash('sha256', hashInput, 'buffer'), logged.leafHash)) {
    throw new ReleaseError('LEAF_MISMATCH', 'the SCT is not for the entry that was logged');
  }
  const { notBefore, notAfter } = content.validity;
  if (sct.timestamp < notBefore || sct.timestamp > notAfter) {
    throw new ReleaseError('SCT_OUTSIDE_VALIDITY', 'the time of the SCT lies outside the validity', {
      hint: 'The clocks of CA and log disagree, or logging took longer than the certificate would live.',
    });
  }
}
