import { readFile } from 'node:fs/promises';
import { parseCertificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { readIdentity, type LogIdentity } from '../ct-log/log-identity.ts';
import { TrustError } from './trust-error.ts';

/** What verifiers have to trust. All of it is public. */
export interface TrustMaterial {
  /** DER certificates, issuing CA first, root last; at least one. */
  readonly chain: readonly Uint8Array[];
  readonly log: LogIdentity;
}

/** Where to collect from. */
export interface TrustSources {
  /** PEM, issuing CA first, root last. */
  readonly chainFile: string;
  /** The log's directory. */
  readonly logDirectory: string;
}

/** Collects the public parts of an instance. Opens no key and nothing that a running server writes. Rejects with
 * {@link TrustError} or `LogError`. */
export async function collectTrust(sources: TrustSources): Promise<TrustMaterial> {
  const text = await readFile(sources.chainFile, 'utf8').catch((cause: unknown) => {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new TrustError('CHAIN_UNREADABLE', `${sources.chainFile} cannot be read (${code})`, {
      hint: 'Check that this user may read the data directory, or restore the file from a backup.',
      cause,
    });
  });
  return { chain: parseChain(sources.chainFile, text), log: await readIdentity(sources.logDirectory) };
}

function parseChain(file: string, text: string): Uint8Array[] {
  const broken = (why: string, cause?: unknown): TrustError =>
    new TrustError('CHAIN_MALFORMED', `${file} is damaged: ${why}`, {
      hint: 'It holds PEM certificates: issuing CA first, root last. Restore it from a backup.',
      cause,
    });
  try {
    const blocks = decodePem(text);
    if (blocks.length === 0) throw broken('it holds no certificate');
    const stranger = blocks.find(({ label }) => label !== 'CERTIFICATE');
    if (stranger !== undefined) throw broken(`it holds a block "${stranger.label}"`);
    for (const { bytes } of blocks) parseCertificate(bytes);
    return blocks.map(({ bytes }) => bytes);
  } catch (error) {
    throw error instanceof FormatError ? broken(error.message, error) : error;
  }
}
