import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { FormatError, MayflyError, systemCode } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { readIdentity, type CtLogIdentity } from '../ct-log/log-identity.ts';

/** What verifiers should trust cannot be read. */
export class TrustError extends MayflyError<
  | 'CHAIN_UNREADABLE'
  | 'CHAIN_MALFORMED'
  | 'LOG_IN_USE_UNKNOWN'
  | 'LEDGER_UNREADABLE'
  | 'LEDGER_MALFORMED'
  | 'LEDGER_UNWRITABLE'
  | 'LEDGER_BUSY'
> {}

/** What verifiers have to trust. All of it is public. */
export interface TrustMaterial {
  /** DER certificates, issuing CA first, root last; at least one. */
  readonly chain: readonly Uint8Array[];
  /** Chains that issued before, each as `chain`; what they issued must still verify. */
  readonly former: readonly (readonly Uint8Array[])[];
  readonly log: CtLogIdentity;
}

/** Where to collect from. */
interface TrustSources {
  /** PEM, issuing CA first, root last. */
  readonly chainFile: string;
  /** Directory with a file of that form for each chain that issued before; it need not be there. */
  readonly formerChains: string;
  /** The log's directory. */
  readonly logDirectory: string;
}

/** Collects the public parts of an instance. Opens no key and nothing that a running server writes. Rejects with
 * {@link TrustError} or `LogError`. */
export async function collectTrust(sources: TrustSources): Promise<TrustMaterial> {
  const chain = await readChain(sources.chainFile);
  const former = await readFormerChains(sources.formerChains, chain);
  return { chain, former, log: await readIdentity(sources.logDirectory) };
}

/** The chains that issued before the one in force. A renewal first keeps the chain in force among them, and then puts its own
 * in force. When it was interrupted in between, the kept chain is still in force, and is left out here. Rejects with {@link TrustError}. */
export async function readFormerChains(
  directory: string,
  [issuing]: readonly Uint8Array[],
): Promise<readonly (readonly Uint8Array[])[]> {
  const names = await readdir(directory).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return [];
    throw unreadable(directory, cause);
  });
  const chains: (readonly Uint8Array[])[] = [];
  for (const name of names.filter((file) => /^\w+\.pem$/.test(file)).sort())
    chains.push(await readChain(join(directory, name)));
  return chains.filter(([first]) => !equalBytes(first ?? new Uint8Array(), issuing ?? new Uint8Array()));
}

/** The DER certificates of a PEM file, in their order; at least one. Rejects with {@link TrustError}. */
export const readChain = async (file: string): Promise<Uint8Array[]> =>
  parseChain(
    file,
    await readFile(file, 'utf8').catch((cause: unknown) => {
      throw unreadable(file, cause);
    }),
  );

const unreadable = (path: string, cause: unknown): TrustError =>
  new TrustError('CHAIN_UNREADABLE', `${path} cannot be read (${systemCode(cause) ?? 'unknown'})`, {
    hint: 'Check that this user may read the data directory, or restore the file from a backup.',
    cause,
  });

function parseChain(file: string, text: string): Uint8Array[] {
  const broken = (why: string, cause?: unknown): TrustError =>
    new TrustError('CHAIN_MALFORMED', `${file} is damaged: ${why}`, {
      hint: 'It holds PEM certificates: issuing CA first, root last. Restore it from a backup.',
      cause,
    });
  try {
    const blocks = decodePem(text);
    if (blocks.length === 0) throw broken('it holds no certificate');
    const other = blocks.find(({ label }) => label !== 'CERTIFICATE');
    if (other !== undefined) throw broken(`it holds a block "${other.label}"`);
    for (const { bytes } of blocks) parseCertificate(bytes);
    return blocks.map(({ bytes }) => bytes);
  } catch (error) {
    throw error instanceof FormatError ? broken(error.message, error) : error;
  }
}
