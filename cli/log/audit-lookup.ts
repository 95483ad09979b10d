/** Finds the line of a certificate in files of the audit. */
import { createReadStream } from 'node:fs';
import { CommandError } from '../program/command.ts';

/** Where the audit says that a certificate stands in the log. */
export interface AuditedCertificate {
  /** Origin of the log; undefined in lines of versions that did not say it. */
  readonly log: string | undefined;
  readonly leafIndex: number;
  /** Lower-case hexadecimal. */
  readonly serial: string;
}

/** Beyond every line of the audit. */
const MAX_LINE = 1024 * 1024;

/** The certificate with that SHA-256 (hexadecimal) by the first of `files` that has it; `-` is stdin. Reads line by line, and
 * passes over what is no line of the audit. Rejects with {@link CommandError}: `USAGE` for a hash that is none or a file that
 * cannot be read, `REFUSED` when no line has it. */
export async function findAuditedCertificate(
  hash: string,
  files: readonly string[],
): Promise<AuditedCertificate> {
  if (!/^[0-9a-f]{64}$/i.test(hash))
    throw new CommandError('USAGE', '--certificate-sha256 must be a SHA-256 in hexadecimal, 64 digits');
  const wanted = hash.toLowerCase();
  for (const file of files) {
    for await (const line of linesOf(file)) {
      const found = line.includes(wanted) ? issued(line, wanted) : undefined;
      if (found !== undefined) return found;
    }
  }
  throw new CommandError('REFUSED', 'no line of the audit is about a certificate with this hash', {
    hint: 'Name the rotated files, too (--audit once for each). Packed ones: zcat FILE | mayfly log show … --audit -',
  });
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  let rest = '';
  try {
    for await (const chunk of stream.setEncoding('latin1') as AsyncIterable<string>) {
      const [first = '', ...lines] = chunk.split('\n');
      rest += first;
      for (const line of lines) {
        yield rest;
        rest = line;
      }
      // What is longer is none of ours; it is passed over without being held.
      if (rest.length > MAX_LINE) rest = '';
    }
    yield rest;
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new CommandError('USAGE', `--audit: ${file} cannot be read (${code})`, { cause });
  }
}

function issued(line: string, wanted: string): AuditedCertificate | undefined {
  const facts = parsed(line);
  const { event, certificateSha256, log, leafIndex, serial } = facts;
  if (event !== 'issued' || certificateSha256 !== wanted) return undefined;
  if (!Number.isSafeInteger(leafIndex) || typeof serial !== 'string') return undefined;
  return { log: typeof log === 'string' ? log : undefined, leafIndex: Number(leafIndex), serial };
}

function parsed(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
