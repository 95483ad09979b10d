/** The certificate authorities that the servers of issuers are checked against. */
import { existsSync } from 'node:fs';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { DefinitionError } from '../definition-error.ts';
import type { EnvironmentVariables } from './proxy-environment.ts';

/** Where Linux has its own; Node writes a line of its own to stderr where it is missing. */
const LINUX_DIRECTORY = '/etc/ssl/certs';

/** The certificates, as PEM and without doubles, that are trusted where an issuer says nothing else: those of the system
 * and those that Node brings. With `SSL_CERT_FILE` or `SSL_CERT_DIR` in the environment the system's alone, which are then
 * where these say, as for OpenSSL and Go. `NODE_EXTRA_CA_CERTS` counts in any case. Throws {@link DefinitionError} when
 * the variables lead to no certificate: with an empty store every issuer would fail. */
export function trustedCertificates(environment: EnvironmentVariables): readonly string[] {
  const names = ['SSL_CERT_FILE', 'SSL_CERT_DIR'].filter((name) => (environment[name] ?? '') !== '');
  const brought = getCACertificates(names.length === 0 ? 'default' : 'extra');
  const system = names.length > 0 || hasStore() ? getCACertificates('system') : [];
  if (names.length === 0 || system.length > 0) return [...new Set([...brought, ...system])];
  const sentence = `no certificate authority is where ${names.join(' and ')} of the environment lead`;
  throw new DefinitionError('FIELD_INVALID', sentence, {
    hint: 'Name a file of PEM certificates and one directory of them, or unset both: then the system decides.',
    metadata: { issuer: '', field: names[0] ?? '' },
  });
}

const hasStore = (): boolean => process.platform !== 'linux' || existsSync(LINUX_DIRECTORY);

/** What connections are made with that trust these certificates (PEM) and nothing else. Made once and kept: reading some
 * hundred of them takes 15 ms, which each connection would spend again. */
export const trusting = (certificates: readonly string[]): SecureContext =>
  createSecureContext({ ca: [...certificates], minVersion: 'TLSv1.2' });
