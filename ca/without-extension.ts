import { concat, equalBytes } from '../core/bytes.ts';
import { contextTag, DerReader, explicit, oid, readOnly, sequence, Tag } from '../core/der.ts';

const EXTENSIONS_TAG = contextTag(3, true);

/**
 * A TBSCertificate without the extension of that object identifier, as RFC 6962 §3.2 derives what a log signs. Shares
 * no code with the templates that make certificates, so that it can judge them. Throws {@link FormatError}.
 */
export function withoutExtension(tbs: Uint8Array, dotted: string): Uint8Array {
  const content = readOnly(tbs, Tag.sequence).value;
  const reader = new DerReader(content);
  let front = 0;
  while (reader.peek() !== EXTENSIONS_TAG) front += reader.next().raw.length;
  const list = new DerReader(readOnly(reader.next(EXTENSIONS_TAG).value, Tag.sequence).value);
  reader.end();
  const wanted = oid(dotted);
  const kept: Uint8Array[] = [];
  while (!list.done) {
    const { raw, value } = list.next(Tag.sequence);
    if (!equalBytes(value.subarray(0, wanted.length), wanted)) kept.push(raw);
  }
  return sequence(content.subarray(0, front), explicit(3, sequence(concat(kept))));
}
