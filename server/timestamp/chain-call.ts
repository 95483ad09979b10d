import type { TimestampAuthority } from '../../tsa/timestamp-authority.ts';
import type { Reply } from '../http/exchange.ts';

/** The call that returns the certificates for timestamps, the signing one first, root last. */
export function timestampChainCall({ chainPem }: Pick<TimestampAuthority, 'chainPem'>) {
  const reply: Reply = { status: 200, contentType: 'application/pem-certificate-chain', body: chainPem };
  return { path: '/api/v1/timestamp/certchain', allowsHead: true, reply: () => reply };
}
