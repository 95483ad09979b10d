import { sign } from 'node:crypto';
import { contextTag, Tag } from '../../../core/der-tag.ts';
import { bitString, oid, sequence, tlv } from '../../../core/der-writer.ts';
import { encodePem } from '../../../core/pem.ts';
import type { TestKey } from './keys.ts';

const OIDS: Readonly<Record<string, string>> = {
  'P/sha256': '1.2.840.10045.4.3.2',
  'P/sha384': '1.2.840.10045.4.3.3',
  'P/sha512': '1.2.840.10045.4.3.4',
  'RSA/sha256': '1.2.840.113549.1.1.11',
  'RSA/sha384': '1.2.840.113549.1.1.12',
  'RSA/sha512': '1.2.840.113549.1.1.13',
  'Ed25519/': '1.3.101.112',
};

export interface CsrOptions {
  readonly hash?: 'sha256' | 'sha384' | 'sha512';
  /** AlgorithmIdentifier instead of the right one. */
  readonly algorithm?: Uint8Array;
  readonly label?: string;
  readonly version?: number;
  readonly subject?: Uint8Array;
  readonly attributes?: Uint8Array | null;
  readonly spki?: Uint8Array;
  /** Changes the finished DER. */
  readonly edit?: (der: Uint8Array) => Uint8Array;
}

/** A PKCS#10 request of our own making, so that every part of it can be wrong. */
export function csrOf(key: TestKey, options: CsrOptions = {}): Uint8Array {
  const hash = options.hash ?? key.hash;
  const name = OIDS[`${key.type.split('-')[0] ?? ''}/${hash ?? ''}`] ?? '';
  const spki = options.spki ?? new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }));
  const attributes = options.attributes === undefined ? tlv(contextTag(0, true)) : options.attributes;
  const info = sequence(
    Uint8Array.of(Tag.integer, 1, options.version ?? 0),
    options.subject ?? sequence(),
    spki,
    ...(attributes === null ? [] : [attributes]),
  );
  const signature = sign(hash ?? null, info, key.privateKey);
  const der = sequence(info, options.algorithm ?? sequence(oid(name)), bitString(signature));
  const edited = options.edit?.(der) ?? der;
  return new Uint8Array(Buffer.from(encodePem(options.label ?? 'CERTIFICATE REQUEST', edited)));
}
