/** What an answer of the service is checked against. */
import { FormatError } from '../../core/errors.ts';
import { equalBytes } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { decodePem } from '../../core/pem.ts';
import { parseLogV3Json } from '../../ct-log/format/log-v3-json.ts';
import type { Trust, TrustedLog } from '../../verify/trust.ts';
import { CommandError } from '../program/command.ts';
import { parseLogList } from '../verify/log-list.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { readTrust } from '../verify/chosen-trust.ts';
import type { ServiceClient } from './service.ts';

/** Trust, and whose word it is. */
export interface ChosenTrust {
  readonly trust: Trust;
  /** `service`: only what the service says of itself. That shows mistakes, not lies. */
  readonly trustedBy: 'directory' | 'service';
}

/** The trust directory, or else what the service says of itself. Throws {@link CommandError}. */
export async function loadTrust(directory: string | undefined, service: ServiceClient): Promise<ChosenTrust> {
  if (directory !== undefined) return { trust: await readTrust(directory), trustedBy: 'directory' };
  const certificates = (await service.trustBundle()).map(derOf);
  const isRoot = (der: Uint8Array): boolean => {
    const { subject, issuer } = parseCertificate(der);
    return equalBytes(subject, issuer);
  };
  const [roots, intermediates] = parsed(() => [
    certificates.filter(isRoot),
    certificates.filter((der) => !isRoot(der)),
  ]);
  const logs = await findLogs(service);
  return { trust: { roots, intermediates, logs }, trustedBy: 'service' };
}

/** The logs that the service lists, each by what it says of itself; none at a service that lists none. They are read at
 * the address that the service was reached at, whatever URLs the list has. */
async function findLogs(service: ServiceClient): Promise<TrustedLog[]> {
  const list = await service.log('');
  const logs: TrustedLog[] = [];
  for (const { name } of list === undefined ? [] : parseLogList(list)) {
    const text = await service.log(`${name}/log.v3.json`);
    if (text === undefined) continue;
    const { origin, publicKey } = parsed(() => parseLogV3Json(platformCrypto.sha256, text));
    logs.push({ origin, publicKey });
  }
  return logs;
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
