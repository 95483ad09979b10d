import { FormatError } from '../../core/errors.ts';
import { decodePem, type PemBlock } from '../../core/pem.ts';
import { CommandError } from '../program/command.ts';
import { readFileOrStdin } from '../program/input-file.ts';

const HINT = 'Give the certificate itself, e.g. the cert.pem that `mayfly certificate` wrote.';
const SEQUENCE = 0x30;

/** A certificate, and what stands behind it in its file. DER. */
export interface PresentedCertificate {
  readonly certificate: Uint8Array;
  readonly presented: readonly Uint8Array[];
}

/** The certificate in a file (or stdin, `-`): the first block of a PEM file, with the certificates behind it, or the file itself. Throws
 * {@link CommandError} `USAGE` with what the file is instead. */
export async function readCertificateFile(file: string): Promise<PresentedCertificate> {
  return certificateIn(await readFileOrStdin(file, 'CERT', HINT), file === '-' ? 'stdin' : file);
}

/** The same of the bytes of a file that is called `path` in a refusal. Throws {@link CommandError} `USAGE`. */
export function certificateIn(bytes: Uint8Array, path: string): PresentedCertificate {
  if (bytes[0] === SEQUENCE) return { certificate: bytes, presented: [] };
  const [first, ...more] = readBlocks(path, bytes);
  if (first === undefined) throw wrong(`${path} holds no certificate: it is neither PEM nor DER`);
  if (first.label !== 'CERTIFICATE')
    throw wrong(`${path} begins with a ${describe(first.label)}, not with a certificate`);
  const issuers = more.filter(({ label }) => label === 'CERTIFICATE');
  return { certificate: first.bytes, presented: issuers.map((block) => block.bytes) };
}

function readBlocks(path: string, bytes: Uint8Array): PemBlock[] {
  try {
    return decodePem(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw wrong(`${path} is no PEM file: ${error.message}`);
  }
}

const describe = (label: string): string =>
  label.includes('PRIVATE KEY') ? 'private key' : label.toLowerCase();

const wrong = (message: string): CommandError =>
  new CommandError('USAGE', `CERT: ${message}`, { hint: HINT });
