/** Compressed bodies (RFC 9110 §8.4), within a limit on the decompressed size. */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import { IssuerFault } from './issuer-fault.ts';

/** The `Accept-Encoding` of requests, as Go's client sends it. Some servers use other encodings all the same, which
 * {@link decoded} reads too. */
export const ACCEPTED_ENCODING = 'gzip';

type Decode = (bytes: Uint8Array, limits: { readonly maxOutputLength: number }) => Promise<Uint8Array>;

const inflated = promisify(inflate) as Decode;
const inflatedRaw = promisify(inflateRaw) as Decode;

/** `deflate` is a zlib stream; some servers send it without its head, whose first byte ends with 8. */
const fromDeflate: Decode = (bytes, limits) =>
  ((bytes[0] ?? 0) & 0x0f) === 8 ? inflated(bytes, limits) : inflatedRaw(bytes, limits);

const fromGzip = promisify(gunzip) as Decode;

const DECODERS: ReadonlyMap<string, Decode> = new Map([
  ['gzip', fromGzip],
  ['x-gzip', fromGzip],
  ['deflate', fromDeflate],
  ['br', promisify(brotliDecompress)],
]);

/** The decoded body. Nothing beyond `size` bytes is decoded. Throws {@link IssuerFault} `UNUSABLE` for
 * more than that, for bytes that are not of the encoding, and for an encoding that is none of gzip, deflate and br, or
 * several of them. `where` names the document in the sentence. */
export async function decoded(
  bytes: Uint8Array,
  encoding: string | readonly string[] | undefined,
  size: number,
  where: string,
): Promise<Uint8Array> {
  const name = String(encoding ?? '')
    .trim()
    .toLowerCase();
  if (name === '' || name === 'identity') return bytes;
  const decode = DECODERS.get(name);
  if (decode === undefined) throw unknownEncoding(where, name);
  try {
    return await decode(bytes, { maxOutputLength: size });
  } catch (cause) {
    const isTooLong = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw isTooLong
      ? tooLong(where, size)
      : new IssuerFault('UNUSABLE', `${where} answers with broken ${name}`, { cause });
  }
}

/** The fault of a document that is longer than `size` bytes. */
export const tooLong = (where: string, size: number): IssuerFault =>
  new IssuerFault('UNUSABLE', `${where} answers with more than ${size} bytes`);

const unknownEncoding = (where: string, name: string): IssuerFault =>
  new IssuerFault('UNUSABLE', `${where} answers in the encoding ${JSON.stringify(name.slice(0, 50))}`, {
    hint: 'Understood are gzip, deflate and br, one at a time.',
  });
