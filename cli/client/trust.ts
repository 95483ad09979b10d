/** What an answer of the service is checked against. */
import { FormatError } from '../../core/errors.ts';
import { equalBytes } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import type { Clock } from '../../core/clock.ts';
import { decodePem } from '../../core/pem.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import type { Trust, TrustedLog } from '../../verify/trust.ts';
import { CommandError } from '../command.ts';
import { platformCrypto } from '../platform-crypto.ts';
import { readTrustDirectory } from '../trust-directory.ts';
import type { ServiceClient } from './service.ts';

/** Trust, and whose word it is. */
export interface ChosenTrust {
  readonly trust: Trust;
  /** `service`: only what the service says of itself. That shows mistakes, not lies. */
  readonly trustedBy: 'directory' | 'service';
}

/** The trust directory, or else what the service says of itself. Throws {@link CommandError}. */
export async function loadTrust(
  directory: string | undefined,
  service: ServiceClient,
  clock: Clock,
): Promise<ChosenTrust> {
  if (directory !== undefined) return { trust: await readTrustDirectory(directory), trustedBy: 'directory' };
  const certificates = (await service.trustBundle()).map(derOf);
  const isRoot = (der: Uint8Array): boolean => {
    const { subject, issuer } = parseCertificate(der);
    return equalBytes(subject, issuer);
  };
  const [roots, intermediates] = parsed(() => [
    certificates.filter(isRoot),
    certificates.filter((der) => !isRoot(der)),
  ]);
  const logs = await findLogs(service, clock);
  return { trust: { roots, intermediates, logs }, trustedBy: 'service' };
}

const YEARS_BACK = 5;

/** The log of the service, if it has one of the usual name, which is the year in which it was made. None is found at a
 * service with another name for its log, or with its log elsewhere; a trust directory knows those. */
async function findLogs(service: ServiceClient, clock: Clock): Promise<TrustedLog[]> {
  const thisYear = new Date(clock()).getUTCFullYear();
  for (let year = thisYear; year >= thisYear - YEARS_BACK; year--) {
    const text = await service.file(`log/${year}/log.v3.json`);
    if (text === undefined) continue;
    const { origin, publicKey } = parsed(() => parseLogV3Json(platformCrypto.sha256, text));
    return [{ origin, publicKey }];
  }
  return [];
}

/** The certificate in a PEM text of the service. Throws {@link CommandError}. */
export function derOf(pem: string): Uint8Array {
  const [block] = parsed(() => decodePem(pem));
  if (block?.label === 'CERTIFICATE') return block.bytes;
  throw new CommandError('FAILED', 'the service sent something else where a certificate should be');
}

/** Runs a parser over what the service sent; what it refuses becomes a {@link CommandError}. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new CommandError('FAILED', `the service sent what cannot be read: ${error.message}`);
  }
}
