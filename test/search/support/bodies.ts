/** Bodies of entries about certificates whose every name is chosen. No signature in them is checked by a search. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { toBase64, toHex, utf8 } from '../../../core/bytes.ts';
import { contextTag, Tag } from '../../../core/der-tag.ts';
import {
  bitString,
  explicit,
  octetString,
  oid,
  sequence,
  tlv,
  utf8String,
} from '../../../core/der-writer.ts';
import { SCT_LIST_OID } from '../../../ct-log/format/sct.ts';
import { encodePem } from '../../../core/pem.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SPKI = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
const ECDSA = sequence(oid('1.2.840.10045.4.3.2'));

/** Tag and content of a GeneralName. */
type Name = readonly [tag: number, content: Uint8Array];

/** An e-mail address. */
export const email = (text: string): Name => [contextTag(1), utf8(text)];
/** A URI. */
export const uri = (text: string): Name => [contextTag(6), utf8(text)];

/** An IP address. */
export const address = (bytes: readonly number[]): Name => [contextTag(7), Uint8Array.from(bytes)];

const EVERY_KIND: readonly Name[] = [
  email('alice@example.org'),
  uri('spiffe://example.org/ns/ci'),
  [contextTag(2), utf8('build.example.org')],
  address([192, 0, 2, 7]),
  address([0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), 1]),
  [contextTag(0, true), otherName('carol!example.org')],
];

function otherName(text: string): Uint8Array {
  const parts = [oid('1.3.6.1.4.1.57264.1.7'), explicit(0, utf8String(text))];
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A signature by the key of every such certificate, base64. */
export const signatureBy = (text: string): string =>
  sign('sha256', Buffer.from(text), privateKey).toString('base64');

/** A certificate as a search sees it. */
export interface NamedCertificate {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly spki: Uint8Array;
  /** In hexadecimal. */
  readonly serial: string;
}

const extension = (id: string, value: Uint8Array): Uint8Array => sequence(oid(id), octetString(value));

/** With those names, by default one of every kind, and the issuer `https://issuer.example`. */
export function namedCertificate(
  names: readonly Name[] = EVERY_KIND,
  /** What the extension that holds its SCTs holds. */
  scts?: Uint8Array,
): NamedCertificate {
  const serial = Uint8Array.of(0x0a, 0xbc, 0x01);
  const time = tlv(Tag.utcTime, utf8('260101000000Z'));
  const tbs = sequence(
    explicit(0, tlv(Tag.integer, Uint8Array.of(2))),
    tlv(Tag.integer, serial),
    ECDSA,
    sequence(),
    sequence(time, time),
    sequence(),
    SPKI,
    explicit(
      3,
      sequence(
        extension('2.5.29.17', sequence(...names.map(([tag, content]) => tlv(tag, content)))),
        extension('1.3.6.1.4.1.57264.1.1', utf8('https://issuer.example')),
        extension('1.3.6.1.4.1.57264.1.8', utf8String('https://issuer.example')),
        ...(scts === undefined ? [] : [extension(SCT_LIST_OID, scts)]),
      ),
    ),
  );
  const der = sequence(tbs, ECDSA, bitString(Uint8Array.of(1)));
  return { der, pem: encodePem('CERTIFICATE', der), spki: SPKI, serial: toHex(serial) };
}

/** The body of a dsse entry of the first API: what its statement is about does not stand in it. */
export function dsse(pem: string, text = ''): Uint8Array {
  const hash = (of: string): object => ({ algorithm: 'sha256', value: toHex(sha256(utf8(`${of} ${text}`))) });
  const signatures = [{ signature: 'MAA=', verifier: toBase64(utf8(pem)) }];
  const spec = { envelopeHash: hash('envelope'), payloadHash: hash('payload'), signatures };
  return utf8(JSON.stringify({ apiVersion: '0.0.1', kind: 'dsse', spec }));
}

/** The body of a hashedrekord of the first API, and the digest of its artifact, which is another one for another text. */
export function hashedrekord(pem: string, text = ''): { readonly body: Uint8Array; readonly digest: string } {
  const value = toHex(sha256(utf8(`artifact of ${pem}${text}`)));
  const body = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value } },
      signature: { content: 'MAA=', publicKey: { content: toBase64(utf8(pem)) } },
    },
  };
  return { body: utf8(JSON.stringify(body)), digest: `sha256:${value}` };
}
