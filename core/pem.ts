import { toBase64, fromBase64 } from './bytes.ts';
import { FormatError } from './errors.ts';

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** What stands between `-----BEGIN ` and `-----`. */
  readonly label: string;
  /** Header lines (`DEK-Info: …`) of old OpenSSL key files, in order; usually none. */
  readonly headers: readonly string[];
  /** The decoded content. */
  readonly bytes: Uint8Array;
}

const BEGIN = /-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n/g;

/** The blocks of `text`, at most `limit` of them; text around the blocks is ignored. Throws {@link FormatError} when
 * a block is not closed or its content is not base64. */
export function decodePem(text: string, limit = 16): PemBlock[] {
  const blocks: PemBlock[] = [];
  BEGIN.lastIndex = 0;
  for (;;) {
    const begin = BEGIN.exec(text);
    if (begin === null || blocks.length === limit) return blocks;
    const label = begin[1] ?? '';
    const start = begin.index + begin[0].length;
    const end = text.indexOf(`-----END ${label}-----`, start);
    if (end < 0) throw new FormatError('TRUNCATED', `the PEM block "${label}" has no end line`);
    const lines = text.slice(start, end).split(/\r?\n/);
    const headers = lines.filter((line) => line.includes(':'));
    const body = lines.filter((line) => !line.includes(':')).join('');
    blocks.push({ label, headers, bytes: fromBase64(body.replace(/[ \t]/g, '')) });
    BEGIN.lastIndex = end;
  }
}

/** `bytes` as a PEM block with lines of 64 characters and a newline at the end. */
export function encodePem(label: string, bytes: Uint8Array): string {
  const text = toBase64(bytes);
  let body = '';
  for (let i = 0; i < text.length; i += 64) body += `${text.slice(i, i + 64)}\n`;
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`;
}
