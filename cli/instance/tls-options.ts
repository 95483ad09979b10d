import type { TlsFiles } from '../../server/http/tls-certificate.ts';
import { CommandError } from '../program/command.ts';

/** The options by which a service is given its certificate. */
export interface TlsOptions {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Both files, or undefined where none is given. Throws {@link CommandError} `USAGE` for one without the other. */
export function tlsFiles({ tlsCert, tlsKey }: TlsOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert !== undefined && tlsKey !== undefined) return { certFile: tlsCert, keyFile: tlsKey };
  const [given, missing] = tlsKey === undefined ? ['--tls-cert', '--tls-key'] : ['--tls-key', '--tls-cert'];
  throw new CommandError('USAGE', `${given} needs ${missing}`, { hint: 'TLS needs certificate and key.' });
}
