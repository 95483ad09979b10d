/** The certificate authorities that the servers of issuers are checked against. */
import { existsSync } from 'node:fs';
import { createSecureContext, getCACertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { DefinitionError } from '../core/definition-error.ts';
import type { EnvironmentVariables } from './proxy-environment.ts';

/** The certificates of the system on Linux. Where the directory is missing, Node would write a warning to stderr. */
const LINUX_DIRECTORY = '/etc/ssl/certs';

/** The certificates, as PEM and without duplicates, that are trusted by default: those of the system and those that Node
 * brings. With `SSL_CERT_FILE` or `SSL_CERT_DIR` in the environment they are those of the system alone, which these variables
 * locate, as for OpenSSL and Go. `NODE_EXTRA_CA_CERTS` adds to them in any case. Throws {@link DefinitionError} when the
 * variables lead to no certificate: with an empty store every issuer would fail. */
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

/** A TLS context that trusts these certificates (PEM) and nothing else. It should be kept: reading some hundred certificates
 * takes 15 ms, which each connection would spend again. */
export const trusting = (certificates: readonly string[]): SecureContext =>
  createSecureContext({ ca: [...certificates], minVersion: 'TLSv1.2' });
